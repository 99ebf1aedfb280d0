//! Anthropic's Messages: the API reference's `POST /v1/messages` and `/v1/messages/count_tokens`, and what the official
//! SDKs make of their streams and errors.

mod answer;
mod blocks;
mod chat;
mod count;
mod defaults;
mod encode;
mod ids;
mod inspect;
mod native;
mod request;
mod stream;
mod usage;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Chat, Encoder, Facts, Request, Route, Said, Seen, Speak};
use crate::failure::Failure;

/// `POST /v1/messages`.
pub struct Messages;

impl Speak for Messages {
    fn number(&self) -> u32 {
        tidegate_host::Dialect::AnthropicMessages as u32
    }

    fn decode(&self, route: &Route, body: Bytes) -> Result<Request, String> {
        request::decode(route, body)
    }

    fn to_chat(&self, request: &Request, dropping: bool) -> Result<Chat, String> {
        chat::of(request, dropping)
    }

    fn own_name(&self, chat: &str) -> Option<&'static str> {
        chat::own_name(chat)
    }

    fn without_ours(&self, request: &Request) -> Option<Request> {
        native::without_ours(request)
    }

    fn add_defaults(&self, body: &mut Map<String, Value>, defaults: &Map<String, Value>) {
        defaults::add(body, defaults);
    }

    fn inspect(&self, name: &[u8], data: &[u8]) -> Seen {
        inspect::event(name, data)
    }

    fn inspect_body(&self, body: &[u8]) -> Seen {
        inspect::body(body)
    }

    fn frame(&self, name: &[u8], data: &[u8], out: &mut Vec<u8>) {
        encode::frame(name, data, out);
    }

    fn done(&self) -> &'static [u8] {
        encode::DONE
    }

    fn is_done(&self, data: &[u8]) -> bool {
        matches!(inspect::body(data), Seen::Done(_))
    }

    fn keep_alive(&self) -> &'static [u8] {
        encode::KEEP_ALIVE
    }

    fn error_body(&self, failure: &Failure) -> Vec<u8> {
        encode::error_body(failure, None)
    }

    fn identified_error(&self, failure: &Failure, id: &str) -> Vec<u8> {
        encode::error_body(failure, Some(id))
    }

    fn id_header(&self) -> Option<&'static str> {
        Some(encode::ID_HEADER)
    }

    fn status(&self, failure: &Failure) -> u16 {
        encode::status(failure)
    }

    fn error_event(&self, failure: &Failure, _said: &Said) -> Vec<u8> {
        let mut event = Vec::new();
        encode::frame(b"error", &encode::error_body(failure, None), &mut event);
        event
    }

    fn encoder(&self, facts: Facts) -> Option<Box<dyn Encoder>> {
        Some(Box::new(stream::Events::new(facts)))
    }

    fn answer(&self, chat: &Value, facts: &Facts) -> Option<Value> {
        Some(answer::of_chat(chat, facts))
    }
}

/// `POST /v1/messages/count_tokens`: the same request, and one number as the answer.
pub struct CountTokens;

impl Speak for CountTokens {
    fn number(&self) -> u32 {
        tidegate_host::Dialect::AnthropicCountTokens as u32
    }

    fn decode(&self, route: &Route, body: Bytes) -> Result<Request, String> {
        // There is no stream of it, whatever the body says.
        request::decode(route, body).map(|request| Request { stream: false, ..request })
    }

    fn to_chat(&self, _request: &Request, _dropping: bool) -> Result<Chat, String> {
        Err("this model's provider does not count tokens".to_owned())
    }

    fn without_ours(&self, request: &Request) -> Option<Request> {
        native::without_ours(request)
    }

    /// What counts nothing, such as a limit, has no place in this request.
    fn add_defaults(&self, _body: &mut Map<String, Value>, _defaults: &Map<String, Value>) {}

    fn inspect_body(&self, body: &[u8]) -> Seen {
        count::inspect(body)
    }

    fn error_body(&self, failure: &Failure) -> Vec<u8> {
        Messages.error_body(failure)
    }

    fn identified_error(&self, failure: &Failure, id: &str) -> Vec<u8> {
        Messages.identified_error(failure, id)
    }

    fn id_header(&self) -> Option<&'static str> {
        Messages.id_header()
    }

    fn status(&self, failure: &Failure) -> u16 {
        Messages.status(failure)
    }

    fn estimate(&self, request: &Request) -> Option<Value> {
        Some(json!({"input_tokens": count::estimate(&request.body)}))
    }
}
