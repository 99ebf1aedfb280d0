//! Sampling parameters as `inferenceConfig`, and those that only some models have.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault};

use super::invalid;
use crate::model::Family;

/// The parameters read here.
pub(super) const NAMES: &[&str] =
    &["temperature", "top_p", "top_k", "topK", "max_tokens", "max_completion_tokens", "stop", "service_tier"];

/// Those that only change their name. The later of two that mean the same wins.
const RENAMED: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("max_tokens", "maxTokens"),
    ("max_completion_tokens", "maxTokens"),
];

pub(super) fn translate(
    body: &Map<String, Value>,
    out: &mut Map<String, Value>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    let mut config = Map::new();
    for (name, renamed) in RENAMED {
        if let Some(value) = given(name) {
            config.insert((*renamed).to_owned(), value.clone());
        }
    }
    match given("stop") {
        None => {}
        Some(word @ Value::String(_)) => {
            config.insert("stopSequences".to_owned(), json!([word]));
        }
        Some(Value::Array(words)) if words.is_empty() => {}
        Some(Value::Array(words)) if words.iter().all(Value::is_string) => {
            config.insert("stopSequences".to_owned(), json!(words));
        }
        Some(_) => return Err(invalid("\"stop\" must be text or a list of texts")),
    }
    if !config.is_empty() {
        out.insert("inferenceConfig".to_owned(), Value::Object(config));
    }
    match given("service_tier").map(|tier| tier.as_str().unwrap_or("")) {
        None | Some("auto") => {}
        Some(tier @ ("default" | "flex" | "priority" | "reserved")) => {
            out.insert("serviceTier".to_owned(), json!({"type": tier}));
        }
        // OpenAI's other words; no answer depends on them.
        Some(_) => dropped.advice("service_tier"),
    }
    Ok(())
}

/// `top_k` is no parameter of Converse's: it goes to the model as its maker calls it.
pub(super) fn top_k(body: &Map<String, Value>, family: Family, more: &mut Map<String, Value>) {
    let Some(value) =
        ["top_k", "topK"].iter().find_map(|name| body.get(*name)).filter(|value| !value.is_null())
    else {
        return;
    };
    if family == Family::Nova {
        let config = more.entry("inferenceConfig").or_insert_with(|| json!({}));
        if let Some(config) = config.as_object_mut() {
            config.entry("topK").or_insert_with(|| value.clone());
        }
    } else {
        more.entry("top_k").or_insert_with(|| value.clone());
    }
}
