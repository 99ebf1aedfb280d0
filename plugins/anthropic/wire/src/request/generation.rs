//! Sampling and the parameters that stand beside it.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault};

use super::{given, invalid, put};
use crate::model::Model;

/// The parameters read here.
pub(super) const NAMES: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "user",
    "metadata",
    "service_tier",
];

/// Runs after the thinking, whose budget is a part of the tokens.
pub(super) fn translate(
    body: &Map<String, Value>,
    model: &Model<'_>,
    dropped: &mut Dropped,
    out: &mut Map<String, Value>,
) -> Result<(), Fault> {
    for name in ["temperature", "top_p", "top_k"] {
        if let Some(value) = given(body, name) {
            put(out, name, value.clone());
        }
    }
    put(out, "max_tokens", max_tokens(body, model)?);
    let words = stop_sequences(body, dropped)?;
    if !words.is_empty() {
        put(out, "stop_sequences", json!(words));
    }
    user_id(body, dropped, out);
    // OpenAI's words. Whoever pays for more speed gets what Anthropic has of it.
    match given(body, "service_tier").and_then(Value::as_str) {
        Some("auto" | "priority") => put(out, "service_tier", json!("auto")),
        Some("default" | "flex" | "standard_only") => put(out, "service_tier", json!("standard_only")),
        Some(_) => dropped.advice("service_tier"),
        None => {}
    }
    Ok(())
}

/// As the client says, else all that the model can write, as litellm has it: OpenAI's default is no limit either.
fn max_tokens(body: &Map<String, Value>, model: &Model<'_>) -> Result<Value, Fault> {
    let said = given(body, "max_completion_tokens").or_else(|| given(body, "max_tokens"));
    match said {
        None => Ok(json!(model.most_tokens())),
        Some(value) if value.as_u64().is_some() => Ok(value.clone()),
        Some(_) => Err(invalid("\"max_tokens\" must be a whole number")),
    }
}

/// Anthropic refuses sequences of white space alone.
fn stop_sequences(body: &Map<String, Value>, dropped: &mut Dropped) -> Result<Vec<String>, Fault> {
    let wrong = || invalid("\"stop\" must be text or a list of texts");
    let words: Vec<String> = match given(body, "stop") {
        None => return Ok(Vec::new()),
        Some(Value::String(word)) => vec![word.clone()],
        Some(Value::Array(list)) => {
            let word = |word: &Value| word.as_str().map(str::to_owned).ok_or_else(wrong);
            list.iter().map(word).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong()),
    };
    let (words, blank): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| !word.trim().is_empty());
    if !blank.is_empty() {
        dropped.content("stop", "\"stop\": Claude takes no stop sequence of white space alone")?;
    }
    Ok(words)
}

/// Who the end user is. Anthropic refuses what looks like a mail address or a telephone number (litellm leaves it out too).
/// What else stands in OpenAI's `metadata` is for a store that Anthropic does not have.
fn user_id(body: &Map<String, Value>, dropped: &mut Dropped, out: &mut Map<String, Value>) {
    let metadata = given(body, "metadata").and_then(Value::as_object);
    if metadata.is_some_and(|metadata| metadata.keys().any(|name| name != "user_id")) {
        dropped.advice("metadata");
    }
    let in_metadata = || metadata?.get("user_id")?.as_str().map(|id| ("metadata.user_id", id));
    let user = given(body, "user").and_then(Value::as_str).map(|id| ("user", id));
    let Some((name, id)) = user.or_else(in_metadata).filter(|(_, id)| !id.is_empty()) else { return };
    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    let telephone = digits >= 7 && id.chars().all(|c| c.is_ascii_digit() || "+-() .".contains(c));
    if id.contains('@') || telephone {
        dropped.advice(name);
    } else {
        put(out, "metadata", json!({"user_id": id}));
    }
}
