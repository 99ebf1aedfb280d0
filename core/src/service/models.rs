//! `GET /v1/models`.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use serde_json::{Value, json};

use super::auth;
use crate::dialects::Dialect;
use crate::exchange::{self, Body};
use crate::gateway::Gateway;

/// The date that litellm gives to every model, since configurations have none.
const CREATED: u64 = 1_677_610_602;

pub(super) fn list<B>(gateway: &Gateway, request: &Request<B>) -> Response<Body> {
    let routes = gateway.routes.load();
    if let Err(failure) = auth::check(&routes.config.general, request.headers()) {
        return exchange::error(Dialect::OpenAiChat, &failure);
    }
    let models: Vec<Value> = routes
        .names()
        .map(|name| json!({"id": name, "object": "model", "created": CREATED, "owned_by": "tidegate"}))
        .collect();
    let body = json!({"object": "list", "data": models}).to_string().into_bytes();
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
