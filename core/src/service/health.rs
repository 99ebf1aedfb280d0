//! The health routes, on the data port for drop-in use and on the admin port for when the data port cannot answer.

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::json;

use crate::gateway::Gateway;

/// litellm's spelling, the usual one, and readiness.
pub fn is_path(path: &str) -> bool {
    matches!(path, "/health/liveliness" | "/health/liveness" | "/health/readiness")
}

/// Liveness: the process serves. Readiness: it wants requests.
pub fn answer(gateway: &Gateway, path: &str) -> Response<Vec<u8>> {
    let ready = !gateway.is_draining();
    let (status, body) = match path {
        "/health/readiness" => {
            let routes = gateway.routes.load();
            let word = if ready { "ready" } else { "draining" };
            let body = json!({"status": word, "version": env!("CARGO_PKG_VERSION"), "models": routes.names().count()});
            (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
        }
        _ => (StatusCode::OK, json!("I'm alive!")),
    };
    let mut response = Response::new(body.to_string().into_bytes());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
