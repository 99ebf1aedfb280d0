//! The messages of a chat as items.

use serde_json::{Value, json};
use tidegate_plugin_sdk::Fault;

use super::carry;
use super::crossing::Crossing;
use super::request::invalid;

/// The items of `messages`.
pub(super) fn items(messages: &[Value], crossing: &mut Crossing) -> Result<Vec<Value>, Fault> {
    let mut history = History::default();
    for (index, message) in messages.iter().enumerate() {
        history.message(message, &format!("messages[{index}]"), crossing)?;
    }
    Ok(history.items)
}

#[derive(Default)]
struct History {
    items: Vec<Value>,
    /// The ids of calls of custom tools, whose results have a type of their own.
    custom: Vec<String>,
    /// The id of the last `function_call`, which has none in a chat.
    function_call: Option<String>,
}

impl History {
    fn message(&mut self, message: &Value, at: &str, crossing: &mut Crossing) -> Result<(), Fault> {
        let content = &message["content"];
        if message["name"].is_string() && message["role"] != "function" {
            crossing.leave_out("messages.name");
        }
        match message["role"].as_str() {
            Some(role @ ("system" | "developer" | "user")) => {
                let content = parts(content, at, crossing)?;
                self.items.push(json!({"type": "message", "role": role, "content": content}));
            }
            Some("assistant") => self.assistant(message, at, crossing)?,
            Some("tool") => {
                let id = message["tool_call_id"].as_str();
                let id = id.ok_or_else(|| {
                    invalid(format!("{at}: a message of the role tool needs a \"tool_call_id\""))
                })?;
                let output = parts(content, at, crossing)?;
                let custom = self.custom.iter().any(|known| known == id);
                let kind = if custom { "custom_tool_call_output" } else { "function_call_output" };
                self.items.push(json!({"type": kind, "call_id": id, "output": output}));
            }
            Some("function") => {
                let id = self.function_call.take().ok_or_else(|| {
                    invalid(format!(
                        "{at}: a function message must follow a message with a \"function_call\""
                    ))
                })?;
                let output = parts(content, at, crossing)?;
                self.items.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
            }
            Some(other) => return Err(invalid(format!("{at}: the role {other:?} is not known"))),
            None => return Err(invalid(format!("{at}: a message needs a \"role\""))),
        }
        Ok(())
    }

    /// What the model said in one turn: its reasoning, each piece before the call that it led to, else before its text.
    fn assistant(&mut self, message: &Value, at: &str, crossing: &mut Crossing) -> Result<(), Fault> {
        if message["audio"].is_object() {
            crossing.cannot(&format!("the \"audio\" of {at}"))?;
        }
        let list = |name: &str| message[name].as_array().map_or(&[][..], Vec::as_slice);
        let calls = list("tool_calls");
        let mut thoughts: Vec<(Value, Option<String>)> =
            list("thinking_blocks").iter().filter_map(carry::opened).collect();
        let known = |id: &str| calls.iter().any(|call| call["id"] == id);
        let mut led = Vec::new();
        for (item, before) in thoughts.drain(..) {
            match before.filter(|id| known(id)) {
                Some(id) => led.push((item, id)),
                None => self.items.push(item),
            }
        }
        if let Some(content) = said(message, at)? {
            self.items.push(json!({"type": "message", "role": "assistant", "content": content}));
        }
        for (index, call) in calls.iter().enumerate() {
            let at = format!("{at}.tool_calls[{index}]");
            let id = call["id"].as_str().ok_or_else(|| invalid(format!("{at} needs an \"id\"")))?;
            let before = led.iter().filter(|(_, before)| before == id).map(|(item, _)| item.clone());
            self.items.extend(before);
            if call["custom"].is_object() {
                self.custom.push(id.to_owned());
                let (name, input) = (text(&call["custom"], "name", &at)?, &call["custom"]["input"]);
                let input = input.as_str().unwrap_or_default();
                self.items
                    .push(json!({"type": "custom_tool_call", "call_id": id, "name": name, "input": input}));
            } else {
                self.items.push(function_call(id, &call["function"], &at)?);
            }
        }
        if message["function_call"].is_object() {
            let id = format!("function_call_{}", self.items.len());
            self.items.push(function_call(&id, &message["function_call"], at)?);
            self.function_call = Some(id);
        }
        Ok(())
    }
}

