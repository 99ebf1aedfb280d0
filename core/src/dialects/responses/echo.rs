//! The `response` object that begins and ends a stream, and is a whole answer: what was asked, repeated, and what came of it.

use serde_json::{Map, Value, json};

use crate::dialects::Facts;

/// What an answer repeats of the request, and what stands there if the request says nothing.
fn settings(asked: &Value) -> Map<String, Value> {
    let or = |name: &str, other: Value| match &asked[name] {
        Value::Null => other,
        said => said.clone(),
    };
    let mut text = or("text", json!({}));
    if text["format"].is_null() && text.is_object() {
        text["format"] = json!({"type": "text"});
    }
    let reasoning = json!({"effort": asked["reasoning"]["effort"], "summary": asked["reasoning"]["summary"]});
    let made = json!({
        "background": false,
        "instructions": or("instructions", Value::Null),
        "max_output_tokens": or("max_output_tokens", Value::Null),
        "max_tool_calls": or("max_tool_calls", Value::Null),
        "metadata": or("metadata", json!({})),
        "parallel_tool_calls": or("parallel_tool_calls", Value::Bool(true)),
        "previous_response_id": null,
        "prompt_cache_key": or("prompt_cache_key", Value::Null),
        "reasoning": reasoning,
        "safety_identifier": or("safety_identifier", Value::Null),
        "service_tier": or("service_tier", json!("auto")),
        // Nothing is, whatever was asked.
        "store": false,
        "temperature": or("temperature", Value::Null),
        "text": text,
        "tool_choice": or("tool_choice", json!("auto")),
        "tools": or("tools", json!([])),
        "top_logprobs": or("top_logprobs", json!(0)),
        "top_p": or("top_p", Value::Null),
        "truncation": or("truncation", json!("disabled")),
        "user": or("user", Value::Null),
    });
    match made {
        Value::Object(made) => made,
        _ => Map::new(),
    }
}

/// One answer's `response`, as far as it is the same in all its events.
#[derive(Debug)]
pub(super) struct Echo {
    members: Map<String, Value>,
}

impl Echo {
    /// For the request that `facts` are of, which asked for `asked`.
    pub(super) fn new(facts: &Facts, id: &str, asked: &Value) -> Self {
        let mut members = settings(asked);
        members.insert("id".to_owned(), json!(id));
        members.insert("object".to_owned(), json!("response"));
        members.insert("created_at".to_owned(), json!(facts.created));
        members.insert("model".to_owned(), json!(facts.model));
        Self { members }
    }

    /// The object with a status and what goes with it.
    pub(super) fn with(&self, status: &str, more: Value) -> Value {
        let mut members = self.members.clone();
        members.insert("status".to_owned(), json!(status));
        for name in ["error", "incomplete_details", "usage"] {
            members.insert(name.to_owned(), Value::Null);
        }
        members.insert("output".to_owned(), json!([]));
        if let Value::Object(more) = more {
            members.extend(more);
        }
        Value::Object(members)
    }
}

/// `usage`, from a chat completion's.
pub(super) fn usage(chat: &Value) -> Value {
    if !chat.is_object() {
        return Value::Null;
    }
    let count = |path: &str| chat.pointer(path).and_then(Value::as_u64);
    let (input, output) = (count("/prompt_tokens").unwrap_or(0), count("/completion_tokens").unwrap_or(0));
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": count("/prompt_tokens_details/cached_tokens").unwrap_or(0),
            "cache_write_tokens": count("/prompt_tokens_details/cache_creation_tokens").unwrap_or(0),
        },
        "output_tokens": output,
        "output_tokens_details": {
            "reasoning_tokens": count("/completion_tokens_details/reasoning_tokens").unwrap_or(0),
        },
        "total_tokens": count("/total_tokens").unwrap_or(input.saturating_add(output)),
    })
}
