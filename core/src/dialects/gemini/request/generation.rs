//! `generationConfig` as a chat completion's parameters.

use serde_json::{Map, Value, json};

use super::{Crossing, schema};
use crate::dialects::gemini::proto;

/// Those that only change their name.
pub(super) const RENAMED: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("topP", "top_p"),
    ("topK", "top_k"),
    ("candidateCount", "n"),
    ("maxOutputTokens", "max_completion_tokens"),
    ("stopSequences", "stop"),
    ("seed", "seed"),
    ("presencePenalty", "presence_penalty"),
    ("frequencyPenalty", "frequency_penalty"),
    ("responseLogprobs", "logprobs"),
    ("logprobs", "top_logprobs"),
];

/// The least budget of thought in Anthropic's words.
const LEAST: u64 = 1024;

/// See [`crate::dialects::Speak::own_name`].
pub(in crate::dialects) fn own_name(chat: &str) -> Option<&'static str> {
    Some(match chat {
        "temperature" => "generationConfig.temperature",
        "top_p" => "generationConfig.topP",
        "top_k" => "generationConfig.topK",
        "n" => "generationConfig.candidateCount",
        "max_completion_tokens" => "generationConfig.maxOutputTokens",
        "stop" => "generationConfig.stopSequences",
        "seed" => "generationConfig.seed",
        "presence_penalty" => "generationConfig.presencePenalty",
        "frequency_penalty" => "generationConfig.frequencyPenalty",
        "logprobs" => "generationConfig.responseLogprobs",
        "top_logprobs" => "generationConfig.logprobs",
        "response_format" => "generationConfig.responseSchema",
        "modalities" => "generationConfig.responseModalities",
        "thinking" | "reasoning_effort" => "generationConfig.thinkingConfig",
        "tool_choice" => "toolConfig",
        "service_tier" => "serviceTier",
        "reasoning_content" => "contents.parts.thought",
        _ => return None,
    })
}

pub(super) fn translate(
    config: &Value,
    chat: &mut Map<String, Value>,
    crossing: &mut Crossing,
) -> Result<(), String> {
    if !config.is_object() {
        return Err("\"generationConfig\" must be an object".into());
    }
    for (name, value) in proto::members(config) {
        if let Some((_, renamed)) = RENAMED.iter().find(|(own, _)| *own == name) {
            chat.insert((*renamed).to_owned(), value.clone());
            continue;
        }
        match &*name {
            "responseMimeType" | "responseSchema" | "responseJsonSchema" => {}
            "thinkingConfig" => thinking(value, chat, crossing)?,
            "responseModalities" => modalities(value, chat, crossing)?,
            other => crossing.cannot(format!("\"generationConfig.{other}\""))?,
        }
    }
    bounded(chat, crossing);
    if let Some(format) = format(config, crossing)? {
        chat.insert("response_format".to_owned(), format);
    }
    Ok(())
}

fn format(config: &Value, crossing: &mut Crossing) -> Result<Option<Value>, String> {
    match proto::text(config, "responseMimeType") {
        None | Some("" | "application/json" | "text/plain") => {}
        Some(other) => {
            crossing.cannot(format!("\"generationConfig.responseMimeType\" {other:?}"))?;
            return Ok(None);
        }
    }
    let own = proto::get(config, "responseSchema").map(schema::json_schema);
    let schema = own.or_else(|| proto::get(config, "responseJsonSchema").cloned());
    Ok(match schema {
        Some(schema) => {
            let name = schema.get("title").and_then(Value::as_str).map(word).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| "response".to_owned());
            Some(json!({"type": "json_schema", "json_schema": {"name": name, "schema": schema}}))
        }
        None if proto::text(config, "responseMimeType") == Some("application/json") => {
            Some(json!({"type": "json_object"}))
        }
        None => None,
    })
}

/// What OpenAI takes for a schema's name.
fn word(title: &str) -> String {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    title.chars().map(|letter| if legal(letter) { letter } else { '_' }).take(64).collect()
}

/// A budget in Anthropic's words, a level in OpenAI's. What is shown of the thoughts is decided when they come.
fn thinking(config: &Value, chat: &mut Map<String, Value>, crossing: &mut Crossing) -> Result<(), String> {
    for (name, value) in proto::members(config) {
        match (&*name, value.as_i64(), value.as_str()) {
            ("includeThoughts", ..) => {}
            ("thinkingBudget", Some(0), _) => {
                chat.insert("thinking".to_owned(), json!({"type": "disabled"}));
            }
            ("thinkingBudget", Some(-1), _) => {
                chat.insert("thinking".to_owned(), json!({"type": "adaptive"}));
            }
            ("thinkingBudget", Some(budget), _) if budget > 0 => {
                chat.insert("thinking".to_owned(), json!({"type": "enabled", "budget_tokens": budget}));
            }
            ("thinkingLevel", _, Some("THINKING_LEVEL_UNSPECIFIED" | "")) => {}
            ("thinkingLevel", _, Some(level)) => {
                chat.insert("reasoning_effort".to_owned(), json!(level.to_ascii_lowercase()));
            }
            ("thinkingBudget" | "thinkingLevel", ..) => {
                return Err(format!(
                    "\"generationConfig.thinkingConfig.{name}\" is {value}, which it cannot be"
                ));
            }
            (other, ..) => crossing.cannot(format!("\"generationConfig.thinkingConfig.{other}\""))?,
        }
    }
    Ok(())
}

/// In Anthropic's words no budget is below [`LEAST`], nor as large as the answer may be. Gemini knows neither rule, and a
/// budget is a hint: where no room is left for one, there is none.
fn bounded(chat: &mut Map<String, Value>, crossing: &mut Crossing) {
    let limit = chat.get("max_completion_tokens").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let Some(budget) = chat.get_mut("thinking").and_then(|thinking| thinking.get_mut("budget_tokens")) else {
        return;
    };
    let bounded = budget.as_u64().unwrap_or(LEAST).max(LEAST).min(limit.saturating_sub(1));
    *budget = json!(bounded);
    if bounded < LEAST {
        chat.shift_remove("thinking");
        crossing.leave_out("generationConfig.thinkingConfig.thinkingBudget");
    }
}

fn modalities(list: &Value, chat: &mut Map<String, Value>, crossing: &mut Crossing) -> Result<(), String> {
    let mut words = Vec::new();
    for one in proto::list(list) {
        match one.as_str().unwrap_or_default() {
            "TEXT" => words.push("text"),
            "IMAGE" => words.push("image"),
            _ => crossing.cannot(format!("\"generationConfig.responseModalities\" {one}"))?,
        }
    }
    // Text alone is what a chat completion is anyway.
    if words.contains(&"image") {
        chat.insert("modalities".to_owned(), json!(words));
    }
    Ok(())
}
