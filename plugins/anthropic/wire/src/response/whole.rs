//! A body that is not a stream: one completion.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Fault, HeadIn};

use super::Identity;
use super::citation::annotations;
use super::wire::{Called, Whole};
use crate::event::find_error;
use crate::request::JSON_TOOL;

/// Translates a whole Messages answer into a chat completion. One that does not say why it stopped is malformed: it must
/// not look like a short good one.
///
/// # Errors
/// [`Fault::Upstream`] where the body is an error, [`Fault::Protocol`] where it is no answer.
pub fn whole(head: &HeadIn<'_>, body: &[u8]) -> Result<Value, Fault> {
    let text = core::str::from_utf8(body).map_err(|_| Fault::Protocol("the body is not UTF-8"))?;
    let malformed = || match find_error(text) {
        Some(_) => Fault::Upstream,
        None => Fault::Protocol("the body is not a message"),
    };
    let whole: Whole<'_> = serde_json::from_str(text).map_err(|_| malformed())?;
    let mut message = Message::default();
    for block in &whole.content {
        message.add(block.get()).ok_or_else(malformed)?;
    }
    let reason = whole.ended.reason(!message.calls.is_empty());
    let reason = reason.ok_or_else(|| match malformed() {
        Fault::Upstream => Fault::Upstream,
        _ => Fault::Protocol("the answer does not say why it stopped"),
    })?;
    let message = message.told();
    let mut choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": reason});
    if let Some(fields) = whole.ended.fields() {
        choice["provider_specific_fields"] = fields;
    }
    let mut identity = Identity::new(head);
    identity.name(whole.id);
    let mut completion = identity.object("chat.completion", vec![choice]);
    if let Some(usage) = whole.usage {
        completion["usage"] = usage.openai();
    }
    Ok(completion)
}

#[derive(Default)]
struct Message {
    text: String,
    thoughts: String,
    thinking: Vec<Value>,
    calls: Vec<Value>,
    annotations: Vec<Value>,
    citations: Vec<Value>,
    server: Vec<Value>,
}

impl Message {
    /// `None`: it is no block.
    fn add(&mut self, raw: &str) -> Option<()> {
        let block: Value = serde_json::from_str(raw).ok()?;
        let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or("");
        // The arguments as the model wrote them.
        let input = || {
            let called: Option<Called<'_>> = serde_json::from_str(raw).ok();
            called
                .and_then(|called| called.input)
                .map_or_else(|| "{}".to_owned(), |input| input.get().to_owned())
        };
        match text("type") {
            "text" => {
                let start = self.text.chars().count();
                self.text.push_str(text("text"));
                if let Some(list) = block.get("citations").and_then(Value::as_array) {
                    self.annotations.extend(annotations(list, start, self.text.chars().count()));
                    self.citations.extend(list.iter().cloned());
                }
            }
            "thinking" => {
                self.thoughts.push_str(text("thinking"));
                self.thinking.push(block);
            }
            "redacted_thinking" => self.thinking.push(block),
            "tool_use" if text("name") == JSON_TOOL => self.text.push_str(&input()),
            "tool_use" => {
                let function = json!({"name": text("name"), "arguments": input()});
                self.calls.push(json!({"id": text("id"), "type": "function", "function": function}));
            }
            "" => return None,
            _ => self.server.push(block),
        }
        Some(())
    }

    fn told(self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("role", json!("assistant"));
        put("content", if self.text.is_empty() { Value::Null } else { json!(self.text) });
        if !self.thoughts.is_empty() {
            put("reasoning_content", json!(self.thoughts));
        }
        for (name, list) in [
            ("thinking_blocks", self.thinking),
            ("tool_calls", self.calls),
            ("annotations", self.annotations),
        ] {
            if !list.is_empty() {
                put(name, Value::Array(list));
            }
        }
        let fields = [("citations", self.citations), ("server_blocks", self.server)];
        let fields = fields.into_iter().filter(|(_, list)| !list.is_empty());
        let fields: Map<String, Value> = fields.map(|(name, list)| (name.to_owned(), json!(list))).collect();
        if !fields.is_empty() {
            put("provider_specific_fields", Value::Object(fields));
        }
        out
    }
}
