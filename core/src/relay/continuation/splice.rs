//! Joins a continuation to the stream that a client has seen the beginning of.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::NOTICE;
use super::echo::Echo;
use super::transcript::{IDENTITY, Transcript, is_full};
use crate::dialects::Dialect;
use crate::framing::{Kind, Sse};

/// Turns the continuation's events into those of the stream that it goes on with: the same id, no second role, nothing
/// that was said already, and the usage of both.
#[derive(Debug)]
pub struct Splice {
    dialect: Dialect,
    framer: Sse,
    identity: Map<String, Value>,
    usage: Option<Map<String, Value>>,
    echo: Echo,
    noticed: bool,
}

impl Splice {
    /// For the continuation of what `before` holds.
    pub fn new(dialect: Dialect, before: Transcript) -> Self {
        Self {
            dialect,
            // What is passed here has been through the limits.
            framer: Sse::new(usize::MAX),
            identity: before.identity,
            usage: before.usage,
            echo: Echo::new(before.text),
            noticed: false,
        }
    }

    /// What the client gets of these bytes, which are whole events. It may be nothing yet.
    pub fn pass(&mut self, bytes: Bytes) -> Bytes {
        let mut out = Vec::with_capacity(bytes.len() + NOTICE.len());
        if !std::mem::replace(&mut self.noticed, true) {
            out.extend_from_slice(NOTICE);
        }
        let mut framer = std::mem::replace(&mut self.framer, Sse::new(usize::MAX));
        // The limit cannot be passed.
        if let Ok(block) = framer.push(bytes) {
            for event in block.events() {
                match event.kind {
                    Kind::Event if self.dialect.is_done(event.data.trim_ascii()) => {
                        self.flush(&mut out);
                        out.extend_from_slice(self.dialect.done());
                    }
                    Kind::Event => self.event(event.name, event.data, &mut out),
                    Kind::Quiet => out.extend_from_slice(&block.bytes[event.raw.clone()]),
                    // The client's own dialect is never framed so.
                    Kind::Error | Kind::Broken(_) | Kind::Stray => {}
                }
            }
        }
        self.framer = framer;
        out.into()
    }

    fn event(&mut self, name: &[u8], data: &[u8], out: &mut Vec<u8>) {
        let Ok(Value::Object(mut chunk)) = serde_json::from_slice(data) else {
            // The relay has found it to be in the dialect: it is an event without data.
            return;
        };
        for member in IDENTITY {
            match self.identity.get(member) {
                Some(value) => chunk.insert(member.to_owned(), value.clone()),
                None => chunk.shift_remove(member),
            };
        }
        let told_usage = match (chunk.get_mut("usage"), &self.usage) {
            (Some(Value::Object(usage)), Some(before)) => {
                add(usage, before);
                true
            }
            (Some(Value::Object(_)), None) => true,
            _ => false,
        };
        let mut void = !told_usage;
        if let Some(Value::Array(choices)) = chunk.get_mut("choices") {
            for choice in choices.iter_mut().filter_map(Value::as_object_mut) {
                void &= !self.choice(choice, out);
            }
        }
        if !void {
            self.write(name, &Value::Object(chunk), out);
        }
    }

    /// Takes out what the client has; false where nothing is left.
    fn choice(&mut self, choice: &mut Map<String, Value>, out: &mut Vec<u8>) -> bool {
        let finish = choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
        let mut left = finish;
        let mut calls = false;
        if let Some(Value::Object(delta)) = choice.get_mut("delta") {
            delta.shift_remove("role");
            if let Some(Value::String(piece)) = delta.get_mut("content") {
                *piece = self.echo.push(piece);
            }
            left |= delta.values().any(is_full);
            calls = ["tool_calls", "function_call"].iter().any(|name| delta.get(*name).is_some_and(is_full));
        }
        if finish || calls {
            self.flush(out);
        }
        left
    }

    /// What is held back comes before what follows the text.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let held = self.echo.finish();
        if !held.is_empty() {
            self.say(&held, out);
        }
    }

    /// A chunk of text of its own.
    fn say(&self, text: &str, out: &mut Vec<u8>) {
        let mut chunk = self.identity.clone();
        chunk.insert("object".to_owned(), "chat.completion.chunk".into());
        chunk.insert(
            "choices".to_owned(),
            json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]),
        );
        self.write(b"", &Value::Object(chunk), out);
    }

    fn write(&self, name: &[u8], chunk: &Value, out: &mut Vec<u8>) {
        self.dialect.frame(name, chunk.to_string().as_bytes(), out);
    }
}

/// Adds the numbers of `before`, member by member.
fn add(usage: &mut Map<String, Value>, before: &Map<String, Value>) {
    for (name, value) in before {
        match (usage.get_mut(name), value) {
            (Some(Value::Object(own)), Value::Object(before)) => add(own, before),
            (Some(own), value) if own.is_null() => *own = value.clone(),
            (Some(own), value) => {
                if let (Some(one), Some(other)) = (own.as_u64(), value.as_u64()) {
                    *own = one.saturating_add(other).into();
                }
            }
            (None, value) => {
                usage.insert(name.clone(), value.clone());
            }
        }
    }
}
