//! Messages, with the system's text before them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::Draft;
use super::parts::{Content, Part, part};
use crate::dialects::anthropic::ids;

/// A message of a chat completion.
#[derive(Serialize, Default)]
struct Message {
    role: &'static str,
    content: Option<Content>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning_content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call>,
}

#[derive(Serialize)]
struct Call {
    id: String,
    r#type: &'static str,
    function: Function,
    /// Google's place for the proof of the thought behind a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Value>,
}

#[derive(Serialize)]
struct Function {
    name: String,
    /// The input as the client wrote it.
    arguments: String,
}

#[derive(Deserialize)]
struct In<'a> {
    role: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

pub(super) fn translate(
    system: Option<&RawValue>,
    messages: Option<&RawValue>,
    out: &mut Draft,
) -> Result<Box<RawValue>, String> {
    let mut made = Vec::new();
    if let Some(system) = system.filter(|system| system.get() != "null") {
        made.extend(said("system", system, "system", out)?);
    }
    let list: Vec<In<'_>> = serde_json::from_str(messages.map_or("[]", RawValue::get))
        .map_err(|error| format!("\"messages\" must be a list of messages: {error}"))?;
    for (index, In { role, content }) in list.into_iter().enumerate() {
        let at = format!("messages[{index}].content");
        let content = content.ok_or_else(|| format!("messages[{index}] has no \"content\""))?;
        match role.as_str() {
            "user" => user(content, &at, out, &mut made)?,
            "assistant" => made.push(assistant(content, &at, out)?),
            "system" => made.extend(said("system", content, &at, out)?),
            role => return Err(format!("messages[{index}]: the role {role:?} is not known")),
        }
    }
    to_raw_value(&made).map_err(|error| error.to_string())
}

/// The blocks of a content: a text counts as one.
enum Blocks<'a> {
    Text(String),
    List(Vec<&'a RawValue>),
}

fn blocks<'a>(content: &'a RawValue, at: &str) -> Result<Blocks<'a>, String> {
    if content.get().starts_with('"') {
        return serde_json::from_str(content.get())
            .map(Blocks::Text)
            .map_err(|error| format!("{at}: {error}"));
    }
    serde_json::from_str(content.get())
        .map(Blocks::List)
        .map_err(|_| format!("{at} must be text or a list of blocks"))
}

fn value(block: &RawValue, at: &str) -> Result<Value, String> {
    serde_json::from_str(block.get()).map_err(|error| format!("{at}: {error}"))
}

/// The one whose turn it is can only say what has parts. `None`: there is nothing to say.
fn said(
    role: &'static str,
    content: &RawValue,
    at: &str,
    out: &mut Draft,
) -> Result<Option<Message>, String> {
    let content = match blocks(content, at)? {
        Blocks::Text(text) => Content::Text(text),
        Blocks::List(list) => {
            let mut parts = Vec::new();
            for (index, block) in list.into_iter().enumerate() {
                let at = format!("{at}[{index}]");
                let block = value(block, &at)?;
                match part(&block, &at, out)? {
                    Some(some) => parts.extend(some),
                    None => unknown(&block, &at, out)?,
                }
            }
            if parts.is_empty() {
                return Ok(None);
            }
            Content::of(parts)
        }
    };
    Ok(Some(Message { role, content: Some(content), ..Message::default() }))
}

/// A block that is Anthropic's alone: a server tool's use or result, a container's file, a compaction.
fn unknown(block: &Value, at: &str, out: &mut Draft) -> Result<(), String> {
    match block.get("type").and_then(Value::as_str) {
        Some(kind) => out.cannot_cross(format!("{at}, a block of the type {kind:?},")),
        None => Err(format!("{at} needs a \"type\"")),
    }
}

/// Results of tools are messages of their own, right behind the calls that they answer; then what the user says.
fn user(content: &RawValue, at: &str, out: &mut Draft, made: &mut Vec<Message>) -> Result<(), String> {
    let list = match blocks(content, at)? {
        Blocks::List(list) => list,
        Blocks::Text(text) => {
            made.push(Message { role: "user", content: Some(Content::Text(text)), ..Message::default() });
            return Ok(());
        }
    };
    let mut parts = Vec::new();
    for (index, block) in list.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let block = value(block, &at)?;
        if block.get("type").is_some_and(|kind| kind == "tool_result") {
            made.push(tool_result(&block, &at, out)?);
        } else if let Some(some) = part(&block, &at, out)? {
            parts.extend(some);
        } else {
            unknown(&block, &at, out)?;
        }
    }
    if !parts.is_empty() {
        made.push(Message { role: "user", content: Some(Content::of(parts)), ..Message::default() });
    }
    Ok(())
}

