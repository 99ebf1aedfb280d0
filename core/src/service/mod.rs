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
use tidegate_watchdog::{Kill, Labels, Probe};

use crate::access::{Visit, Who};
use crate::dialects::{self, Dialect, Options, Route};
use crate::exchange::{self, Asked, Body, Caller, Exchange, outlet};
use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::listener::Patience;
use crate::metrics::Ending;
use crate::routing::{Group, Routes};
use body::Unread;
pub(crate) use google::decoded as percent_decoded;
use routes::{Found, Place, dialect_of};
use seats::Seat;

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

/// Answers one request. Never fails: an error is an answer in the client's dialect. Whatever becomes of it, its line is in the
/// access log when it has ended; a load balancer's question has none.
pub async fn handle(gateway: Arc<Gateway>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
    let (method, path) = (request.method(), request.uri().path());
    let found = Found::at(path, request.uri().query().unwrap_or_default());
    if let Some(Found { place: Place::Health, methods }) = &found
        && methods.contains(method)
    {
        return health::answer(&gateway, path).map(Body::from);
    }
    let who = Who::at(peer.addr.ip(), request.headers());
    let trace = gateway.traces.begin(request.headers());
    let mut visit = Visit::begin(gateway.access.clone(), who, method, path, trace);
    match found {
        // Boxed, because hyper keeps this future's space for as long as the connection lives: an idle stream must
        // not hold what only its attempts needed.
        Some(Found { place: Place::Model(route), methods }) if methods.contains(method) => {
            visit.dialect = Some(route.dialect);
            visit.count_in(gateway.groupless.clone());
            Box::pin(complete(gateway, peer, route, request, visit)).await
        }
        found => {
            let response = aside(&gateway, found, &request, &mut visit);
            let status = response.status().as_u16();
            let error = (status >= 400).then(|| Failure::refusal(status, "").kind());
            visit.answered(status, error, response.body().len());
            response
        }
    }
}

/// What asks for no answer of a model's.
fn aside(
    gateway: &Gateway,
    found: Option<Found>,
    request: &Request<Incoming>,
    visit: &mut Visit,
) -> Response<Body> {
    let (method, path, seed) = (request.method(), request.uri().path(), visit.seed);
    let dialect = dialect_of(path, request.headers());
    let Some(found) = found else {
        let message = format!("{method} {path} is not served here; there are {}", routes::beside(dialect));
        return exchange::error_of(dialect, &Failure::refusal(404, message), seed);
    };
    if !found.methods.contains(method) {
        return not_allowed(dialect, found.methods, seed);
    }
    let in_query = request.uri().query().and_then(google::key);
    visit.who.has_sent(auth::sent(
        &gateway.routes.load().config.general,
        request.headers(),
        in_query.as_deref(),
    ));
    match found.place {
        // google-genai asks for its list at OpenAI's path (3.4.0).
        Place::Models if google::is_client(request) => google::models(gateway, request, None, seed),
        Place::AModel(name) if google::is_client(request) => {
            google::models(gateway, request, Some(&name), seed)
        }
        Place::Models => models::list(gateway, request, seed),
        Place::AModel(name) => models::one(gateway, request, &name, seed),
        Place::GoogleModels(one) => google::models(gateway, request, one.as_deref(), seed),
        Place::Health => health::answer(gateway, path).map(Body::from),
        Place::Stored => {
            let message = format!(
                "there is nothing at {path}: this gateway stores no answers, so send the whole history as \"input\" to \
                 POST /v1/responses"
            );
            exchange::error_of(Dialect::OpenAiResponses, &Failure::refusal(404, message), seed)
        }
        // It was taken care of before.
        Place::Model(route) => not_allowed(route.dialect, found.methods, seed),
    }
}

