//! A body that is not a stream: one completion.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Fault, HeadIn};

use super::citation::{annotation, canonical};
use super::finish::{Finish, is_failure};
use super::wire::{Block, ToolUse, Whole};
use super::{Identity, image, is_error};

/// Translates a whole body. One without an answer, or whose answer does not say why it stopped, is malformed: it must not
/// look like a short good one.
pub(crate) fn whole(head: &HeadIn<'_>, body: &[u8]) -> Result<Value, Fault> {
    let document: Value =
        serde_json::from_slice(body).map_err(|_| Fault::Protocol("the body is not JSON"))?;
    if is_error(&document) {
        return Err(Fault::Upstream);
    }
    let answer: Whole =
        serde_json::from_value(document).map_err(|_| Fault::Protocol("it is not an answer of Converse"))?;
    let message = answer.output.and_then(|output| output.message);
    let message = message.ok_or(Fault::Protocol("the body has no answer"))?;
    let stop = answer.stop_reason.ok_or(Fault::Protocol("the answer does not say why it stopped"))?;
    if is_failure(&stop) {
        return Err(Fault::Upstream);
    }
    let mut told = Told::default();
    message.content.into_iter().for_each(|block| told.add(block));
    let more = answer.additional_model_response_fields.as_ref();
    let finish = Finish::of(&stop, !told.calls.is_empty(), more);
    let mut choice =
        json!({"index": 0, "message": told.message(), "logprobs": null, "finish_reason": finish.reason});
    if let Some(fields) = finish.fields() {
        choice["provider_specific_fields"] = fields;
    }
    let mut completion = Identity::new(head).object("chat.completion", vec![choice]);
    if let Some(usage) = answer.usage {
        completion["usage"] = usage.openai();
    }
    Ok(completion)
}

/// What the blocks say.
#[derive(Default)]
struct Told {
    text: String,
    thoughts: String,
    thinking_blocks: Vec<Value>,
    calls: Vec<Value>,
    images: Vec<Value>,
    annotations: Vec<Value>,
    citations: Vec<Value>,
    other: Vec<Value>,
}

impl Told {
    fn add(&mut self, block: Block) {
        if let Some(text) = block.text {
            self.text.push_str(&text);
        } else if let Some(call) = block.tool_use {
            if call.is_the_clients() {
                self.calls.push(tool_call(call));
            }
        } else if let Some(thought) = block.reasoning_content {
            if let Some(thought) = thought.reasoning_text {
                self.thoughts.push_str(&thought.text);
                let mut block = json!({"type": "thinking", "thinking": thought.text});
                if let Some(signature) = thought.signature {
                    block["signature"] = json!(signature);
                }
                self.thinking_blocks.push(block);
            }
            if let Some(data) = thought.redacted_content {
                self.thinking_blocks.push(json!({"type": "redacted_thinking", "data": data}));
            }
        } else if let Some(cited) = block.citations_content {
            let start = self.text.chars().count();
            cited
                .content
                .into_iter()
                .filter_map(|cited| cited.text)
                .for_each(|text| self.text.push_str(&text));
            let end = self.text.chars().count();
            let pages = cited.citations.iter().filter_map(|citation| annotation(citation, start, end));
            self.annotations.extend(pages);
            self.citations.extend(cited.citations.into_iter().map(canonical));
        } else if let Some(picture) = block.image {
            let bytes = picture.source.and_then(|source| source.bytes);
            self.images.extend(bytes.map(|bytes| image(picture.format.as_deref(), &bytes)));
        } else if !block.other.is_empty() {
            self.other.push(Value::Object(block.other));
        }
    }

    fn message(self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("role".to_owned(), json!("assistant"));
        let content = if self.text.is_empty() { Value::Null } else { json!(self.text) };
        out.insert("content".to_owned(), content);
        if !self.thoughts.is_empty() {
            out.insert("reasoning_content".to_owned(), json!(self.thoughts));
        }
        let lists = [
            ("thinking_blocks", self.thinking_blocks),
            ("tool_calls", self.calls),
            ("images", self.images),
            ("annotations", self.annotations),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            out.insert(name.to_owned(), Value::Array(list));
        }
        let mut fields = Map::new();
        for (name, list) in [("citations", self.citations), ("blocks", self.other)] {
            if !list.is_empty() {
                fields.insert(name.to_owned(), Value::Array(list));
            }
        }
        if !fields.is_empty() {
            out.insert("provider_specific_fields".to_owned(), Value::Object(fields));
        }
        out
    }
}

fn tool_call(call: ToolUse) -> Value {
    let input = if call.input.is_null() { json!({}) } else { call.input };
    json!({
        "id": call.tool_use_id,
        "type": "function",
        "function": {"name": call.name, "arguments": input.to_string()},
    })
}
