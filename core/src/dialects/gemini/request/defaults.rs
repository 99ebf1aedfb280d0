//! A deployment's default parameters, which a configuration names as in a chat completion, in Gemini's places.

use serde_json::{Map, Value, json};

use super::generation::RENAMED;
use crate::dialects::gemini::proto;

/// Adds them where the client said nothing of the kind. One that Gemini has no place for stays out; a name that is
/// Gemini's own goes where it belongs.
pub(in crate::dialects) fn add(body: &mut Map<String, Value>, defaults: &Map<String, Value>) {
    for (name, value) in defaults.iter().filter(|(_, value)| !value.is_null()) {
        let name = if name == "max_tokens" { "max_completion_tokens" } else { name };
        if let Some((own, _)) = RENAMED.iter().find(|(own, chat)| *chat == name || *own == proto::camel(name))
        {
            let value =
                if *own == "stopSequences" && value.is_string() { json!([value]) } else { value.clone() };
            configure(body, own, value);
            continue;
        }
        match (name, &*proto::camel(name)) {
            ("reasoning_effort", _) => {
                if let Some(level) = level(value) {
                    configure(body, "thinkingConfig", level);
                }
            }
            ("thinking", _) => {
                if let Some(config) = thinking(value) {
                    configure(body, "thinkingConfig", config);
                }
            }
            (
                _,
                own @ ("thinkingConfig" | "responseMimeType" | "responseSchema" | "responseModalities"
                | "mediaResolution" | "speechConfig" | "imageConfig"),
            ) => configure(body, own, value.clone()),
            (_, "generationConfig") => {
                for (name, value) in proto::members(value) {
                    configure(body, &name, value.clone());
                }
            }
            (
                _,
                own @ ("safetySettings" | "tools" | "toolConfig" | "systemInstruction" | "cachedContent"
                | "labels"),
            ) => {
                put(body, own, value.clone());
            }
            _ => {}
        }
    }
}

fn put(into: &mut Map<String, Value>, name: &str, value: Value) {
    if !into.iter().any(|(own, said)| proto::camel(own) == name && !said.is_null()) {
        into.insert(name.to_owned(), value);
    }
}

fn configure(body: &mut Map<String, Value>, name: &str, value: Value) {
    let own = body.keys().find(|own| proto::camel(own) == "generationConfig").cloned();
    let config =
        body.entry(own.unwrap_or_else(|| "generationConfig".to_owned())).or_insert_with(|| json!({}));
    if config.is_null() {
        *config = json!({});
    }
    if let Some(config) = config.as_object_mut() {
        put(config, name, value);
    }
}

/// litellm's budgets, as the plugin for Gemini has them; a level is known to the newer models alone, and which model it
/// will be is not known here.
fn level(effort: &Value) -> Option<Value> {
    let budget = match effort.as_str()? {
        "none" | "disable" => 0,
        "minimal" => 512,
        "low" => 1024,
        "medium" => 2048,
        "high" | "xhigh" => 4096,
        _ => return None,
    };
    Some(json!({"thinkingBudget": budget, "includeThoughts": budget > 0}))
}

fn thinking(thinking: &Value) -> Option<Value> {
    match thinking["type"].as_str()? {
        "disabled" => Some(json!({"thinkingBudget": 0, "includeThoughts": false})),
        "adaptive" => Some(json!({"thinkingBudget": -1, "includeThoughts": true})),
        "enabled" => {
            let budget = thinking["budget_tokens"].as_u64();
            Some(budget.map_or_else(
                || json!({"includeThoughts": true}),
                |budget| json!({"includeThoughts": true, "thinkingBudget": budget}),
            ))
        }
        _ => None,
    }
}
