//! Embeddings, by `POST /api/embed`.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Fault, HeadIn};

/// Passed on as they are.
const KEPT: [&str; 4] = ["dimensions", "truncate", "keep_alive", "options"];
/// Without an effect on the vectors. Which form they come in is the host's to make.
const IGNORED: [&str; 4] = ["model", "user", "encoding_format", "input"];

pub(crate) fn request(body: &Value, model: &str, dropping: bool) -> Result<(Value, Vec<String>), Fault> {
    let body =
        body.as_object().ok_or_else(|| Fault::Invalid("the request body is not a JSON object".into()))?;
    let input = body.get("input").unwrap_or(&Value::Null);
    let texts = match input {
        Value::String(_) => true,
        Value::Array(items) => items.iter().all(Value::is_string),
        _ => return Err(Fault::Invalid("\"input\" must be a text or an array of texts".into())),
    };
    if !texts {
        return Err(Fault::Unsupported(
            "\"input\" as tokens has no counterpart in Ollama; send the text".into(),
        ));
    }
    let (mut made, mut dropped) = (Map::new(), Vec::new());
    made.insert("model".into(), model.into());
    made.insert("input".into(), input.clone());
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        if KEPT.contains(&name.as_str()) {
            made.insert(name.clone(), value.clone());
        } else if !IGNORED.contains(&name.as_str()) {
            if !dropping {
                return Err(Fault::Unsupported(format!(
                    "the parameter {name:?} has no counterpart in Ollama"
                )));
            }
            dropped.push(name.clone());
        }
    }
    Ok((Value::Object(made), dropped))
}

pub(crate) fn answer(head: &HeadIn<'_>, body: &[u8]) -> Result<Value, Fault> {
    let said: Value = serde_json::from_slice(body).map_err(|_| Fault::Protocol("the body is not JSON"))?;
    if said.get("error").is_some_and(|error| !error.is_null()) {
        return Err(Fault::Upstream);
    }
    let vectors = said["embeddings"].as_array().ok_or(Fault::Protocol("the body has no embeddings"))?;
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    let tokens = said["prompt_eval_count"].as_u64().unwrap_or(0);
    Ok(json!({
        "object": "list",
        "data": data,
        "model": head.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}