fn tool_result(block: &Value, at: &str, out: &mut Draft) -> Result<Message, String> {
    let id = block.get("tool_use_id").and_then(Value::as_str);
    let id = id.ok_or_else(|| format!("{at} needs a \"tool_use_id\""))?;
    let content = match block.get("content") {
        None | Some(Value::Null) => Content::Text(String::new()),
        Some(Value::String(text)) => Content::Text(text.clone()),
        Some(Value::Array(list)) => {
            let mut parts = Vec::new();
            for (index, block) in list.iter().enumerate() {
                let at = format!("{at}.content[{index}]");
                match part(block, &at, out)? {
                    Some(some) => parts.extend(some),
                    None => unknown(block, &at, out)?,
                }
            }
            Content::of(parts)
        }
        Some(_) => return Err(format!("{at}.content must be text or a list of blocks")),
    };
    Ok(Message {
        role: "tool",
        content: Some(content),
        tool_call_id: Some(ids::opened(id).0.to_owned()),
        is_error: block.get("is_error").is_some_and(|error| *error == Value::Bool(true)),
        cache_control: block.get("cache_control").filter(|control| !control.is_null()).cloned(),
        ..Message::default()
    })
}

/// A call, with its input as the client wrote it.
#[derive(Deserialize)]
struct ToolUse<'a> {
    id: String,
    name: String,
    #[serde(borrow)]
    input: &'a RawValue,
    cache_control: Option<Value>,
}

fn assistant(content: &RawValue, at: &str, out: &mut Draft) -> Result<Message, String> {
    let mut message = Message { role: "assistant", ..Message::default() };
    let list = match blocks(content, at)? {
        Blocks::List(list) => list,
        Blocks::Text(text) => return Ok(Message { content: Some(Content::Text(text)), ..message }),
    };
    let mut parts: Vec<Part> = Vec::new();
    for (index, raw) in list.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let block = value(raw, &at)?;
        match block.get("type").and_then(Value::as_str) {
            Some("tool_use") => {
                let call: ToolUse<'_> = serde_json::from_str(raw.get())
                    .map_err(|_| format!("{at} needs \"id\", \"name\" and \"input\""))?;
                message.tool_calls.push(call.into());
            }
            Some("thinking") => message.thought(&block),
            Some("redacted_thinking") => message.thinking_blocks.push(block),
            _ => match part(&block, &at, out)? {
                Some(some) => parts.extend(some),
                None => unknown(&block, &at, out)?,
            },
        }
    }
    // The model wrote one text; citations cut it into blocks.
    let texts: Option<Vec<&str>> = parts.iter().map(Part::plain).collect();
    message.content = match texts {
        Some(texts) if texts.is_empty() && !message.tool_calls.is_empty() => None,
        Some(texts) => Some(Content::Text(texts.concat())),
        None => Some(Content::of(parts)),
    };
    Ok(message)
}

impl Message {
    /// A thought without a signature is another provider's: it proves nothing, and is text alone.
    fn thought(&mut self, block: &Value) {
        let text = block.get("thinking").and_then(Value::as_str).unwrap_or_default();
        self.reasoning_content.push_str(text);
        let signature = block.get("signature").and_then(Value::as_str).unwrap_or_default();
        if !signature.is_empty() {
            let block = serde_json::json!({"type": "thinking", "thinking": text, "signature": signature});
            self.thinking_blocks.push(block);
        }
    }
}

impl From<ToolUse<'_>> for Call {
    fn from(call: ToolUse<'_>) -> Self {
        let (id, signature) = ids::opened(&call.id);
        Call {
            id: id.to_owned(),
            r#type: "function",
            function: Function { name: call.name, arguments: call.input.get().to_owned() },
            extra_content: signature
                .map(|signature| serde_json::json!({"google": {"thought_signature": signature}})),
            cache_control: call.cache_control,
        }
    }
}
