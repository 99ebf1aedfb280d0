//! An OpenAI chat completion request as a Converse request.

mod format;
mod inference;
mod media;
mod messages;
mod thinking;
mod tools;

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use crate::model::{Family, Model};

/// What is known beside the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    /// Parameters that Converse does not have are left out instead of refused.
    pub(crate) drop_params: bool,
    /// Anthropic's `anthropic-beta`, which Bedrock takes in the body.
    pub(crate) beta: Option<&'a str>,
}

/// Parameters without an effect on the answer, or only a hint: left out. `parallel_tool_calls` has no counterpart, as at
/// Gemini; `stream` is in the URL.
const IGNORED: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "user",
    "store",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prediction",
    "parallel_tool_calls",
    "verbosity",
    "drop_params",
];

/// Members of Converse's own that stand in a request as they are, as litellm has them.
const OWN: &[&str] = &[
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "serviceTier",
];

/// Translates the body. What cannot be said to Bedrock is refused by name.
pub(crate) fn translate(body: &Value, model: &Model, options: Options<'_>) -> Result<Value, Fault> {
    let body = body.as_object().ok_or_else(|| invalid("the request body is not a JSON object"))?;
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("\"messages\" must be a list of messages"))?;
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    let messages::Translated { mut out, has_tools } = messages::translate(messages, model.family)?;
    inference::translate(body, &mut out)?;
    if let Some(config) = tools::translate(body, model.family, has_tools)? {
        out.insert("toolConfig".to_owned(), config);
    }
    if let Some(config) = format::translate(body)? {
        out.insert("outputConfig".to_owned(), config);
    }
    let mut more = match given("additionalModelRequestFields") {
        Some(Value::Object(fields)) => fields.clone(),
        Some(_) => return Err(invalid("\"additionalModelRequestFields\" must be an object")),
        None => Map::new(),
    };
    let thinks = thinking::translate(body, model.family, &mut more)?;
    inference::top_k(body, model.family, &mut more);
    if let Some(beta) = options.beta.filter(|_| model.family == Family::Claude) {
        let names: Vec<&str> = beta.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        more.entry("anthropic_beta").or_insert_with(|| json!(names));
    }
    if !more.is_empty() {
        out.insert("additionalModelRequestFields".to_owned(), Value::Object(more));
    }
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            name if OWN.contains(&name) => {
                out.insert(name.to_owned(), value.clone());
            }
            // What asks for no more than the default asks for nothing.
            "n" if value.as_u64() == Some(1) => {}
            "logprobs" if *value == Value::Bool(false) => {}
            "presence_penalty" | "frequency_penalty" if value.as_f64() == Some(0.0) => {}
            "reasoning_effort" if thinks => {}
            name if known(name) || options.drop_params => {}
            name => {
                return Err(unsupported(format!(
                    "the parameter {name:?} has no counterpart in Bedrock's Converse call{}",
                    if name == "reasoning_effort" { " for this model" } else { "" }
                )));
            }
        }
    }
    Ok(Value::Object(out))
}

fn known(name: &str) -> bool {
    let lists = [IGNORED, inference::NAMES, tools::NAMES, format::NAMES, thinking::NAMES];
    name == "additionalModelRequestFields" || lists.iter().any(|list| list.contains(&name))
}

/// The cache point that a `cache_control` of Anthropic's asks for, for models that know one.
fn cache_point(marked: &Value, family: Family) -> Option<Value> {
    let control = marked.get("cache_control").filter(|control| control.is_object() && family.caches())?;
    let mut point = json!({"type": "default"});
    if let Some(ttl) = control.get("ttl").filter(|ttl| ttl.is_string()) {
        point["ttl"] = ttl.clone();
    }
    Some(json!({"cachePoint": point}))
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
