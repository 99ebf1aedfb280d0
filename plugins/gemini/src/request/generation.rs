//! Sampling and format parameters as `generationConfig`.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault};

use super::{invalid, schema, thinking, unsupported};
use crate::model::Model;

/// The parameters read here.
pub(super) const NAMES: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "topK",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "response_format",
    "reasoning_effort",
    "thinking",
    "thinkingConfig",
    "modalities",
    "media_resolution",
    "mediaResolution",
];

/// Those that only change their name. The later of two that mean the same wins.
const RENAMED: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("topK", "topK"),
    ("max_tokens", "maxOutputTokens"),
    ("max_completion_tokens", "maxOutputTokens"),
    ("n", "candidateCount"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("logprobs", "responseLogprobs"),
    ("media_resolution", "mediaResolution"),
    ("mediaResolution", "mediaResolution"),
];

pub(super) fn translate(
    body: &Map<String, Value>,
    model: &Model,
    stream: bool,
    dropped: &mut Dropped,
) -> Result<Map<String, Value>, Fault> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    let mut out = Map::new();
    for (name, renamed) in RENAMED {
        if let Some(value) = given(name) {
            out.insert((*renamed).to_owned(), value.clone());
        }
    }
    // Vertex AI's reference: several candidates do not work with streamGenerateContent. It also makes one finish
    // reason the end of the stream.
    if stream && given("n").is_some_and(|n| n.as_u64() != Some(1)) {
        dropped.content("n", "Gemini streams one answer: \"n\" must be 1 in a stream")?;
        out.shift_remove("candidateCount");
    }
    if let Some(count) = given("top_logprobs") {
        out.insert("logprobs".to_owned(), count.clone());
    }
    match given("stop") {
        None => {}
        Some(Value::String(word)) => {
            out.insert("stopSequences".to_owned(), json!([word]));
        }
        Some(list @ Value::Array(_)) => {
            out.insert("stopSequences".to_owned(), list.clone());
        }
        Some(_) => return Err(invalid("\"stop\" must be text or a list of texts")),
    }
    if let Some(format) = given("response_format") {
        response_format(format, model, dropped, &mut out)?;
    }
    if let Some(list) = given("modalities") {
        out.insert("responseModalities".to_owned(), modalities(list)?);
    }
    if let Some(config) = thinking::translate(body, model)? {
        out.insert("thinkingConfig".to_owned(), config);
    }
    Ok(out)
}

fn response_format(
    format: &Value,
    model: &Model,
    dropped: &mut Dropped,
    out: &mut Map<String, Value>,
) -> Result<(), Fault> {
    let (schema, at) = match format.get("type").and_then(Value::as_str) {
        Some("text") => return Ok(()),
        Some("json_object") => (format.get("response_schema"), "response_format.response_schema"),
        Some("json_schema") => {
            let schema = format.pointer("/json_schema/schema");
            let needs = || {
                invalid("\"response_format\" of the type json_schema needs \"json_schema\" with a \"schema\"")
            };
            (Some(schema.ok_or_else(needs)?), "response_format.json_schema.schema")
        }
        _ => return Err(invalid("\"response_format\" must have the type text, json_object or json_schema")),
    };
    out.insert("responseMimeType".to_owned(), json!("application/json"));
    if let Some(schema) = schema {
        let schema::Cleaned { subset, json } = schema::clean_answer(schema, at)?;
        match json {
            Some(full) if model.takes_json_schema() => out.insert("responseJsonSchema".to_owned(), full),
            full => {
                if full.is_some() {
                    dropped.advice(at);
                }
                out.insert("responseSchema".to_owned(), subset)
            }
        };
    }
    Ok(())
}

fn modalities(list: &Value) -> Result<Value, Fault> {
    let list = list.as_array().ok_or_else(|| invalid("\"modalities\" must be a list"))?;
    list.iter()
        .map(|one| match one.as_str() {
            Some("text") => Ok(json!("TEXT")),
            Some("image") => Ok(json!("IMAGE")),
            _ => Err(unsupported(format!(
                "\"modalities\": {one} cannot be asked of Gemini here; text and image can"
            ))),
        })
        .collect()
}