fn function_call(id: &str, function: &Value, at: &str) -> Result<Value, Fault> {
    let name = text(function, "name", at)?;
    let arguments = function["arguments"].as_str().filter(|arguments| !arguments.trim().is_empty());
    let arguments = arguments.unwrap_or("{}");
    Ok(json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments}))
}

fn text<'a>(of: &'a Value, name: &str, at: &str) -> Result<&'a str, Fault> {
    of[name].as_str().ok_or_else(|| invalid(format!("{at} has no {name:?}, a text")))
}

/// The assistant's text; a list only where it has refused something. `None`: it said nothing.
fn said(message: &Value, at: &str) -> Result<Option<Value>, Fault> {
    let mut made = Vec::new();
    match &message["content"] {
        Value::Null => {}
        Value::String(text) => made.push(json!({"type": "output_text", "text": text})),
        Value::Array(parts) => {
            for (index, part) in parts.iter().enumerate() {
                let at = format!("{at}.content[{index}]");
                made.push(match part["type"].as_str() {
                    Some("text") => json!({"type": "output_text", "text": text(part, "text", &at)?}),
                    Some("refusal") => {
                        json!({"type": "refusal", "refusal": text(part, "refusal", &at)?})
                    }
                    other => return Err(no_part(&at, other)),
                });
            }
        }
        _ => return Err(invalid(format!("{at}: \"content\" must be text or a list of parts"))),
    }
    if let Some(refusal) = message["refusal"].as_str().filter(|refusal| !refusal.is_empty()) {
        made.push(json!({"type": "refusal", "refusal": refusal}));
    }
    let texts: Option<String> = made.iter().map(|part| part["text"].as_str()).collect();
    Ok(match texts {
        Some(text) if text.is_empty() => None,
        Some(text) => Some(json!(text)),
        None => Some(Value::Array(made)),
    })
}

fn no_part(at: &str, kind: Option<&str>) -> Fault {
    let kind = kind.unwrap_or("without a type");
    Fault::Unsupported(format!("{at}: a part {kind:?} has no counterpart in the Responses API"))
}

/// The content of what somebody else than the model said: as text where it came so, or is one text.
fn parts(content: &Value, at: &str, crossing: &mut Crossing) -> Result<Value, Fault> {
    let parts = match content {
        Value::String(_) => return Ok(content.clone()),
        Value::Null => return Ok(json!("")),
        Value::Array(parts) => parts,
        _ => return Err(invalid(format!("{at}: \"content\" must be text or a list of parts"))),
    };
    let mut made = Vec::with_capacity(parts.len());
    for (index, one) in parts.iter().enumerate() {
        if !one["cache_control"].is_null() {
            crossing.leave_out("cache_control");
        }
        match part(one, &format!("{at}.content[{index}]")) {
            Err(Fault::Unsupported(_)) if crossing.dropping => {
                crossing.leave_out(&format!("messages.content.{}", one["type"].as_str().unwrap_or("part")));
            }
            other => made.push(other?),
        }
    }
    Ok(match made.as_slice() {
        [only] if only["type"] == "input_text" => only["text"].clone(),
        _ => Value::Array(made),
    })
}

fn part(part: &Value, at: &str) -> Result<Value, Fault> {
    Ok(match part["type"].as_str() {
        Some("text") => json!({"type": "input_text", "text": text(part, "text", at)?}),
        Some("image_url") => {
            let url = part["image_url"].as_str().or_else(|| part["image_url"]["url"].as_str());
            let url = url.ok_or_else(|| invalid(format!("{at} has no \"image_url\" with a \"url\"")))?;
            let detail = part["image_url"]["detail"].as_str().unwrap_or("auto");
            json!({"type": "input_image", "image_url": url, "detail": detail})
        }
        Some("input_audio") => json!({"type": "input_audio", "input_audio": part["input_audio"]}),
        Some("file") => {
            let file = &part["file"];
            let mut made = json!({"type": "input_file"});
            for name in ["filename", "file_data", "file_id"] {
                if file[name].is_string() {
                    made[name] = file[name].clone();
                }
            }
            // litellm's clients put an address in the place of an id.
            if let Some(url) = file["file_id"].as_str().filter(|id| id.starts_with("http")) {
                made = json!({"type": "input_file", "file_url": url});
            }
            made
        }
        other => return Err(no_part(at, other)),
    })
}
