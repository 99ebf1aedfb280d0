//! An OpenAI chat completion request as a Converse request.

mod format;
mod inference;
mod media;
mod messages;
mod thinking;
mod tools;

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault};

use crate::model::{Family, Model};

/// What is asked, in sentences.
const CONVERSE: &str = "Bedrock's Converse call";

/// Members of Converse's own that stand in a request as they are, as litellm has them.
const OWN: &[&str] = &[
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "serviceTier",
];

/// Translates the body. What cannot be said to Bedrock is refused by name, or `dropped`. `beta`: Anthropic's
/// `anthropic-beta`, which Bedrock takes in the body.
pub(crate) fn translate(
    body: &Value,
    model: &Model,
    beta: Option<&str>,
    dropped: &mut Dropped,
) -> Result<Value, Fault> {
    let body = body.as_object().ok_or_else(|| invalid("the request body is not a JSON object"))?;
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("\"messages\" must be a list of messages"))?;
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    let messages::Translated { mut out, called, past } = messages::translate(messages, model.family)?;
    inference::translate(body, &mut out, dropped)?;
    if let Some(config) = tools::translate(body, model.family, &called)? {
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
    let thinks = thinking::translate(body, model, past, dropped, &mut more)?;
    inference::top_k(body, model.family, &mut more);
    if model.is_claude_4_5_or_later() {
        tools::one_at_a_time(body, &out, &mut more);
    } else {
        dropped.parallel_tool_calls(body, CONVERSE)?;
    }
    // Converse knows a strict tool, and refuses it for models that are not made for it; which are, nothing here says.
    dropped.marks(body, if model.family.caches() { &["cache_control"] } else { &[] });
    if let Some(beta) = beta.filter(|_| model.family == Family::Claude) {
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
            "reasoning_effort" if thinks => {}
            "reasoning_effort" => dropped.parameter(name, value, &format!("{CONVERSE} for this model"))?,
            name if known(name) => {}
            name => dropped.parameter(name, value, CONVERSE)?,
        }
    }
    Ok(Value::Object(out))
}

fn known(name: &str) -> bool {
    let lists = [inference::NAMES, tools::NAMES, format::NAMES, thinking::NAMES];
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
