//! The contents of messages and of tools' results.

use serde_json::{Value, json};

use super::crossing::{Crossing, refusal};

/// As a chat completion has it: a text where it came as one, or is nothing but texts of the model's.
pub(super) fn of(content: &Value, crossing: &mut Crossing) -> Result<Value, String> {
    let parts = match content {
        Value::String(_) => return Ok(content.clone()),
        Value::Null => return Ok(Value::String(String::new())),
        Value::Array(parts) => parts,
        _ => {
            return Err(
                "a \"content\" or \"output\" of \"input\" must be text or an array of parts".to_owned()
            );
        }
    };
    let made: Vec<Value> = parts
        .iter()
        .map(|each| part(each, crossing))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    // Not all providers take a list for every role; of one text it says no more than the text.
    let texts: Option<Vec<&str>> = made.iter().map(|part| part["text"].as_str()).collect();
    Ok(match texts.as_deref() {
        Some([text]) => json!(text),
        Some([]) => json!(""),
        _ => Value::Array(made),
    })
}

/// Texts as one: for roles that have nothing else.
pub(super) fn joined(content: Value) -> Value {
    let parts = content.as_array().map_or(&[][..], Vec::as_slice);
    let texts: Option<Vec<&str>> = parts.iter().map(|part| part["text"].as_str()).collect();
    match texts {
        Some(texts) if !texts.is_empty() => json!(texts.join("\n\n")),
        _ => content,
    }
}

fn part(part: &Value, crossing: &mut Crossing) -> Result<Option<Value>, String> {
    let kind = part["type"].as_str().ok_or("a part of a \"content\" has no \"type\"")?;
    let text = |name: &str| {
        part[name]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("a part of type \"{kind}\" has no \"{name}\""))
    };
    let mut made = match kind {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            json!({"type": "text", "text": text("text")?})
        }
        "refusal" => json!({"type": "text", "text": text("refusal")?}),
        "input_image" => match part["image_url"].as_str() {
            Some(url) => {
                let mut image = json!({"url": url});
                // Its other words are newer than the chat completion's.
                if let Some(detail @ ("low" | "high")) = part["detail"].as_str() {
                    image["detail"] = json!(detail);
                }
                json!({"type": "image_url", "image_url": image})
            }
            None => {
                let why = "the file is at a provider that does not answer this request";
                return crossing.cannot("an \"input_image\" by \"file_id\"", why).map(|()| None);
            }
        },
        "input_file" => json!({"type": "file", "file": file(part)?}),
        "input_audio" => json!({"type": "input_audio", "input_audio": part["input_audio"]}),
        other => {
            let why = "a chat completion has no such part";
            return crossing.cannot(&format!("a content part \"{other}\""), why).map(|()| None);
        }
    };
    if !part["cache_control"].is_null() {
        made["cache_control"] = part["cache_control"].clone();
    }
    Ok(Some(made))
}

fn file(part: &Value) -> Result<Value, String> {
    let mut file = match (&part["file_data"], &part["file_url"], &part["file_id"]) {
        (Value::String(data), ..) => json!({"file_data": data}),
        // litellm's providers take an address in the place of an id.
        (_, Value::String(id), _) | (_, _, Value::String(id)) => json!({"file_id": id}),
        _ => return Err("an \"input_file\" needs \"file_data\", \"file_url\" or \"file_id\"".to_owned()),
    };
    if let Some(name) = part["filename"].as_str() {
        file["filename"] = json!(name);
    }
    Ok(file)
}

/// Why an item cannot be said: shared with the items.
pub(super) fn no_such_item(kind: &str) -> String {
    refusal(&format!("an item \"{kind}\" of \"input\""), "a chat completion has no such message")
}
