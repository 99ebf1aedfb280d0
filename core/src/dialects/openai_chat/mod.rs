//! OpenAI chat completions: the API reference's `POST /v1/chat/completions`, and what SDKs make of its errors.

mod continuation;
mod encode;
mod inspect;
pub(super) mod request;
mod usage;

pub(super) use encode::{error_body, frame};

use std::ops::Range;

use bytes::Bytes;
use tidegate_host::Prefill;

use super::{Placed, Request, Route, Seen, Speak};

/// The canonical dialect.
pub struct Chat;

impl Speak for Chat {
    fn number(&self) -> u32 {
        tidegate_host::Dialect::OpenaiChat as u32
    }

    fn decode(&self, route: &Route, body: Bytes) -> Result<Request, String> {
        request::decode(super::body::of_model(body, route.model.as_deref()))
    }

    fn to_chat(&self, request: &Request, _dropping: bool) -> Result<super::Chat, String> {
        let (body, model_at) = (request.body.clone(), request.model_at.clone());
        Ok(super::Chat { body, model_at, dropped: Vec::new() })
    }

    fn asking_usage(&self, body: &[u8], model_at: Option<Range<usize>>) -> Option<Placed> {
        usage::asked(body, model_at)
    }

    fn obstacle(&self, body: &[u8]) -> Option<&'static str> {
        continuation::obstacle(body)
    }

    fn continued(&self, request: &Request, text: &str, prefill: Prefill) -> Option<Request> {
        continuation::continued(request, text, prefill)
    }

    fn inspect(&self, name: &[u8], data: &[u8]) -> Seen {
        inspect::event(name, data)
    }

    fn inspect_body(&self, body: &[u8]) -> Seen {
        inspect::body(body)
    }

    fn done(&self) -> &'static [u8] {
        encode::DONE
    }

    fn is_done(&self, data: &[u8]) -> bool {
        data == b"[DONE]"
    }
}
