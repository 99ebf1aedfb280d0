//! A body that is not a stream: one completion.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dialect, Fault, HeadIn};

use super::{Identity, carry, finish, item, usage};
use crate::events::answer_in;

/// Translates a whole Responses answer into a chat completion. One that has not come to its end, such as one in the
/// background, is no answer.
///
/// # Errors
/// [`Fault::Upstream`] where the body is an error or a failed answer, [`Fault::Protocol`] where it is neither.
pub fn whole(head: &HeadIn<'_>, body: &[u8]) -> Result<Value, Fault> {
    let response = answer_in(Dialect::OpenAiResponses, body)?;
    let message = Message::of(&response["output"]);
    let reason = finish(&response, !message.calls.is_empty())
        .ok_or(Fault::Protocol("the answer does not say why it ended"))?;
    let mut identity = Identity::new(head);
    identity.of(&response);
    let logprobs = message.logprobs();
    let mut completion = identity.object(
        "chat.completion",
        vec![json!({"index": 0, "message": message.told(), "logprobs": logprobs, "finish_reason": reason})],
    );
    if let Some(usage) = usage(&response) {
        completion["usage"] = usage;
    }
    if response["service_tier"].is_string() {
        completion["service_tier"] = response["service_tier"].clone();
    }
    Ok(completion)
}

/// What the items of an answer are together.
#[derive(Debug, Default)]
pub(super) struct Message {
    text: String,
    /// Its characters.
    written: usize,
    refusal: String,
    thoughts: Vec<String>,
    thinking: Vec<Value>,
    pub(super) calls: Vec<Value>,
    annotations: Vec<Value>,
    notes: Vec<Value>,
    logprobs: Vec<Value>,
    images: Vec<Value>,
    others: Vec<Value>,
}

impl Message {
    pub(super) fn of(output: &Value) -> Self {
        let items = output.as_array().map_or(&[][..], Vec::as_slice);
        let mut message = Self::default();
        for (at, item) in items.iter().enumerate() {
            message.item(item, items.get(at + 1).and_then(item::call).as_ref());
        }
        message
    }

    /// `next`: the call behind it.
    fn item(&mut self, item: &Value, next: Option<&Value>) {
        match item["type"].as_str() {
            Some("message") => {
                let parts = item["content"].as_array().map_or(&[][..], Vec::as_slice);
                parts.iter().for_each(|part| self.part(part));
            }
            Some("reasoning") => {
                self.thoughts.extend(Some(carry::summary(item)).filter(|text| !text.is_empty()));
                let before = next.and_then(|call| call["id"].as_str());
                self.thinking.extend(carry::sealed(item, before, false));
            }
            _ => match (item::call(item), item::image(item)) {
                (Some(call), _) => self.calls.push(call),
                (_, Some(image)) => self.images.push(image),
                _ => self.others.push(item.clone()),
            },
        }
    }

    fn part(&mut self, part: &Value) {
        if let Some(refusal) = part["refusal"].as_str() {
            self.refusal.push_str(refusal);
        }
        let (start, text) = (self.written, part["text"].as_str().unwrap_or_default());
        self.text.push_str(text);
        self.written = start.saturating_add(text.chars().count());
        self.logprobs.extend(item::logprobs(&part["logprobs"]));
        for note in part["annotations"].as_array().map_or(&[][..], Vec::as_slice) {
            match item::annotation(note, start) {
                Some(cited) => self.annotations.push(cited),
                None => self.notes.push(note.clone()),
            }
        }
    }

    pub(super) fn logprobs(&self) -> Value {
        match self.logprobs.as_slice() {
            [] => Value::Null,
            list => json!({"content": list, "refusal": null}),
        }
    }

    pub(super) fn told(self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("role", json!("assistant"));
        put("content", if self.text.is_empty() { Value::Null } else { json!(self.text) });
        put("refusal", if self.refusal.is_empty() { Value::Null } else { json!(self.refusal) });
        if !self.thoughts.is_empty() {
            put("reasoning_content", json!(self.thoughts.join(carry::PARAGRAPH)));
        }
        for (name, list) in [
            ("thinking_blocks", self.thinking),
            ("tool_calls", self.calls),
            ("annotations", self.annotations),
            ("images", self.images),
        ] {
            if !list.is_empty() {
                put(name, Value::Array(list));
            }
        }
        let fields = fields(self.others, self.notes);
        if !fields.is_empty() {
            put("provider_specific_fields", Value::Object(fields));
        }
        out
    }
}

/// What a chat has no place for, as it came: items, and annotations of other kinds than web pages.
pub(super) fn fields(items: Vec<Value>, notes: Vec<Value>) -> Map<String, Value> {
    let lists = [("output_items", items), ("annotations", notes)].into_iter();
    let lists = lists.filter(|(_, list)| !list.is_empty());
    lists.map(|(name, list)| (name.to_owned(), Value::Array(list))).collect()
}
