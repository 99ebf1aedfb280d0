//! How much the model thinks: each maker has a field of its own, beside Converse's.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::invalid;
use crate::model::Family;

/// The parameters read here, but for `reasoning_effort`, which not every model has.
pub(super) const NAMES: &[&str] = &["thinking"];

/// From `thinking` (Anthropic's form, which litellm takes too), else `reasoning_effort`. True: the effort was understood.
pub(super) fn translate(
    body: &Map<String, Value>,
    family: Family,
    more: &mut Map<String, Value>,
) -> Result<bool, Fault> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    if let Some(thinking) = given("thinking") {
        if !matches!(thinking.get("type").and_then(Value::as_str), Some("enabled" | "disabled" | "adaptive"))
        {
            return Err(invalid("\"thinking\" must have the type enabled, disabled or adaptive"));
        }
        more.entry("thinking").or_insert_with(|| thinking.clone());
        return Ok(true);
    }
    let Some(effort) = given("reasoning_effort") else { return Ok(true) };
    let effort = effort.as_str().unwrap_or("");
    if !matches!(effort, "none" | "disable" | "minimal" | "low" | "medium" | "high" | "xhigh") {
        return Err(invalid(
            "\"reasoning_effort\" must be none, disable, minimal, low, medium, high or xhigh",
        ));
    }
    let off = matches!(effort, "none" | "disable");
    match family {
        Family::Claude if !off => {
            more.entry("thinking")
                .or_insert_with(|| json!({"type": "enabled", "budget_tokens": budget(effort)}));
        }
        // Neither thinks unless it is asked to.
        Family::Claude | Family::Nova if off => {}
        Family::Nova => {
            let level = match effort {
                "minimal" | "low" => "low",
                "medium" => "medium",
                _ => "high",
            };
            more.entry("reasoningConfig")
                .or_insert_with(|| json!({"type": "enabled", "maxReasoningEffort": level}));
        }
        Family::GptOss => {
            let level = match effort {
                "none" | "disable" | "minimal" | "low" => "low",
                "medium" => "medium",
                _ => "high",
            };
            more.entry("reasoning_effort").or_insert_with(|| json!(level));
        }
        _ => return Ok(off),
    }
    Ok(true)
}

/// litellm's budgets, none below the 1024 that Claude asks for.
fn budget(effort: &str) -> u32 {
    match effort {
        "minimal" | "low" => 1024,
        "medium" => 2048,
        _ => 4096,
    }
}
