//! A chat completion request as a Messages request.

mod base64;
mod content;
mod generation;
mod messages;
mod schema;
mod thinking;
mod tools;

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault};

use crate::model::Model;

pub use format::JSON_TOOL;

mod format;

/// Whose Messages API it is. They differ in what stands in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// Anthropic's own.
    #[default]
    Anthropic,
    /// Vertex AI's: the model stands in the URL and the version in the body; there are neither structured outputs nor
    /// sources that Google would have to fetch (litellm 1.83.9 removes and avoids them too).
    Vertex,
}

/// The version that a body names on Vertex AI.
pub const VERTEX_VERSION: &str = "vertex-2023-10-16";

/// What is known beside the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A stream is wanted.
    pub stream: bool,
    /// Where it goes.
    pub platform: Platform,
}

/// Google's, of what it is to refuse. A configuration may have them for all the models of a group.
const SAFETY: &[&str] = &["safety_settings", "safetySettings"];

/// Anthropic's own parameters, which stay as they are.
const OWN: &[&str] = &[
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "mcp_servers",
    "speed",
    "user_profile_id",
];

/// As [`translate`], from bytes to bytes.
///
/// # Errors
/// See [`translate`].
pub fn encode(body: &[u8], model: &str, options: Options, dropped: &mut Dropped) -> Result<Vec<u8>, Fault> {
    let wrong = |error| Fault::Invalid(format!("the request body is not valid JSON: {error}"));
    let parsed: Value = serde_json::from_slice(body).map_err(wrong)?;
    Ok(translate(&parsed, model, options, dropped)?.to_string().into_bytes())
}

/// Translates a chat completion request, with the extensions that Tidegate's canonical dialect has, into a Messages
/// request for `model`. What has no counterpart is refused, or `dropped`.
///
/// # Errors
/// [`Fault::Invalid`] where the request is none, [`Fault::Unsupported`] naming what Claude has no counterpart for.
pub fn translate(body: &Value, model: &str, options: Options, dropped: &mut Dropped) -> Result<Value, Fault> {
    let body = body.as_object().ok_or_else(|| invalid("the request body is not a JSON object"))?;
    let model = Model::of(model);
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("\"messages\" must be a list of messages"))?;
    let mut out = Map::new();
    match options.platform {
        Platform::Anthropic => put(&mut out, "model", json!(model.name)),
        Platform::Vertex => put(&mut out, "anthropic_version", json!(VERTEX_VERSION)),
    }
    let history = messages::translate(messages, &model, options.platform, &mut out)?;
    thinking::translate(body, &model, &history, dropped, &mut out)?;
    generation::translate(body, &model, dropped, &mut out)?;
    tools::translate(body, &history, &mut out)?;
    format::translate(body, &model, options, &mut out)?;
    dropped.marks(body, &["cache_control"]);
    if options.stream {
        put(&mut out, "stream", json!(true));
    }
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            name if OWN.contains(&name) => put(&mut out, name, value.clone()),
            name if SAFETY.contains(&name) => dropped.advice(name),
            name if known(name) => {}
            name => dropped.parameter(name, value, "Claude's Messages")?,
        }
    }
    Ok(Value::Object(out))
}

fn known(name: &str) -> bool {
    generation::NAMES.contains(&name)
        || thinking::NAMES.contains(&name)
        || tools::NAMES.contains(&name)
        || format::NAMES.contains(&name)
}

fn put(out: &mut Map<String, Value>, name: &str, value: Value) {
    out.insert(name.to_owned(), value);
}

/// A parameter that was given, and is not null.
fn given<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn invalid(text: impl Into<String>) -> Fault {
    Fault::Invalid(text.into())
}

fn unsupported(text: impl Into<String>) -> Fault {
    Fault::Unsupported(text.into())
}

/// A part of the request, for error texts: `messages[3]`.
fn at(list: &str, index: usize) -> String {
    format!("{list}[{index}]")
}
