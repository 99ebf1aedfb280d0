//! An OpenAI chat completion request as a `generateContent` request.

mod generation;
mod media;
mod messages;
mod schema;
mod signature;
mod thinking;
mod tools;

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault};

use crate::model::Model;

/// What is known beside the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// A stream is wanted.
    pub(crate) stream: bool,
    /// Calls and their results may name their ids.
    pub(crate) ids: bool,
}

/// Translates the body. What cannot be said to Gemini is refused by name, or `dropped`.
pub(crate) fn translate(
    body: &Value,
    model: &Model,
    options: Options,
    dropped: &mut Dropped,
) -> Result<Value, Fault> {
    let body = body.as_object().ok_or_else(|| invalid("the request body is not a JSON object"))?;
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("\"messages\" must be a list of messages"))?;
    let mut out = messages::translate(messages, model, options)?;
    let generation = generation::translate(body, model, options.stream, dropped)?;
    if !generation.is_empty() {
        out.insert("generationConfig".to_owned(), Value::Object(generation));
    }
    tools::translate(body, model, &mut out, dropped)?;
    dropped.parallel_tool_calls(body, "Gemini")?;
    dropped.marks(body, &[]);
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "safety_settings" | "safetySettings" => insert(&mut out, "safetySettings", value),
            "cached_content" | "cachedContent" => insert(&mut out, "cachedContent", value),
            "labels" => insert(&mut out, "labels", value),
            "serviceTier" => insert(&mut out, "serviceTier", value),
            "service_tier" if tier(value).is_some() => insert(&mut out, "serviceTier", &json!(tier(value))),
            "parallel_tool_calls" => {}
            name if known(name) => {}
            name => dropped.parameter(name, value, "Gemini")?,
        }
    }
    Ok(Value::Object(out))
}

/// OpenAI's words for a tier that Google has, too; its own for the usual one is the default.
fn tier(value: &Value) -> Option<&str> {
    value.as_str().filter(|tier| matches!(*tier, "flex" | "priority"))
}

fn known(name: &str) -> bool {
    generation::NAMES.contains(&name) || tools::NAMES.contains(&name)
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
