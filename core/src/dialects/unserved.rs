//! A dialect that has a number and is not served yet.

use bytes::Bytes;
use serde_json::Value;

use super::{Chat, Encoder, Facts, Request, Route, Said, Seen, Speak, openai_chat};
use crate::failure::Failure;

/// It refuses every request.
pub(super) struct Unserved(pub(super) tidegate_host::Dialect);

impl Speak for Unserved {
    fn number(&self) -> u32 {
        self.0 as u32
    }

    fn decode(&self, _route: &Route, _body: Bytes) -> Result<Request, String> {
        Err(format!("{} is not served yet", self.0.name()))
    }

    fn to_chat(&self, _request: &Request, _dropping: bool) -> Result<Chat, String> {
        Err(format!("{} is not served yet", self.0.name()))
    }

    fn inspect(&self, _name: &[u8], _data: &[u8]) -> Seen {
        Seen::Malformed
    }

    fn inspect_body(&self, _body: &[u8]) -> Seen {
        Seen::Malformed
    }

    fn frame(&self, name: &[u8], data: &[u8], out: &mut Vec<u8>) {
        openai_chat::Chat.frame(name, data, out);
    }

    fn done(&self) -> &'static [u8] {
        b""
    }

    fn is_done(&self, _data: &[u8]) -> bool {
        false
    }

    fn error_body(&self, failure: &Failure) -> Vec<u8> {
        openai_chat::Chat.error_body(failure)
    }

    fn error_event(&self, failure: &Failure, said: &Said) -> Vec<u8> {
        openai_chat::Chat.error_event(failure, said)
    }

    fn encoder(&self, _facts: Facts) -> Option<Box<dyn Encoder>> {
        None
    }

    fn answer(&self, _chat: &Value, _facts: &Facts) -> Option<Value> {
        None
    }
}
