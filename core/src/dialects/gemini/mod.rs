//! Gemini's `generateContent` and `countTokens`, as the Gemini API and Vertex AI have them: the request is
//! `GenerateContentRequest`, the model and the form of the answer stand in the path, and a stream is complete when its body
//! ends after an event that says why the answer did.

mod answer;
mod count;
mod embed;
mod encode;
mod grounding;
mod inspect;
mod parts;
mod proto;
mod request;
mod signature;
mod stream;
mod words;

use bytes::Bytes;
pub use embed::Embed;
use serde_json::{Map, Value};

use super::{Chat, Encoder, Facts, Request, Route, Seen, Speak};
use crate::failure::Failure;

/// `POST /v1beta/models/MODEL:generateContent` and `:streamGenerateContent`.
pub struct Generate;

/// `POST /v1beta/models/MODEL:countTokens`.
pub struct CountTokens;

impl Speak for Generate {
    fn number(&self) -> u32 {
        tidegate_host::Dialect::GeminiGenerate as u32
    }

    fn decode(&self, route: &Route, body: Bytes) -> Result<Request, String> {
        request::decode(route, body)
    }

    fn to_chat(&self, request: &Request, dropping: bool) -> Result<Chat, String> {
        request::to_chat(request, dropping)
    }

    fn own_name(&self, chat: &str) -> Option<&'static str> {
        request::own_name(chat)
    }

    fn add_defaults(&self, body: &mut Map<String, Value>, defaults: &Map<String, Value>) {
        request::add_defaults(body, defaults);
    }

    fn inspect(&self, name: &[u8], data: &[u8]) -> Seen {
        inspect::event(name, data)
    }

    fn inspect_body(&self, body: &[u8]) -> Seen {
        inspect::body(body)
    }

    fn frame(&self, _name: &[u8], data: &[u8], out: &mut Vec<u8>) {
        encode::frame(data, out);
    }

    fn ends_with_body(&self) -> bool {
        true
    }

    fn has_comments(&self) -> bool {
        false
    }

    fn keep_alive(&self) -> &'static [u8] {
        encode::KEEP_ALIVE
    }

    fn error_body(&self, failure: &Failure) -> Vec<u8> {
        encode::error_body(failure)
    }

    fn encoder(&self, facts: Facts) -> Option<Box<dyn Encoder>> {
        Some(Box::new(stream::GeminiEncoder::new(&facts)))
    }

    fn answer(&self, chat: &Value, facts: &Facts) -> Option<Value> {
        Some(answer::of_chat(chat, facts))
    }
}

impl Speak for CountTokens {
    fn number(&self) -> u32 {
        tidegate_host::Dialect::GeminiCountTokens as u32
    }

    fn decode(&self, route: &Route, body: Bytes) -> Result<Request, String> {
        request::decode_count(route, body)
    }

    fn to_chat(&self, _request: &Request, _dropping: bool) -> Result<Chat, String> {
        Err("this model's provider does not count tokens".into())
    }

    fn estimate(&self, request: &Request) -> Option<Value> {
        Some(count::estimate(&request.body))
    }

    /// What is counted is what the client sent.
    fn add_defaults(&self, _body: &mut Map<String, Value>, _defaults: &Map<String, Value>) {}

    fn inspect_body(&self, body: &[u8]) -> Seen {
        inspect::count(body)
    }

    fn error_body(&self, failure: &Failure) -> Vec<u8> {
        encode::error_body(failure)
    }
}

#[cfg(test)]
mod tests;
