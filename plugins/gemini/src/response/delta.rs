//! What a candidate's parts say, as the fields of an OpenAI message or delta.

use serde_json::{Map, Value, json};

use super::sources::{self, Sources};
use super::wire::{FunctionCall, LogprobsResult, Part, Token};

/// A piece of one candidate's answer: a chunk's, or all of it.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    text: String,
    thoughts: String,
    calls: Vec<Value>,
    images: Vec<Value>,
    signatures: Vec<String>,
    other: Vec<Value>,
    logprobs: Vec<Value>,
    annotations: Vec<Value>,
    /// What Google said of sources.
    said: Map<String, Value>,
}

impl Delta {
    /// Adds parts. `calls` counts the candidate's calls so far; `ids` makes an id of such a number.
    pub(crate) fn add(
        &mut self,
        parts: Vec<Part>,
        calls: &mut u32,
        sources: &mut Sources,
        ids: impl Fn(u32) -> String,
    ) {
        for part in parts {
            if let Some(call) = part.function_call {
                let (index, id) = (*calls, ids(*calls));
                self.calls.push(tool_call(call, index, id, part.thought_signature));
                *calls = calls.saturating_add(1);
                continue;
            }
            if let Some(data) = part.inline_data {
                let url = format!("data:{};base64,{}", data.mime_type, data.data);
                self.images.push(json!({"type": "image_url", "image_url": {"url": url}}));
            }
            match part.text {
                Some(text) if part.thought => self.thoughts.push_str(&text),
                Some(text) => {
                    sources.text(&text);
                    self.text.push_str(&text);
                }
                None if !part.other.is_empty() => self.other.push(Value::Object(part.other)),
                None => {}
            }
            self.signatures.extend(part.thought_signature);
        }
    }

    pub(crate) fn add_logprobs(&mut self, result: LogprobsResult) {
        let mut tops = result.top_candidates.unwrap_or_default().into_iter();
        for chosen in result.chosen_candidates.unwrap_or_default() {
            let top: Vec<Value> =
                tops.next().and_then(|top| top.candidates).unwrap_or_default().iter().map(logprob).collect();
            let mut one = logprob(&chosen);
            one["top_logprobs"] = Value::Array(top);
            self.logprobs.push(one);
        }
    }

    /// Adds what is said of the sources, as far as it can be told: all of it where nothing follows. The text was added before.
    pub(crate) fn add_sources(
        &mut self,
        (grounding, citations): (Option<Value>, Option<Value>),
        sources: &mut Sources,
        last: bool,
    ) {
        if let Some(grounding) = &grounding {
            sources.ground(grounding);
        }
        if let Some(citations) = &citations {
            sources.cite(citations);
        }
        self.annotations.extend(sources.tell(last));
        self.said.extend(sources::fields(grounding, citations));
    }

    /// It is a part of the answer, and not only about it.
    pub(crate) fn says(&self) -> bool {
        self.answers() || !self.thoughts.is_empty()
    }

    /// The same without thoughts, which alone are no answer.
    pub(crate) fn answers(&self) -> bool {
        !(self.text.is_empty() && self.calls.is_empty() && self.images.is_empty() && self.other.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
            && self.thoughts.is_empty()
            && self.calls.is_empty()
            && self.images.is_empty()
            && self.signatures.is_empty()
            && self.other.is_empty()
            && self.logprobs.is_empty()
            && self.annotations.is_empty()
            && self.said.is_empty()
    }

    /// The choice's `logprobs`.
    pub(crate) fn take_logprobs(&mut self) -> Value {
        if self.logprobs.is_empty() {
            return Value::Null;
        }
        json!({"content": core::mem::take(&mut self.logprobs)})
    }

    /// All calls but the first, each as a delta of its own: OpenAI sends the pieces of one call at a time, and clients such as
    /// LlamaIndex read no more of a chunk.
    pub(crate) fn take_further_calls(&mut self) -> Vec<Map<String, Value>> {
        let further = self.calls.split_off(self.calls.len().min(1));
        further.into_iter().map(|call| Map::from_iter([("tool_calls".to_owned(), json!([call]))])).collect()
    }

    /// The fields of a delta: only those that say something.
    pub(crate) fn into_delta(self) -> Map<String, Value> {
        let mut out = Map::new();
        if !self.text.is_empty() {
            out.insert("content".to_owned(), json!(self.text));
        }
        self.rest(&mut out);
        out
    }

    /// The fields of a whole message, in which a tool call needs no index.
    pub(crate) fn into_message(mut self) -> Map<String, Value> {
        for call in self.calls.iter_mut().filter_map(Value::as_object_mut) {
            call.shift_remove("index");
        }
        let mut out = Map::new();
        let text = core::mem::take(&mut self.text);
        out.insert("content".to_owned(), if text.is_empty() { Value::Null } else { json!(text) });
        self.rest(&mut out);
        out
    }

    fn rest(self, out: &mut Map<String, Value>) {
        if !self.thoughts.is_empty() {
            out.insert("reasoning_content".to_owned(), json!(self.thoughts));
        }
        if !self.calls.is_empty() {
            out.insert("tool_calls".to_owned(), json!(self.calls));
        }
        if !self.images.is_empty() {
            out.insert("images".to_owned(), json!(self.images));
        }
        if !self.annotations.is_empty() {
            out.insert("annotations".to_owned(), json!(self.annotations));
        }
        let mut fields = self.said;
        if !self.signatures.is_empty() {
            fields.insert("thought_signatures".to_owned(), json!(self.signatures));
        }
        if !self.other.is_empty() {
            fields.insert("parts".to_owned(), json!(self.other));
        }
        if !fields.is_empty() {
            out.insert("provider_specific_fields".to_owned(), Value::Object(fields));
        }
    }
}

/// Arguments arrive whole. The signature stands where litellm puts it, and where Google's own OpenAI endpoint does:
/// a client echoes the one that it knows.
fn tool_call(call: FunctionCall, index: u32, id: String, signature: Option<String>) -> Value {
    let args = call.args.filter(|args| !args.is_null()).unwrap_or_else(|| json!({}));
    let mut out = json!({
        "index": index,
        "id": call.id.filter(|id| !id.is_empty()).unwrap_or(id),
        "type": "function",
        "function": {"name": call.name, "arguments": args.to_string()},
    });
    if let Some(signature) = signature {
        out["provider_specific_fields"] = json!({"thought_signature": signature});
        out["extra_content"] = json!({"google": {"thought_signature": signature}});
    }
    out
}

fn logprob(token: &Token) -> Value {
    json!({"token": token.token, "logprob": token.log_probability, "bytes": token.token.as_bytes()})
}
