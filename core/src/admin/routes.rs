//! What there is at the admin port.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Bytes, Incoming};

use super::body::{Answer, Snapshots};
use super::{access, api, plugins, refresh, resources, status};
use crate::gateway::Gateway;
use crate::metrics::Known;
use crate::service::health;

const RELOAD: &str = "/api/plugins/reload";

/// An answer that is not there at once: its connection may live longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// A reload takes its time, and a client that waits for it has not gone astray.
    Patient,
    /// It has no end.
    Live,
}

/// Answers one request of `peer`.
pub(super) async fn answer(
    gateway: &Gateway,
    snapshots: &Arc<Snapshots>,
    peer: IpAddr,
    request: &Request<Incoming>,
    pace: impl Fn(Pace),
) -> Response<Answer> {
    let (path, headers) = (request.uri().path(), request.headers());
    if health::is_path(path) {
        return health::answer(gateway, path).map(|body| Bytes::from(body).into());
    }
    let routes = gateway.routes.load_full();
    let key = access::key(&routes.config);
    if request.method() == Method::POST {
        let stream = path.strip_prefix("/api/streams/").and_then(|rest| rest.strip_suffix("/abort"));
        if path != RELOAD && stream.is_none() {
            return text(StatusCode::METHOD_NOT_ALLOWED, ONLY);
        }
        if let Err((status, why)) = access::change(access::key_of_change(&routes.config, peer), headers) {
            return text(status, why);
        }
        return match stream {
            Some(id) => abort(gateway, id),
            None => {
                pace(Pace::Patient);
                let (status, told) = plugins::reload(gateway).await;
                let mut response = json(&told);
                *response.status_mut() = status;
                response
            }
        };
    }
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, ONLY);
    }
    if let Some(file) = resources::get(path) {
        return file.map(Answer::from);
    }
    if let Err((status, why)) = access::look(key, peer, headers) {
        return text(status, why);
    }
    if path == "/api/live" {
        return match snapshots.watch() {
            Some(events) => {
                pace(Pace::Live);
                live(events)
            }
            None => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many watch already; /api/status has the same once\n",
            ),
        };
    }
    look(gateway, path)
}

fn live(events: Answer) -> Response<Answer> {
    let mut response = Response::new(events);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // It has used up what a connection lives.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

const ONLY: &str = "only GET is allowed here, and POST for /api/plugins/reload and /api/streams/ID/abort\n";

/// What can be had whole.
fn look(gateway: &Gateway, path: &str) -> Response<Answer> {
    match path {
        "/metrics" => {
            refresh(gateway);
            let routes = gateway.routes.load();
            let others = &routes.config.tidegate.compat_metrics;
            let known = if others.is_empty() { Known::default() } else { routes.known() };
            typed(gateway.metrics.encode(others, &known), "text/plain; version=0.0.4; charset=utf-8")
        }
        "/api/status" => json(&status::snapshot(gateway)),
        "/api/streams" => json(&api::streams(&gateway.watchdog)),
        "/api/incidents" => json(&api::incidents(&gateway.watchdog)),
        "/api/plugins" => json(&plugins::list(gateway)),
        "/api/config" => typed(api::config(gateway).into_bytes(), "text/plain; charset=utf-8"),
        RELOAD => text(StatusCode::METHOD_NOT_ALLOWED, "a reload is asked for by POST\n"),
        path => match path.strip_prefix("/api/incidents/") {
            Some(id) => match api::one(&gateway.watchdog, id) {
                Some(incident) => json(&incident),
                None => text(StatusCode::NOT_FOUND, "there is no such incident; /api/incidents lists them\n"),
            },
            None => text(
                StatusCode::NOT_FOUND,
                "there are / (a page), /metrics, /health/readiness, /api/status, /api/live, /api/streams, \
                 /api/incidents, /api/incidents/ID, /api/plugins, /api/config\n",
            ),
        },
    }
}

fn abort(gateway: &Gateway, id: &str) -> Response<Answer> {
    let Ok(number) = id.parse() else {
        return text(StatusCode::NOT_FOUND, "a stream's id is a number; /api/streams lists them\n");
    };
    if !gateway.watchdog.end(number) {
        return text(StatusCode::NOT_FOUND, "there is no such stream now; /api/streams lists them\n");
    }
    // One that waits for its provider is not polled: it has to hear of it.
    gateway.nudge();
    tracing::warn!(stream = number, "a stream is ended because an operator asked for it");
    json(&serde_json::json!({"aborted": number}))
}

fn json(value: &serde_json::Value) -> Response<Answer> {
    typed(value.to_string().into_bytes(), "application/json")
}

fn text(status: StatusCode, text: &str) -> Response<Answer> {
    let mut response = typed(text.into(), "text/plain; charset=utf-8");
    *response.status_mut() = status;
    response
}

fn typed(body: Vec<u8>, kind: &'static str) -> Response<Answer> {
    let mut response = Response::new(Answer::from(Bytes::from(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
