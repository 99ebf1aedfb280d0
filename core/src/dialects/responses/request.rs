//! Reads the few members of a request that Tidegate acts on, and leaves the body as it came.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::carry::{ID, TAG, is_ours};
use crate::dialects::{Dialect, Request, body};

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    // What may stand in the place of an input.
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    previous_response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
}

pub(super) fn decode(body: Bytes) -> Result<Request, String> {
    let head: Head<'_> = serde_json::from_slice(&body).map_err(|error| explain(&error))?;
    let raw = head.model.ok_or("the request has no \"model\"")?;
    let model: String = serde_json::from_str(raw.get()).map_err(|_| "\"model\" must be a string")?;
    match head.input.map(|input| input.get().as_bytes()[0]) {
        Some(b'"' | b'[') => {}
        None if head.prompt.is_some()
            || head.previous_response_id.is_some()
            || head.conversation.is_some() => {}
        None => return Err("the request has no \"input\"".to_owned()),
        Some(_) => return Err("\"input\" must be text or an array of items".to_owned()),
    }
    let start = raw.get().as_ptr().addr() - body.as_ptr().addr();
    let model_at = start..start + raw.get().len();
    let stream = head.stream.unwrap_or(false);
    let request = Request {
        model,
        model_at,
        stream,
        // Its last event tells it.
        include_usage: true,
        body,
        ..Request::of(Dialect::OpenAiResponses)
    };
    body::without_options(request, explain)
}

/// See [`crate::dialects::Speak::without_ours`].
pub(super) fn without_ours(request: &Request) -> Option<Request> {
    let holds = |mark: &str| memchr::memmem::find(&request.body, mark.as_bytes()).is_some();
    if !holds(TAG) && !holds(ID) {
        return None;
    }
    let head: Head<'_> = serde_json::from_slice(&request.body).ok()?;
    let items: Vec<&RawValue> = serde_json::from_str(head.input?.get()).ok()?;
    let ours = |item: &RawValue| serde_json::from_str::<Value>(item.get()).is_ok_and(|item| is_ours(&item));
    let others: Vec<&RawValue> = items.iter().copied().filter(|item| !ours(item)).collect();
    if others.len() == items.len() {
        return None;
    }
    body::with(request, &[("input".to_owned(), to_raw_value(&others).ok()?)])
}

fn explain(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => format!("the request is not one of Responses: {error}"),
        _ => format!("the request body is not valid JSON: {error}"),
    }
}
