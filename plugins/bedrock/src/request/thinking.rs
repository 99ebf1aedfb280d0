//! How much the model thinks: each maker has a field of its own, beside Converse's.

use serde_json::{Map, Value, json};
use tidegate_anthropic_wire::{self as effort, Effort, Past};
use tidegate_plugin_sdk::{Dropped, Fault};

use super::invalid;
use crate::model::{Family, Model};

/// The parameters read here, but for `reasoning_effort`, which not every model has.
pub(super) const NAMES: &[&str] = &["thinking"];

/// From `thinking` (Anthropic's form, which litellm takes too), else `reasoning_effort`. True: the effort was understood.
pub(super) fn translate(
    body: &Map<String, Value>,
    model: &Model,
    past: Past,
    dropped: &mut Dropped,
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
    if model.family == Family::Claude {
        claude(effort::effort(body, &model.id, past)?, dropped, more);
        return Ok(true);
    }
    let effort = effort.as_str().unwrap_or("");
    if !matches!(effort, "none" | "disable" | "minimal" | "low" | "medium" | "high" | "xhigh") {
        return Err(invalid(
            "\"reasoning_effort\" must be none, disable, minimal, low, medium, high or xhigh",
        ));
    }
    let off = matches!(effort, "none" | "disable");
    match model.family {
        // It does not think unless it is asked to.
        Family::Nova if off => {}
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

/// As in Messages: Bedrock hands these members to the model as they are.
fn claude(effort: Effort, dropped: &mut Dropped, more: &mut Map<String, Value>) {
    let thinking = match effort {
        Effort::Off => None,
        Effort::Budget(budget) => Some(json!({"type": "enabled", "budget_tokens": budget})),
        Effort::Word { word, thinks } => {
            more.entry("output_config").or_insert_with(|| json!({"effort": word}));
            if !thinks {
                dropped.advice("reasoning_effort");
            }
            thinks.then(|| json!({"type": "adaptive"}))
        }
        Effort::Lost => {
            dropped.advice("reasoning_effort");
            None
        }
    };
    if let Some(thinking) = thinking {
        more.entry("thinking").or_insert(thinking);
    }
}
