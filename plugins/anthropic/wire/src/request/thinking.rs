//! How much the model thinks: by effort since Claude 4.6, by a budget of tokens before.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::messages::History;
use super::{given, invalid, put};
use crate::model::Model;

/// The parameters read here.
pub(super) const NAMES: &[&str] = &["thinking", "reasoning_effort", "output_config"];

/// Anthropic takes no smaller budget.
const LEAST: u64 = 1024;

/// From `thinking` and `output_config` as they are, which are Anthropic's own; else from `reasoning_effort`.
pub(super) fn translate(
    body: &Map<String, Value>,
    model: &Model<'_>,
    history: &History,
    out: &mut Map<String, Value>,
) -> Result<(), Fault> {
    if let Some(config) = given(body, "output_config") {
        put(out, "output_config", config.clone());
    }
    if let Some(thinking) = given(body, "thinking") {
        return match thinking.get("type").and_then(Value::as_str) {
            Some(_) => {
                put(out, "thinking", thinking.clone());
                Ok(())
            }
            None => Err(invalid("\"thinking\" must have a \"type\": enabled, disabled or adaptive")),
        };
    }
    let Some(effort) = given(body, "reasoning_effort") else { return Ok(()) };
    let effort = effort.as_str().unwrap_or("");
    let (word, budget) = match effort {
        "none" | "disable" => return Ok(()),
        "minimal" => ("low", LEAST),
        "low" => ("low", LEAST),
        "medium" => ("medium", 2048),
        "high" => ("high", 4096),
        "xhigh" => ("xhigh", 4096),
        "max" => ("max", 4096),
        _ => {
            let words = "none, minimal, low, medium, high, xhigh or max";
            return Err(invalid(format!("\"reasoning_effort\" must be {words}")));
        }
    };
    if model.thinks_by_effort() {
        put(out, "thinking", json!({"type": "adaptive"}));
        let config = out.entry("output_config").or_insert_with(|| json!({}));
        if let Some(config) = config.as_object_mut() {
            config.entry("effort").or_insert_with(|| json!(word));
        }
        return Ok(());
    }
    // With a budget, calls must stand behind the thought that led to them, and many clients of chat completions lose it.
    if history.calling && !history.thought {
        return Ok(());
    }
    // litellm's budgets, the smallest raised to what Anthropic takes. An effort is a hint, and the client's limit is none:
    // the budget must be below it, and where that leaves too little there is no thinking.
    let limit =
        given(body, "max_completion_tokens").or_else(|| given(body, "max_tokens")).and_then(Value::as_u64);
    let budget = limit.map_or(budget, |limit| budget.min(limit.saturating_sub(1)));
    if budget >= LEAST {
        put(out, "thinking", json!({"type": "enabled", "budget_tokens": budget}));
    }
    Ok(())
}
