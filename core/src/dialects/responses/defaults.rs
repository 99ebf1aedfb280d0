//! A deployment's default parameters, which a configuration names as a chat completion does, where this dialect has them.

use serde_json::{Map, Value, json};

/// Of the same name in both.
const SAME: [&str; 10] = [
    "temperature",
    "top_p",
    "user",
    "service_tier",
    "metadata",
    "parallel_tool_calls",
    "top_logprobs",
    "store",
    "safety_identifier",
    "prompt_cache_key",
];

/// Adds them where the client said nothing. What this dialect has no place for is left out, because the provider would refuse
/// the request for it: `seed`, `stop`, `n`, penalties.
pub(super) fn add(body: &mut Map<String, Value>, defaults: &Map<String, Value>) {
    for (name, value) in defaults {
        match name.as_str() {
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                put(body, "max_output_tokens", value.clone());
            }
            "reasoning_effort" => put_in(body, "reasoning", "effort", value.clone()),
            "verbosity" => put_in(body, "text", "verbosity", value.clone()),
            "response_format" => {
                let mut format = value.clone();
                if let Some(Value::Object(schema)) = format.get_mut("json_schema").map(Value::take) {
                    format = Value::Object(schema);
                    format["type"] = json!("json_schema");
                }
                put_in(body, "text", "format", format);
            }
            "instructions" | "reasoning" | "text" | "truncation" | "include" | "tools" | "tool_choice" => {
                // A chat completion's tools have another form.
                let own = !matches!(name.as_str(), "tools" | "tool_choice") || is_own(value);
                if own {
                    put(body, name, value.clone());
                }
            }
            name if SAME.contains(&name) => put(body, name, value.clone()),
            _ => {}
        }
    }
}

fn is_own(value: &Value) -> bool {
    let chat = |tool: &Value| tool["function"].is_object();
    !chat(value) && !value.as_array().is_some_and(|tools| tools.iter().any(chat))
}

fn put(body: &mut Map<String, Value>, name: &str, value: Value) {
    if body.get(name).is_none_or(Value::is_null) {
        body.insert(name.to_owned(), value);
    }
}

fn put_in(body: &mut Map<String, Value>, outer: &str, name: &str, value: Value) {
    put(body, outer, json!({}));
    if let Some(Value::Object(outer)) = body.get_mut(outer) {
        put(outer, name, value);
    }
}
