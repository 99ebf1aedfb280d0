//! OpenAI's legacy completions: the API reference's `POST /v1/completions`.
//!
//! A provider that has them gets the request as it came. For all others the prompt becomes a user's message, and the answer
//! a text again.

mod answer;
mod request;
mod stream;

use std::ops::Range;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::openai_chat::Chat;
use super::{Encoder, Facts, Placed, Request, Route, Seen, Speak};

/// The dialect of texts.
pub(super) struct Completions;

/// What a deployment may have written for its chats and a completion does not know.
const OF_CHATS: [&str; 22] = [
    "audio",
    "encoding_format",
    "dimensions",
    "function_call",
    "functions",
    "metadata",
    "modalities",
    "parallel_tool_calls",
    "prediction",
    "reasoning_effort",
    "response_format",
    "safety_settings",
    "service_tier",
    "store",
    "stream_options",
    "thinking",
    "tool_choice",
    "tools",
    "top_logprobs",
    "logprobs",
    "verbosity",
    "web_search_options",
];

impl Speak for Completions {
    fn number(&self) -> u32 {
        tidegate_host::Dialect::OpenaiCompletions as u32
    }

    fn decode(&self, route: &Route, body: Bytes) -> Result<Request, String> {
        request::decode(route, body)
    }

    fn to_chat(&self, request: &Request, dropping: bool) -> Result<super::Chat, String> {
        request::to_chat(request, dropping)
    }

    fn add_defaults(&self, body: &mut Map<String, Value>, defaults: &Map<String, Value>) {
        for (name, value) in defaults.iter().filter(|(name, _)| !OF_CHATS.contains(&name.as_str())) {
            let name = if name == "max_completion_tokens" { "max_tokens" } else { name };
            body.entry(name).or_insert_with(|| value.clone());
        }
    }

    fn asking_usage(&self, body: &[u8], model_at: Option<Range<usize>>) -> Option<Placed> {
        Chat.asking_usage(body, model_at)
    }

    fn inspect(&self, name: &[u8], data: &[u8]) -> Seen {
        // A choice's `text` counts as content there too.
        Chat.inspect(name, data)
    }

    fn inspect_body(&self, body: &[u8]) -> Seen {
        Chat.inspect_body(body)
    }

    fn done(&self) -> &'static [u8] {
        Chat.done()
    }

    fn is_done(&self, data: &[u8]) -> bool {
        Chat.is_done(data)
    }

    fn encoder(&self, facts: Facts) -> Option<Box<dyn Encoder>> {
        Some(Box::new(stream::Texts::new(&facts)))
    }

    fn answer(&self, chat: &Value, facts: &Facts) -> Option<Value> {
        Some(answer::of_chat(chat, facts))
    }
}
