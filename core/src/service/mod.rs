//! What a client can ask for: the routes of the data port.

mod auth;
mod body;
mod google;
pub mod health;
mod models;
mod routes;
pub mod seats;

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use tidegate_watchdog::{Kill, Labels};

use crate::dialects::{Dialect, Options, Route};
use crate::exchange::{self, Asked, Body, Caller, Exchange, outlet};
use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::listener::Patience;
use routes::{Found, Place, dialect_of};

/// Who is at the other end of a connection.
#[derive(Clone)]
pub struct Peer {
    /// Its address.
    pub addr: SocketAddr,
    /// Shuts its socket.
    pub kill: Weak<dyn Kill>,
    /// How long it may not read.
    pub patience: Patience,
}

/// Answers one request. Never fails: an error is an answer in the client's dialect.
pub async fn handle(gateway: Arc<Gateway>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
    let (method, path) = (request.method(), request.uri().path());
    let Some(found) = Found::at(path, request.uri().query().unwrap_or_default()) else {
        let dialect = dialect_of(path, request.headers());
        let message = format!("{method} {path} is not served here; there are {}", routes::beside(dialect));
        return exchange::error(dialect, &Failure::refusal(404, message));
    };
    if !found.methods.contains(method) {
        return not_allowed(dialect_of(path, request.headers()), found.methods);
    }
    match found.place {
        // Boxed, because hyper keeps this future's space for as long as the connection lives: an idle stream must
        // not hold what only its attempts needed.
        Place::Model(route) => Box::pin(complete(gateway, peer, route, request)).await,
        // google-genai asks for its list at OpenAI's path (3.4.0).
        Place::Models if google::is_client(&request) => google::models(&gateway, &request, None),
        Place::AModel(name) if google::is_client(&request) => google::models(&gateway, &request, Some(&name)),
        Place::Models => models::list(&gateway, &request),
        Place::AModel(name) => models::one(&gateway, &request, &name),
        Place::GoogleModels(one) => google::models(&gateway, &request, one.as_deref()),
        Place::Health => health::answer(&gateway, path).map(Body::from),
        Place::Stored => {
            let message = format!(
                "there is nothing at {path}: this gateway stores no answers, so send the whole history as \"input\" to \
                 POST /v1/responses"
            );
            exchange::error(Dialect::OpenAiResponses, &Failure::refusal(404, message))
        }
    }
}

fn not_allowed(dialect: Dialect, allowed: &[Method]) -> Response<Body> {
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let failure = Failure::refusal(405, format!("only {allowed} is allowed here"));
    let mut response = exchange::error(dialect, &failure);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

async fn complete(
    gateway: Arc<Gateway>,
    peer: Peer,
    route: Route,
    request: Request<Incoming>,
) -> Response<Body> {
    let started = tokio::time::Instant::now();
    match begin(&gateway, peer, &route, request).await {
        Ok(exchange) => exchange.run().await,
        Err(failure) => {
            gateway.metrics.refused(failure.status, started.elapsed());
            let mut response = exchange::error(route.dialect, &failure);
            if gateway.routes.load().config.tidegate.litellm_headers {
                exchange::call_id_alone(response.headers_mut());
            }
            response
        }
    }
}

/// Everything that can refuse a request before an upstream is called.
async fn begin(
    gateway: &Arc<Gateway>,
    peer: Peer,
    route: &Route,
    request: Request<Incoming>,
) -> Result<Exchange, Failure> {
    let routes = gateway.routes.load_full();
    let in_query = request.uri().query().filter(|_| google::speaks(route.dialect)).and_then(google::key);
    let identity = auth::check_or(&routes.config.general, request.headers(), in_query.as_deref())?;
    let seat = gateway.seats.take(&routes.config.general, identity.as_deref(), &peer.addr)?;
    let (resent, asked) = (resent(request.headers()), Asked::of(request.headers())?);
    // Over HTTP/2 a connection is many streams', each with a clock of its own.
    let alone = request.version() < Version::HTTP_2;
    let retries = Options::retries_in(request.headers()).map_err(Failure::bad_request)?;
    #[cfg(feature = "fault-hooks")]
    let fault = crate::fault::Fault::of(request.headers());
    let tidegate = &routes.config.tidegate;
    let (limit, clocks) = (tidegate.limits.body, tidegate.clocks);
    let (forwarded, client) = (forwarded(request.headers()), client(&peer.addr, request.headers()));
    let body = body::read(request.into_body(), limit, clocks.client_idle, clocks.total).await?;
    let mut request = route.dialect.decode(route, body).map_err(Failure::bad_request)?;
    request.headers = forwarded;
    if let Some(retries) = retries {
        request.options.get_or_insert_default().num_retries = Some(retries);
    }
    let group = routes.group(&request.model).cloned().ok_or_else(|| {
        let names = routes.names().collect::<Vec<_>>().join(", ");
        Failure::refusal(404, format!("there is no model \"{}\"; there are: {names}", request.model))
    })?;
    let group = routes.view(&group, request.options.as_deref(), &gateway.metrics);
    // Both, because many clients may share a key, and many an address.
    let mut identity = identity.unwrap_or_default();
    identity.extend_from_slice(peer.addr.ip().to_string().as_bytes());
    let caller = Caller {
        identity,
        resent,
        asked: asked.map(Box::new),
        #[cfg(feature = "fault-hooks")]
        fault,
    };
    let client_idle = group.clocks.client_idle;
    if alone {
        peer.patience.set(client_idle);
    } else {
        outlet::be_patient(client_idle);
    }
    let labels = Labels { group: group.name.clone(), client };
    let probe = gateway.watchdog.open(labels, Some(peer.kill));
    Ok(Exchange::new(gateway.clone(), routes, group, request, caller, probe).seated(seat))
}

/// The headers with which a client chooses what its provider does. No others reach one.
const FORWARDED: [&str; 3] = ["anthropic-version", "anthropic-beta", "openai-beta"];

fn forwarded(headers: &http::HeaderMap) -> Vec<(&'static str, String)> {
    let all = |name| {
        let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| (name, values.join(",")))
    };
    FORWARDED.into_iter().filter_map(all).collect()
}

/// Who asks, for the operator's eyes: the address, and the first word of the User-Agent, such as `OpenAI/Python`.
fn client(addr: &SocketAddr, headers: &http::HeaderMap) -> Arc<str> {
    const LONGEST: usize = 40;
    let agent =
        headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let word: String = agent.split_whitespace().next().unwrap_or_default().chars().take(LONGEST).collect();
    match word.is_empty() {
        true => addr.ip().to_string().into(),
        false => format!("{} {word}", addr.ip()).into(),
    }
}

/// What the official SDKs say of a request: the number of tries before it.
fn resent(headers: &http::HeaderMap) -> Option<bool> {
    headers.get("x-stainless-retry-count").map(|count| count != "0")
}
