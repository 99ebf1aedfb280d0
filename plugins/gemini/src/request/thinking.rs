//! How much the model thinks: by level since Gemini 3, by a budget of tokens before.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::invalid;
use crate::model::Model;

/// From `thinkingConfig` as it is, else `thinking` (Anthropic's form, which litellm takes too), else
/// `reasoning_effort`.
pub(super) fn translate(body: &Map<String, Value>, model: &Model) -> Result<Option<Value>, Fault> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    if let Some(config) = given("thinkingConfig") {
        return Ok(Some(config.clone()));
    }
    if let Some(thinking) = given("thinking") {
        return match thinking.get("type").and_then(Value::as_str) {
            // How much is the model's own business; Gemini 3 knows no other way.
            Some("adaptive") if model.is_third_or_later() => Ok(Some(json!({"includeThoughts": true}))),
            Some("adaptive") => Ok(Some(json!({"includeThoughts": true, "thinkingBudget": -1}))),
            Some("disabled") => Ok(Some(json!({"includeThoughts": false, "thinkingBudget": 0}))),
            Some("enabled") => {
                let budget = thinking.get("budget_tokens").filter(|budget| budget.is_u64());
                let mut config = json!({"includeThoughts": true});
                if let Some(budget) = budget {
                    config["thinkingBudget"] = budget.clone();
                }
                Ok(Some(config))
            }
            _ => Err(invalid("\"thinking\" must have the type enabled, adaptive or disabled")),
        };
    }
    let Some(effort) = given("reasoning_effort") else { return Ok(None) };
    let effort = effort.as_str().unwrap_or("");
    let config = if model.is_third_or_later() { by_level(effort, model) } else { by_budget(effort) };
    config.map(Some).ok_or_else(|| {
        invalid("\"reasoning_effort\" must be none, disable, minimal, low, medium, high or xhigh")
    })
}

/// Gemini 3 cannot stop thinking; Pro knows two levels, Flash four.
fn by_level(effort: &str, model: &Model) -> Option<Value> {
    let flash = model.name.contains("flash");
    let level = match effort {
        "none" | "disable" | "minimal" if flash => "minimal",
        "none" | "disable" | "minimal" | "low" => "low",
        "medium" if flash => "medium",
        "medium" | "high" | "xhigh" => "high",
        _ => return None,
    };
    let shown = !matches!(effort, "none" | "disable");
    Some(json!({"thinkingLevel": level, "includeThoughts": shown}))
}

/// litellm's budgets.
fn by_budget(effort: &str) -> Option<Value> {
    let budget = match effort {
        "none" | "disable" => 0,
        "minimal" => 512,
        "low" => 1024,
        "medium" => 2048,
        "high" | "xhigh" => 4096,
        _ => return None,
    };
    Some(json!({"thinkingBudget": budget, "includeThoughts": budget > 0}))
}