fn not_allowed(dialect: Dialect, allowed: &[Method], seed: u64) -> Response<Body> {
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let failure = Failure::refusal(405, format!("only {allowed} is allowed here"));
    let mut response = exchange::error_of(dialect, &failure, seed);
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
    mut visit: Box<Visit>,
) -> Response<Body> {
    match begin(&gateway, peer, &route, request, &mut visit).await {
        Ok(Ready { routes, group, request, caller, probe, seat }) => {
            Exchange::new(gateway, routes, group, request, caller, probe, visit).seated(seat).run().await
        }
        Err(failure) => {
            let mut response = exchange::error_of(route.dialect, &failure, visit.seed);
            if gateway.routes.load().config.tidegate.litellm_headers {
                exchange::call_id_alone(response.headers_mut());
            }
            let status = response.status().as_u16();
            visit.answered(status, Some(failure.kind()), response.body().len());
            response
        }
    }
}

/// A request that nothing has refused.
struct Ready {
    routes: Arc<Routes>,
    group: Arc<Group>,
    request: dialects::Request,
    caller: Caller,
    probe: Probe,
    seat: Option<Seat>,
}

/// Everything that can refuse a request before an upstream is called.
async fn begin(
    gateway: &Arc<Gateway>,
    peer: Peer,
    route: &Route,
    request: Request<Incoming>,
    visit: &mut Visit,
) -> Result<Ready, Failure> {
    let routes = gateway.routes.load_full();
    let general = &routes.config.general;
    let in_query = request.uri().query().filter(|_| google::speaks(route.dialect)).and_then(google::key);
    visit.who.has_sent(auth::sent(general, request.headers(), in_query.as_deref()));
    let identity = auth::check_or(general, request.headers(), in_query.as_deref())?;
    let seat = gateway.seats.take(general, identity.as_deref(), &peer.addr)?;
    let (resent, asked) = (resent(request.headers()), Asked::of(request.headers())?);
    // Over HTTP/2 a connection is many streams', each with a clock of its own.
    let alone = request.version() < Version::HTTP_2;
    let retries = Options::retries_in(request.headers()).map_err(Failure::bad_request)?;
    #[cfg(feature = "fault-hooks")]
    let fault = crate::fault::Fault::of(request.headers());
    let tidegate = &routes.config.tidegate;
    let (limit, clocks) = (tidegate.limits.body, tidegate.clocks);
    let forwarded = forwarded(request.headers());
    if let Some(coding) = request.headers().get(http::header::CONTENT_ENCODING).filter(|it| *it != "identity")
    {
        let coding = String::from_utf8_lossy(coding.as_bytes()).into_owned();
        let message =
            format!("a request in the content-encoding \"{coding}\" cannot be read; send it as it is");
        return Err(Failure::refusal(415, message));
    }
    let body = body::read(gateway, request.into_body(), limit, clocks.client_idle, clocks.total).await;
    let body = body.map_err(|unread| match unread {
        Unread::Refused(failure) => failure,
        Unread::Left => {
            visit.end(499, Ending::ClientGone);
            Failure::bad_request("the request's body broke off")
        }
    })?;
    visit.facts.bytes_in = body.len() as u64;
    // A UTF-8 BOM, which some editors and shells put there.
    let body = if body.starts_with(b"\xef\xbb\xbf") { body.slice(3..) } else { body };
    let mut request = {
        // It may be long, and no stream is watched yet.
        let _work = tidegate_watchdog::work_enter();
        route.dialect.decode(route, body).map_err(Failure::bad_request)?
    };
    visit.model(&request.model);
    visit.facts.stream = Some(request.stream);
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
        peer.patience.answers(true);
    } else {
        outlet::be_patient(client_idle);
    }
    let labels = Labels {
        group: group.name.clone(),
        client: visit.who.label(),
        request: exchange::request_id(visit.seed).into(),
        trace: visit.trace.trace_id().map(Into::into),
    };
    let probe = gateway.watchdog.open(labels, Some(outlet::handle(peer.kill)));
    Ok(Ready { routes, group, request, caller, probe, seat })
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

/// What the official SDKs say of a request: the number of tries before it.
fn resent(headers: &http::HeaderMap) -> Option<bool> {
    headers.get("x-stainless-retry-count").map(|count| count != "0")
}
