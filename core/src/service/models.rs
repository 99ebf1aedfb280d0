//! `GET /v1/models` and `GET /v1/models/MODEL`, in the form of whoever asks.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use serde_json::{Value, json};

use super::auth;
use super::routes::{VERSION, dialect_of};
use crate::exchange::{self, Body};
use crate::failure::Failure;
use crate::gateway::Gateway;

/// The date that litellm gives to every model, since configurations have none.
const CREATED: u64 = 1_677_610_602;
/// The same.
const CREATED_AT: &str = "2023-02-28T18:56:42Z";

pub(super) fn list<B>(gateway: &Gateway, request: &Request<B>, seed: u64) -> Response<Body> {
    let routes = gateway.routes.load();
    if let Err(failure) = auth::check(&routes.config.general, request.headers()) {
        return exchange::error_of(dialect_of(request.uri().path(), request.headers()), &failure, seed);
    }
    let form = Form::of(request);
    let models: Vec<Value> = routes.names().map(|name| form.model(name)).collect();
    answer(&match form {
        Form::OpenAi => json!({"object": "list", "data": models}),
        // One page has all: a client that asks for the next is told that there is none.
        Form::Anthropic => json!({
            "first_id": models.first().map(|model| &model["id"]),
            "last_id": models.last().map(|model| &model["id"]),
            "has_more": false,
            "data": models,
        }),
    })
}

/// One model: a name of the list, or any that a request could ask for.
pub(super) fn one<B>(gateway: &Gateway, request: &Request<B>, name: &str, seed: u64) -> Response<Body> {
    let routes = gateway.routes.load();
    let refuse =
        |failure| exchange::error_of(dialect_of(request.uri().path(), request.headers()), &failure, seed);
    if let Err(failure) = auth::check(&routes.config.general, request.headers()) {
        return refuse(failure);
    }
    if routes.group(name).is_none() {
        return refuse(Failure::refusal(404, format!("there is no model \"{name}\"")));
    }
    answer(&Form::of(request).model(name))
}

/// Whose form it is.
#[derive(Clone, Copy)]
enum Form {
    OpenAi,
    Anthropic,
}

impl Form {
    fn of<B>(request: &Request<B>) -> Self {
        if request.headers().contains_key(VERSION) { Form::Anthropic } else { Form::OpenAi }
    }

    fn model(self, name: &str) -> Value {
        match self {
            Form::OpenAi => {
                json!({"id": name, "object": "model", "created": CREATED, "owned_by": "tidegate"})
            }
            Form::Anthropic => json!({
                "type": "model", "id": name, "display_name": name, "created_at": CREATED_AT, "lifecycle": "active",
            }),
        }
    }
}

fn answer(body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
