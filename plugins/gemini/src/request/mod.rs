//! An OpenAI chat completion request as a `generateContent` request.

mod generation;
mod media;
mod messages;
mod schema;
mod signature;
mod thinking;
mod tools;

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use crate::model::Model;

/// What is known beside the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) stream: bool,
    /// Parameters that Gemini does not have are left out instead of refused.
    pub(crate) drop_params: bool,
}

/// Parameters without an effect on the answer, or only a hint: left out. `parallel_tool_calls` and `verbosity` have
/// no counterpart; `stream` is in the URL.
const IGNORED: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "user",
    "store",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prediction",
    "parallel_tool_calls",
    "verbosity",
    "drop_params",
];

/// Translates the body. What cannot be said to Gemini is refused by name.
pub(crate) fn translate(body: &Value, model: &Model, options: Options) -> Result<Value, Fault> {
    let body = body.as_object().ok_or_else(|| invalid("the request body is not a JSON object"))?;
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("\"messages\" must be a list of messages"))?;
    let mut out = messages::translate(messages, model)?;
    let generation = generation::translate(body, model, options.stream)?;
    if !generation.is_empty() {
        out.insert("generationConfig".to_owned(), Value::Object(generation));
    }
    tools::translate(body, &mut out)?;
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "safety_settings" | "safetySettings" => insert(&mut out, "safetySettings", value),
            "cached_content" | "cachedContent" => insert(&mut out, "cachedContent", value),
            "labels" => insert(&mut out, "labels", value),
            name if known(name) || options.drop_params => {}
            name => {
                return Err(unsupported(format!("the parameter {name:?} has no counterpart in Gemini")));
            }
        }
    }
    Ok(Value::Object(out))
}

fn known(name: &str) -> bool {
    IGNORED.contains(&name) || generation::NAMES.contains(&name) || tools::NAMES.contains(&name)
}

fn insert(out: &mut Map<String, Value>, name: &str, value: &Value) {
    out.insert(name.to_owned(), json!(value));
}

fn invalid(text: impl Into<String>) -> Fault {
    Fault::Invalid(text.into())
}

fn unsupported(text: impl Into<String>) -> Fault {
    Fault::Unsupported(text.into())
}

/// A part of the request, for error texts: `messages[3].content[0]`.
fn at(list: &str, index: usize) -> String {
    format!("{list}[{index}]")
}
