//! A chat's whole answer as a text completion.

use serde_json::{Map, Value, json};

use crate::dialects::Facts;

pub(super) fn of_chat(chat: &Value, facts: &Facts) -> Value {
    let choices = chat["choices"].as_array().map_or(&[][..], Vec::as_slice);
    let choices: Vec<Value> = choices.iter().map(|choice| self::choice(choice, &choice["message"])).collect();
    let mut made = head(chat, facts, choices);
    if chat["usage"].is_object() {
        made.insert("usage".into(), chat["usage"].clone());
    }
    Value::Object(made)
}

/// What whole answers and chunks have around their choices.
pub(super) fn head(chat: &Value, facts: &Facts, choices: Vec<Value>) -> Map<String, Value> {
    let model = chat["model"].as_str().filter(|model| !model.is_empty()).unwrap_or(&facts.model);
    let mut made = Map::new();
    made.insert("id".into(), format!("cmpl-{:016x}", facts.seed).into());
    made.insert("object".into(), "text_completion".into());
    made.insert("created".into(), facts.created.into());
    made.insert("model".into(), model.into());
    if chat["system_fingerprint"].is_string() {
        made.insert("system_fingerprint".into(), chat["system_fingerprint"].clone());
    }
    made.insert("choices".into(), choices.into());
    made
}

/// A choice whose text is that of `said`, its message or its delta.
pub(super) fn choice(choice: &Value, said: &Value) -> Value {
    let finish = match choice["finish_reason"].as_str() {
        None | Some("") => Value::Null,
        // Completions know three reasons.
        Some(reason @ ("length" | "content_filter")) => reason.into(),
        Some(_) => "stop".into(),
    };
    json!({
        "text": text(said),
        "index": choice["index"].as_u64().unwrap_or(0),
        "logprobs": logprobs(&choice["logprobs"]),
        "finish_reason": finish,
    })
}

/// The text of a message or a delta.
pub(super) fn text(said: &Value) -> String {
    let part = |part: &Value| part["text"].as_str().unwrap_or_default().to_owned();
    match &said["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(part).collect(),
        _ => said["refusal"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Where a chat has an object for each token, a completion has lists. Offsets are in characters from the start of this
/// piece of text.
fn logprobs(chat: &Value) -> Value {
    let Some(tokens) = chat["content"].as_array() else { return Value::Null };
    let (mut names, mut logs, mut tops, mut offsets) = (vec![], vec![], vec![], vec![]);
    let mut offset = 0;
    for token in tokens {
        let name = token["token"].as_str().unwrap_or_default();
        names.push(Value::from(name));
        logs.push(token["logprob"].clone());
        let top = token["top_logprobs"].as_array().map_or(&[][..], Vec::as_slice);
        let top =
            top.iter().filter_map(|top| Some((top["token"].as_str()?.to_owned(), top["logprob"].clone())));
        tops.push(Value::Object(top.collect()));
        offsets.push(Value::from(offset));
        offset += name.chars().count();
    }
    json!({"tokens": names, "token_logprobs": logs, "top_logprobs": tops, "text_offset": offsets})
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_message_is_a_text() {
        let facts = Facts { model: "mine".into(), seed: 0xab, created: 7, request: Bytes::new() };
        let chat = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "up", "system_fingerprint": "fp",
            "choices": [
                {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "é a"},
                 "logprobs": {"content": [
                    {"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "é", "logprob": -0.5}]},
                    {"token": " a", "logprob": -1, "top_logprobs": []}]}},
                {"index": 1, "finish_reason": "tool_calls", "message": {"content": [{"type": "text", "text": "b"}]}},
                {"index": 2, "finish_reason": "content_filter", "message": {"content": null, "refusal": "no"}},
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        });
        assert_eq!(
            of_chat(&chat, &facts),
            json!({
                "id": "cmpl-00000000000000ab", "object": "text_completion", "created": 7, "model": "up",
                "system_fingerprint": "fp",
                "choices": [
                    {"text": "é a", "index": 0, "finish_reason": "length", "logprobs": {
                        "tokens": ["é", " a"], "token_logprobs": [-0.5, -1], "top_logprobs": [{"é": -0.5}, {}],
                        "text_offset": [0, 1]}},
                    {"text": "b", "index": 1, "finish_reason": "stop", "logprobs": null},
                    {"text": "no", "index": 2, "finish_reason": "content_filter", "logprobs": null},
                ],
                "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
            })
        );
        let bare = of_chat(&json!({"model": "", "choices": []}), &facts);
        assert_eq!((&bare["model"], bare.get("usage")), (&json!("mine"), None));
    }
}
