//! What a client can ask for: the routes of the data port.

mod auth;
mod body;
pub mod health;
mod models;
pub mod seats;

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use tidegate_watchdog::{Kill, Labels};

use crate::dialects::{Dialect, Options};
use crate::exchange::{self, Asked, Body, Caller, Exchange, outlet};
use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::listener::Patience;

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
    match (method, path) {
        (&Method::POST, "/v1/chat/completions" | "/chat/completions") => {
            // Boxed, because hyper keeps this future's space for as long as the connection lives: an idle stream must
            // not hold what only its attempts needed.
            Box::pin(complete(gateway, peer, Dialect::OpenAiChat, request)).await
        }
        // hyper leaves out the body of an answer to HEAD.
        (&Method::GET | &Method::HEAD, "/v1/models" | "/models") => models::list(&gateway, &request),
        (&Method::GET | &Method::HEAD, path) if health::is_path(path) => {
            health::answer(&gateway, path).map(Body::from)
        }
        (_, "/v1/chat/completions" | "/chat/completions") => not_allowed("POST"),
        (_, "/v1/models" | "/models") => not_allowed("GET, HEAD"),
        (_, path) if health::is_path(path) => not_allowed("GET, HEAD"),
        (method, path) => {
            let message = format!(
                "{method} {path} is not served here; there are POST /v1/chat/completions, GET /v1/models and \
                 GET /health/liveliness"
            );
            exchange::error(Dialect::OpenAiChat, &Failure::refusal(404, message))
        }
    }
}

fn not_allowed(allowed: &'static str) -> Response<Body> {
    let failure = Failure::refusal(405, format!("only {allowed} is allowed here"));
    let mut response = exchange::error(Dialect::OpenAiChat, &failure);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

async fn complete(
    gateway: Arc<Gateway>,
    peer: Peer,
    dialect: Dialect,
    request: Request<Incoming>,
) -> Response<Body> {
    let started = tokio::time::Instant::now();
    match begin(&gateway, peer, dialect, request).await {
        Ok(exchange) => exchange.run().await,
        Err(failure) => {
            gateway.metrics.refused(failure.status, started.elapsed());
            let mut response = exchange::error(dialect, &failure);
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
    dialect: Dialect,
    request: Request<Incoming>,
) -> Result<Exchange, Failure> {
    let routes = gateway.routes.load_full();
    let identity = auth::check(&routes.config.general, request.headers())?;
    let seat = gateway.seats.take(&routes.config.general, identity.as_deref(), &peer.addr)?;
    let (resent, asked) = (resent(request.headers()), Asked::of(request.headers())?);
    // Over HTTP/2 a connection is many streams', each with a clock of its own.
    let alone = request.version() < Version::HTTP_2;
    let retries = Options::retries_in(request.headers()).map_err(Failure::bad_request)?;
    #[cfg(feature = "fault-hooks")]
    let fault = crate::fault::Fault::of(request.headers());
    let tidegate = &routes.config.tidegate;
    let (limit, clocks) = (tidegate.limits.body, tidegate.clocks);
    let body = body::read(request.into_body(), limit, clocks.client_idle, clocks.total).await?;
    let mut request = dialect.decode(body).map_err(Failure::bad_request)?;
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
    let labels = Labels { group: group.name.clone(), ..Labels::default() };
    let probe = gateway.watchdog.open(labels, Some(peer.kill));
    Ok(Exchange::new(gateway.clone(), routes, group, request, caller, probe).seated(seat))
}

/// What the official SDKs say of a request: the number of tries before it.
fn resent(headers: &http::HeaderMap) -> Option<bool> {
    headers.get("x-stainless-retry-count").map(|count| count != "0")
}
