//! A chat completion request as a Responses request.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::crossing::Crossing;
use super::{messages, tools};
use crate::model::{effort, encrypts};

/// A request that was translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The body.
    pub body: Vec<u8>,
    /// Members that were left out, by the client's own names.
    pub dropped: Vec<String>,
}

/// The fewest tokens of an answer that OpenAI takes as a limit (`integer_below_min_value`); a chat may ask for one.
const FEWEST: u64 = 16;
/// The longest `user` that OpenAI takes. Clients of Anthropic's API send longer ones.
const LONGEST_USER: usize = 64;

/// Makes a Responses request of a chat request for `model`, whose name is the provider's own. Nothing is stored unless the
/// client wants it, so that reasoning is asked for in its encrypted form, where the model can give it.
///
/// Members that are not known here stay as they are: what the provider does not know it refuses itself.
///
/// # Errors
/// [`Fault::Invalid`] where the request is none, [`Fault::Unsupported`] naming what there is no counterpart for, unless
/// `dropping`.
pub fn request(body: &[u8], model: &str, stream: bool, dropping: bool) -> Result<Asked, Fault> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Fault::Invalid(format!("the request body is not valid JSON: {error}")))?;
    let body = body.as_object().ok_or_else(|| invalid("the request body is not a JSON object"))?;
    let mut crossing = Crossing { dropping, dropped: Vec::new() };
    let list = given(body, "messages").and_then(Value::as_array);
    let list = list.ok_or_else(|| invalid("\"messages\" must be a list of messages"))?;
    let items = messages::items(list, &mut crossing)?;
    let carries = items.iter().any(|item| item["type"] == "reasoning");
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("model", json!(model));
    put("input", Value::Array(items));
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            name if READ.contains(&name) || tools::NAMES.contains(&name) => {}
            "n" if *value == 1 => {}
            "presence_penalty" | "frequency_penalty" if value.as_f64() == Some(0.0) => {}
            "stop" | "logit_bias" if is_empty(value) => {}
            "modalities" if *value == json!(["text"]) => {}
            "background" if *value == false => {}
            name if NONE.contains(&name) => crossing.cannot(&format!("{name:?}"))?,
            name if HINTS.contains(&name) => crossing.leave_out(name),
            "user" if value.as_str().is_some_and(|user| user.chars().count() > LONGEST_USER) => {
                crossing.leave_out("user");
            }
            "top_logprobs" if body.get("logprobs") != Some(&json!(true)) => {}
            "stream_options" => {
                let padding = &value["include_obfuscation"];
                if padding.is_boolean() {
                    put("stream_options", json!({"include_obfuscation": padding}));
                }
            }
            name => {
                put(name, value.clone());
            }
        }
    }
    if let Some(limit) = given(body, "max_completion_tokens").or_else(|| given(body, "max_tokens")) {
        let few = limit.as_u64().is_some_and(|limit| limit < FEWEST);
        put("max_output_tokens", if few { json!(FEWEST) } else { limit.clone() });
    }
    let reasoning = reasoning(body);
    let text = text(body, &mut crossing)?;
    let asks = carries || !reasoning.is_empty() || encrypts(model);
    for (name, members) in [("reasoning", reasoning), ("text", text)] {
        if !members.is_empty() {
            put(name, Value::Object(members));
        }
    }
    tools::tools(body, &mut crossing, &mut out)?;
    include(body, asks, &mut out);
    out.entry("store").or_insert(json!(false));
    if stream {
        out.insert("stream".to_owned(), json!(true));
    }
    Ok(Asked { body: Value::Object(out).to_string().into_bytes(), dropped: crossing.dropped })
}

/// Read elsewhere, or nothing for a provider.
const READ: &[&str] = &[
    "model",
    "messages",
    "stream",
    "max_tokens",
    "max_completion_tokens",
    "logprobs",
    "include",
    "response_format",
    "text",
    "verbosity",
    "reasoning",
    "reasoning_effort",
    "thinking",
    "output_config",
    "drop_params",
];

/// What changes an answer and cannot be said.
const NONE: &[&str] = &[
    "n",
    "stop",
    "seed",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "modalities",
    "audio",
    "background",
];

/// What does not.
const HINTS: &[&str] = &["prediction", "cache_control"];

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// `reasoning_effort` is a word, or litellm's object with `effort` and `summary`. `reasoning` is the Responses API's own.
fn reasoning(body: &Map<String, Value>) -> Map<String, Value> {
    let own = given(body, "reasoning").and_then(Value::as_object);
    let mut made = own.cloned().unwrap_or_default();
    let null = Value::Null;
    let of = |name: &str| given(body, name).unwrap_or(&null);
    let said = match of("reasoning_effort") {
        Value::Object(members) => {
            made.extend(members.iter().map(|(name, value)| (name.clone(), value.clone())));
            None
        }
        Value::Null => effort(of("thinking"), of("output_config")).map(|word| json!(word)),
        word => Some(word.clone()),
    };
    if let Some(word) = said {
        made.entry("effort").or_insert(word);
    }
    made
}

fn text(body: &Map<String, Value>, crossing: &mut Crossing) -> Result<Map<String, Value>, Fault> {
    let own = given(body, "text").and_then(Value::as_object);
    let mut made = own.cloned().unwrap_or_default();
    if let Some(verbosity) = given(body, "verbosity") {
        made.insert("verbosity".to_owned(), verbosity.clone());
    }
    let Some(format) = given(body, "response_format") else { return Ok(made) };
    match format["type"].as_str() {
        Some("text" | "json_object") => {
            made.insert("format".to_owned(), json!({"type": format["type"]}));
        }
        Some("json_schema") => {
            let schema = format["json_schema"].as_object().ok_or_else(|| {
                invalid("\"response_format\" of type json_schema needs \"json_schema\", an object")
            })?;
            let mut flat = Map::from_iter([("type".to_owned(), json!("json_schema"))]);
            let said = schema.iter().filter(|(_, value)| !value.is_null());
            flat.extend(said.map(|(name, value)| (name.clone(), value.clone())));
            made.insert("format".to_owned(), Value::Object(flat));
        }
        _ => crossing.cannot(&format!("the \"response_format\" {format}"))?,
    }
    Ok(made)
}

fn include(body: &Map<String, Value>, reasoning: bool, out: &mut Map<String, Value>) {
    let own = given(body, "include").and_then(Value::as_array);
    let mut list = own.cloned().unwrap_or_default();
    let logprobs = body.get("logprobs") == Some(&json!(true));
    for (wanted, name) in
        [(reasoning, "reasoning.encrypted_content"), (logprobs, "message.output_text.logprobs")]
    {
        if wanted && !list.iter().any(|known| known == name) {
            list.push(json!(name));
        }
    }
    if !list.is_empty() {
        out.insert("include".to_owned(), Value::Array(list));
    }
}

/// A parameter that was given, and is not null.
pub(super) fn given<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

pub(super) fn invalid(text: impl Into<String>) -> Fault {
    Fault::Invalid(text.into())
}
