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
            Some("disabled") if model.is_third_or_later() => Ok(by_level("none", model)),
            Some("disabled") => {
                Ok(Some(json!({"includeThoughts": false, "thinkingBudget": bounded(0, model)})))
            }
            Some("enabled") => {
                let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
                let mut config = json!({"includeThoughts": true});
                if let Some(budget) = budget {
                    config["thinkingBudget"] = json!(bounded(budget, model));
                }
                Ok(Some(config))
            }
            _ => Err(invalid("\"thinking\" must have the type enabled, adaptive or disabled")),
        };
    }
    let Some(effort) = given("reasoning_effort") else { return Ok(None) };
    let effort = effort.as_str().unwrap_or("");
    let config = if model.is_third_or_later() { by_level(effort, model) } else { by_budget(effort, model) };
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
fn by_budget(effort: &str, model: &Model) -> Option<Value> {
    let asked = match effort {
        "none" | "disable" => 0,
        "minimal" => 512,
        "low" => 1024,
        "medium" => 2048,
        "high" | "xhigh" => 4096,
        _ => return None,
    };
    Some(json!({"thinkingBudget": bounded(asked, model), "includeThoughts": asked > 0}))
}

/// What the model takes: Google's guide to thinking has the ranges. 2.5 Pro cannot stop thinking.
fn bounded(budget: u64, model: &Model) -> u64 {
    let (least, most) = match model.name.as_str() {
        name if name.contains("flash-lite") => (if budget == 0 { 0 } else { 512 }, 24_576),
        name if name.contains("flash") => (0, 24_576),
        name if name.contains("2.5-pro") => (128, 32_768),
        _ => (0, 32_768),
    };
    budget.clamp(least, most)
}
