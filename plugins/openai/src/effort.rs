//! How much a model is to think, which clients of Anthropic's API say in Anthropic's words, in OpenAI's; and the name of a
//! limit, which OpenAI's reasoning models know by another.
//!
//! No client of OpenAI's own sends `thinking` or `output_config`, so that its requests are what they were.

use serde_json::Value;
use serde_json::value::to_raw_value;
use tidegate_openai_wire::model;
use tidegate_plugin_sdk::{Dropped, Fault};

use crate::request::{Members, Piece};

/// The body for the model `name`; `None`: it is right as it is. A model that does not reason cannot be told how much, and one
/// that does cannot be told not to.
pub(crate) fn edited(body: &[u8], name: &str, dropped: &mut Dropped) -> Result<Option<Vec<u8>>, Fault> {
    let Ok(text) = std::str::from_utf8(body) else { return Ok(None) };
    let reasons = model::reasons(name);
    let alien = text.contains("\"thinking\"") || text.contains("\"output_config\"");
    let length = reasons && text.contains("\"max_tokens\"");
    if !alien && !length {
        return Ok(None);
    }
    let mut members: Members<'_> = serde_json::from_str(text)
        .map_err(|error| Fault::Invalid(format!("the request body is not a JSON object: {error}")))?;
    let effort = effort(&mut members, reasons, dropped);
    let mut changed = members.drop(|name, _| matches!(name, "thinking" | "output_config"));
    if reasons {
        if let Some(effort) = effort.filter(|_| members.get_mut("reasoning_effort").is_none())
            && let Ok(raw) = to_raw_value(effort)
        {
            members.push("reasoning_effort", Piece::Own(raw));
        }
        // These refuse `max_tokens`, and take no answer's length but by this name.
        changed |= members.rename("max_tokens", "max_completion_tokens");
    }
    Ok(changed.then(|| members.written().into_bytes()))
}

fn effort(members: &mut Members<'_>, reasons: bool, dropped: &mut Dropped) -> Option<&'static str> {
    let mut read = |name: &str| {
        let value = members.get_mut(name).and_then(|value| serde_json::from_str::<Value>(value.get()).ok());
        value.unwrap_or_default()
    };
    let (thinking, config) = (read("thinking"), read("output_config"));
    let disabled = thinking["type"] == "disabled";
    if thinking.is_object() && disabled == reasons {
        dropped.advice("thinking");
    }
    if config["effort"].is_string() && !reasons {
        dropped.advice("output_config");
    }
    model::effort(&thinking, &config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(model: &str, body: Value) -> Option<Value> {
        let made = edited(body.to_string().as_bytes(), model, &mut Dropped::default()).unwrap()?;
        Some(serde_json::from_slice(&made).unwrap())
    }

    #[test]
    fn a_model_that_reasons_is_told_how_much() {
        let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
        for (body, effort) in [
            (budget(1024), json!("low")),
            (budget(10_000), json!("medium")),
            (budget(31_999), json!("high")),
            (json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}), json!("high")),
            (json!({"output_config": {"effort": "medium"}}), json!("medium")),
            (json!({"thinking": {"type": "adaptive"}}), Value::Null),
            (json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}), Value::Null),
        ] {
            let made = made("gpt-5.1", body.clone()).unwrap();
            assert_eq!(made["reasoning_effort"], effort, "{body}");
            assert!(made.get("thinking").is_none() && made.get("output_config").is_none());
        }
        let own = json!({"reasoning_effort": "minimal", "thinking": {"type": "enabled", "budget_tokens": 9}});
        assert_eq!(made("o3", own), Some(json!({"reasoning_effort": "minimal"})));
    }

    #[test]
    fn a_model_that_does_not_is_not() {
        let body = json!({"max_tokens": 5, "thinking": {"type": "enabled", "budget_tokens": 2048}});
        for model in ["gpt-4o", "gpt-5-chat-latest", "gpt-4.1", "openai-model", "omni"] {
            assert_eq!(made(model, body.clone()), Some(json!({"max_tokens": 5})), "{model}");
        }
        for model in ["o1", "o4-mini", "gpt-5", "gpt-5.2-codex", "gpt-6", "openai/gpt-5-mini"] {
            let made = made(model, body.clone()).unwrap();
            assert_eq!(made, json!({"max_completion_tokens": 5, "reasoning_effort": "low"}), "{model}");
        }
    }

    #[test]
    fn what_openais_own_clients_send_stays_as_it_is() {
        for body in [
            json!({"max_tokens": 5, "messages": []}),
            json!({"messages": [{"role": "user", "content": "\"thinking\""}]}),
            json!({"messages": [{"thinking": 1}], "reasoning_effort": "low"}),
        ] {
            assert_eq!(made("gpt-4o", body), None);
        }
        assert_eq!(made("o3", json!({"max_completion_tokens": 5, "reasoning_effort": "low"})), None);
        let mut dropped = Dropped::default();
        assert!(edited(b"[\"thinking\"]", "o3", &mut dropped).is_err());
        assert_eq!(edited(b"\xff", "o3", &mut dropped).unwrap(), None);
    }

    #[test]
    fn what_a_model_cannot_be_told_is_named() {
        let lost = |model: &str, body: Value| {
            let mut dropped = Dropped::default();
            edited(body.to_string().as_bytes(), model, &mut dropped).unwrap();
            dropped.names().join(" ")
        };
        let on = json!({"thinking": {"type": "enabled", "budget_tokens": 2048}, "output_config": {"effort": "low"}});
        let off = json!({"thinking": {"type": "disabled"}});
        assert_eq!(
            (lost("gpt-5", on.clone()), lost("gpt-4o", on)),
            (String::new(), "thinking output_config".to_owned())
        );
        assert_eq!((lost("gpt-5", off.clone()), lost("gpt-4o", off)), ("thinking".to_owned(), String::new()));
        assert_eq!(lost("gpt-5", json!({"max_tokens": 5})), "");
    }
}
