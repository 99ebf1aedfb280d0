//! What a client has been told of an answer so far, in a group that continues broken streams.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::dialects::Usage;
use crate::framing::{Kind, Sse};

/// A longer text is not continued: it is kept in memory, and sent again.
const LONGEST: usize = 1 << 20;

/// What identifies an answer, in each of its chunks.
pub(super) const IDENTITY: [&str; 4] = ["id", "created", "model", "system_fingerprint"];

/// The answer so far.
#[derive(Debug)]
pub struct Transcript {
    framer: Sse,
    /// The text.
    pub(super) text: String,
    /// The members of [`IDENTITY`] that its first chunk had.
    pub(super) identity: Map<String, Value>,
    begun: bool,
    /// The last usage that it told.
    pub(super) usage: Option<Map<String, Value>>,
    obstacle: Option<&'static str>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            // What is passed here has been through the limits.
            framer: Sse::new(usize::MAX),
            text: String::new(),
            identity: Map::new(),
            begun: false,
            usage: None,
            obstacle: None,
        }
    }
}

impl Transcript {
    /// Takes what goes to the client, whole events.
    pub fn take(&mut self, bytes: &Bytes) {
        if self.obstacle.is_some() {
            return;
        }
        let Ok(block) = self.framer.push(bytes.clone()) else { return };
        let mut obstacle = None;
        for event in block.events().filter(|event| event.kind == Kind::Event) {
            if let Ok(Value::Object(chunk)) = serde_json::from_slice(event.data) {
                let told =
                    Told { text: &mut self.text, identity: &mut self.identity, begun: &mut self.begun };
                obstacle = obstacle.or(told.chunk(&chunk));
                if let Some(Value::Object(usage)) = chunk.get("usage") {
                    self.usage = Some(usage.clone());
                }
            }
        }
        if self.text.len() > LONGEST {
            obstacle = obstacle.or(Some("its text is too long"));
        }
        if obstacle.is_some() {
            self.obstacle = obstacle;
            self.text = String::new();
        }
    }

    /// What its plugin counted, for an upstream that tells its usage on the way and a client that is told it at the end.
    pub fn counted(&mut self, noted: Usage) {
        if self.usage.is_some() || noted == Usage::default() {
            return;
        }
        let count = |count: Option<u64>| count.unwrap_or(0);
        let usage = json!({
            "prompt_tokens": count(noted.input),
            "completion_tokens": count(noted.output),
            "total_tokens": count(noted.input).saturating_add(count(noted.output)),
            "prompt_tokens_details": {"cached_tokens": count(noted.cached)},
            "completion_tokens_details": {"reasoning_tokens": count(noted.reasoning)},
        });
        self.usage = usage.as_object().cloned();
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why nobody else can go on with it: a clause whose subject is the answer.
    pub fn obstacle(&self) -> Option<&'static str> {
        self.obstacle
    }
}

/// The parts of a transcript that a chunk changes.
struct Told<'a> {
    text: &'a mut String,
    identity: &'a mut Map<String, Value>,
    begun: &'a mut bool,
}

impl Told<'_> {
    /// Takes a chunk; gives the obstacle that it is.
    fn chunk(self, chunk: &Map<String, Value>) -> Option<&'static str> {
        let choices = chunk.get("choices")?.as_array()?;
        if !choices.is_empty() && !std::mem::replace(self.begun, true) {
            *self.identity = IDENTITY
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), chunk.get(*name)?.clone())))
                .collect();
        }
        choices.iter().find_map(|choice| {
            if choice.get("index").and_then(Value::as_u64).unwrap_or(0) != 0 {
                return Some("it has several choices");
            }
            if choice.get("finish_reason").is_some_and(|reason| !reason.is_null()) {
                return Some("it had said why it ends");
            }
            if choice.get("logprobs").is_some_and(is_full) {
                return Some("it has logprobs");
            }
            let delta = choice.get("delta")?.as_object()?;
            delta.iter().filter(|(_, value)| is_full(value)).find_map(|(name, value)| {
                match (name.as_str(), value) {
                    ("role", _) => None,
                    ("content", Value::String(piece)) => {
                        self.text.push_str(piece);
                        None
                    }
                    ("tool_calls" | "function_call", _) => Some("it calls a tool"),
                    ("reasoning" | "reasoning_content" | "reasoning_details" | "thinking_blocks", _) => {
                        Some("it has reasoned")
                    }
                    _ => Some("it is more than text"),
                }
            })
        })
    }
}

/// Neither null nor empty.
pub(super) fn is_full(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}
