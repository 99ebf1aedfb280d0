//! How much the model thinks: by effort since Claude 4.6, by a budget of tokens before.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault};

use super::messages::History;
use super::{given, invalid, put};
use crate::effort::{self, Effort};
use crate::model::Model;

/// The parameters read here.
pub(super) const NAMES: &[&str] = &["thinking", "reasoning_effort", "output_config"];

/// From `thinking` and `output_config` as they are, which are Anthropic's own; else from `reasoning_effort`.
pub(super) fn translate(
    body: &Map<String, Value>,
    model: &Model<'_>,
    history: &History,
    dropped: &mut Dropped,
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
    match effort::effort(body, model.name, history.past())? {
        Effort::Off => {}
        Effort::Lost => dropped.advice("reasoning_effort"),
        Effort::Budget(budget) => put(out, "thinking", json!({"type": "enabled", "budget_tokens": budget})),
        Effort::Word { word, thinks } => {
            if thinks {
                put(out, "thinking", json!({"type": "adaptive"}));
            } else {
                dropped.advice("reasoning_effort");
            }
            let config = out.entry("output_config").or_insert_with(|| json!({}));
            if let Some(config) = config.as_object_mut() {
                config.entry("effort").or_insert_with(|| json!(word));
            }
        }
    }
    Ok(())
}
