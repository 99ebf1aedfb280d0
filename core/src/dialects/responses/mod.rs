//! OpenAI's Responses: what the Codex CLI and OpenAI's newer agents speak.
//!
//! Nothing is stored here: a request brings its whole history, and what would need a store is refused by name. On its way to
//! a provider of chat completions, what a provider wants back unchanged travels in the reasoning items (`carry`).

mod call;
mod carry;
mod chat;
mod content;
mod crossing;
mod defaults;
mod echo;
mod encode;
mod inspect;
mod items;
mod message;
mod output;
mod reasoning;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod tools;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Chat, Encoder, Facts, Request, Route, Said, Seen, Speak};
use crate::failure::Failure;

/// The dialect.
pub(super) struct Responses;

impl Speak for Responses {
    fn number(&self) -> u32 {
        tidegate_host::Dialect::OpenaiResponses as u32
    }

    fn decode(&self, _route: &Route, body: Bytes) -> Result<Request, String> {
        request::decode(body)
    }

    fn to_chat(&self, request: &Request, dropping: bool) -> Result<Chat, String> {
        chat::of(request, dropping)
    }

    fn own_name(&self, chat: &str) -> Option<&'static str> {
        chat::own_name(chat)
    }

    fn without_ours(&self, request: &Request) -> Option<Request> {
        request::without_ours(request)
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

    /// The last event is the end, and it holds the whole answer.
    fn is_done(&self, _data: &[u8]) -> bool {
        true
    }

    fn error_event(&self, failure: &Failure, said: &Said) -> Vec<u8> {
        encode::error_event(failure, said)
    }

    fn remembers(&self) -> bool {
        true
    }

    fn encoder(&self, facts: Facts) -> Option<Box<dyn Encoder>> {
        Some(Box::new(stream::ResponsesEncoder::new(&facts)))
    }

    fn answer(&self, chat: &Value, facts: &Facts) -> Option<Value> {
        Some(stream::answer(chat, facts))
    }
}
