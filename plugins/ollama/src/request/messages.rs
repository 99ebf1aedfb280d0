//! Messages: a text each, with pictures beside it, and calls of tools whose arguments are objects.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Fault, arguments};

use super::{invalid, unsupported};

pub(super) fn translate(messages: &[Value]) -> Result<Vec<Value>, Fault> {
    // Ids and names of the calls so far: a result says there which tool it is of.
    let mut calls: Vec<(&str, &str)> = Vec::new();
    let mut made = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        made.push(one(message, &format!("messages[{index}]"), &mut calls)?);
    }
    Ok(made)
}

fn one<'a>(message: &'a Value, at: &str, calls: &mut Vec<(&'a str, &'a str)>) -> Result<Value, Fault> {
    let role =
        message["role"].as_str().ok_or_else(|| invalid(format!("{at}: a message needs a \"role\"")))?;
    let (text, images) = content(&message["content"], at)?;
    let mut made = Map::new();
    let role = match role {
        "developer" => "system",
        "function" => "tool",
        role @ ("system" | "user" | "assistant" | "tool") => role,
        other => return Err(invalid(format!("{at}: the role {other:?} is not known"))),
    };
    made.insert("role".into(), role.into());
    made.insert("content".into(), text.into());
    if !images.is_empty() {
        made.insert("images".into(), images.into());
    }
    match role {
        "assistant" => {
            if let Some(thinking) = message["reasoning_content"].as_str().filter(|text| !text.is_empty()) {
                made.insert("thinking".into(), thinking.into());
            }
            let called = self::calls(message, at, calls)?;
            if !called.is_empty() {
                made.insert("tool_calls".into(), called.into());
            }
        }
        "tool" => {
            let id = message["tool_call_id"].as_str();
            let called = id.and_then(|id| calls.iter().rev().find(|(known, _)| *known == id));
            let name = called.map(|(_, name)| *name).or_else(|| message["name"].as_str());
            let name = name.ok_or_else(|| {
                invalid(format!(
                    "{at}: \"tool_call_id\" answers no call of an earlier message, and there is no \"name\""
                ))
            })?;
            made.insert("tool_name".into(), name.into());
        }
        _ => {}
    }
    Ok(Value::Object(made))
}

/// The calls of an assistant's message.
fn calls<'a>(message: &'a Value, at: &str, known: &mut Vec<(&'a str, &'a str)>) -> Result<Vec<Value>, Fault> {
    let mut made = Vec::new();
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let at = format!("{at}.tool_calls[{index}]");
        let (name, call_made) = function(&call["function"], &at)?;
        if let Some(id) = call["id"].as_str() {
            known.push((id, name));
        }
        made.push(call_made);
    }
    if message["function_call"].is_object() {
        made.push(function(&message["function_call"], at)?.1);
    }
    Ok(made)
}

fn function<'a>(function: &'a Value, at: &str) -> Result<(&'a str, Value), Fault> {
    let name = function["name"]
        .as_str()
        .ok_or_else(|| invalid(format!("{at}: only calls of functions are known")))?;
    let arguments = arguments::object(function["arguments"].as_str().unwrap_or(""));
    Ok((name, json!({"function": {"name": name, "arguments": arguments}})))
}

/// The text of a content, and its pictures in base64.
fn content(content: &Value, at: &str) -> Result<(String, Vec<Value>), Fault> {
    let parts = match content {
        Value::Null => return Ok((String::new(), Vec::new())),
        Value::String(text) => return Ok((text.clone(), Vec::new())),
        Value::Array(parts) => parts,
        _ => return Err(invalid(format!("{at}: \"content\" must be a text or a list of parts"))),
    };
    let (mut text, mut images) = (String::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        let at = format!("{at}.content[{index}]");
        match part["type"].as_str() {
            Some("text") => {
                let piece = part["text"].as_str();
                text.push_str(
                    piece.ok_or_else(|| invalid(format!("{at}: a part of type text needs a \"text\"")))?,
                );
            }
            Some("refusal") => text.push_str(part["refusal"].as_str().unwrap_or_default()),
            Some("image_url") => images.push(image(&part["image_url"], &at)?.into()),
            Some(other) => {
                return Err(unsupported(format!(
                    "{at}: a part of type {other:?} has no counterpart in Ollama"
                )));
            }
            None => return Err(invalid(format!("{at}: a part needs a \"type\""))),
        }
    }
    Ok((text, images))
}

/// OpenAI has an object; some clients write the URL alone.
fn image(image: &Value, at: &str) -> Result<String, Fault> {
    let url = image.as_str().or_else(|| image["url"].as_str());
    let url = url.ok_or_else(|| invalid(format!("{at}: \"image_url\" needs a \"url\"")))?;
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match data {
        Some((_, data)) => Ok(data.to_owned()),
        None => Err(unsupported(format!(
            "{at}: Ollama takes pictures in the request alone; send it as a data: URL in base64"
        ))),
    }
}
