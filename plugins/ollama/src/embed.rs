//! Embeddings, by `POST /api/embed`.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault, HeadIn};

/// Passed on as they are.
const KEPT: [&str; 4] = ["dimensions", "truncate", "keep_alive", "options"];
/// Read elsewhere. Which form the vectors come in is the host's to make.
const READ: [&str; 3] = ["model", "encoding_format", "input"];

pub(crate) fn request(body: &Value, model: &str, dropped: &mut Dropped) -> Result<Value, Fault> {
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
    let mut made = Map::new();
    made.insert("model".into(), model.into());
    made.insert("input".into(), input.clone());
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        if KEPT.contains(&name.as_str()) {
            made.insert(name.clone(), value.clone());
        } else if !READ.contains(&name.as_str()) {
            dropped.parameter(name, value, "Ollama")?;
        }
    }
    Ok(Value::Object(made))
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
