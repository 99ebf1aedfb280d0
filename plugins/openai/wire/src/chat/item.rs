//! The parts of an answer's items in a chat's words.

use serde_json::{Value, json};

/// A call of a function or of a custom tool, with what it is called with; `None`: the item is none. It goes by its
/// `call_id`, which its result names.
pub(super) fn call(item: &Value) -> Option<Value> {
    let id = item["call_id"].as_str().or_else(|| item["id"].as_str()).unwrap_or_default();
    let text = |name: &str| item[name].as_str().unwrap_or_default();
    match item["type"].as_str() {
        Some("function_call") => {
            let function = json!({"name": text("name"), "arguments": text("arguments")});
            Some(json!({"id": id, "type": "function", "function": function}))
        }
        Some("custom_tool_call") => {
            let custom = json!({"name": text("name"), "input": text("input")});
            Some(json!({"id": id, "type": "custom", "custom": custom}))
        }
        _ => None,
    }
}

/// A picture that was made.
pub(super) fn image(item: &Value) -> Option<Value> {
    let data = item["result"].as_str().filter(|_| item["type"] == "image_generation_call")?;
    let kind = item["output_format"].as_str().unwrap_or("png");
    Some(json!({"type": "image_url", "image_url": {"url": format!("data:image/{kind};base64,{data}")}}))
}

/// A citation of a web page, `shift` characters further on in the chat's one text. A chat knows no other: `None`.
pub(super) fn annotation(annotation: &Value, shift: usize) -> Option<Value> {
    if annotation["type"] != "url_citation" {
        return None;
    }
    let mut cited = json!({});
    for name in ["url", "title"] {
        cited[name] = annotation[name].clone();
    }
    for name in ["start_index", "end_index"] {
        cited[name] = json!(annotation[name].as_u64().unwrap_or(0).saturating_add(shift as u64));
    }
    Some(json!({"type": "url_citation", "url_citation": cited}))
}

/// The probabilities of a text's tokens. A stream's have no bytes, a chat's have nulls there.
pub(super) fn logprobs(list: &Value) -> Vec<Value> {
    let token =
        |one: &Value| json!({"token": one["token"], "logprob": one["logprob"], "bytes": one["bytes"]});
    let list = list.as_array().map_or(&[][..], Vec::as_slice).iter();
    list.map(|one| {
        let top = one["top_logprobs"].as_array().map_or(&[][..], Vec::as_slice);
        let mut made = token(one);
        made["top_logprobs"] = json!(top.iter().map(token).collect::<Vec<_>>());
        made
    })
    .collect()
}
