//! Messages: system text aside, the rest by role, results of tools as the user's.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Fault, arguments};

use super::content::{blocks, keep_cache_control, texts};
use super::{Platform, at, invalid, put};
use crate::effort::Past;
use crate::model::Model;

/// What is said to a model that does not go on by itself with what it has begun.
const GO_ON: &str = "Go on from where your last message ends, without repeating it.";

/// What the history says that other parts of the request depend on.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The tools that were called, each once, in order.
    pub(super) called: Vec<String>,
    /// A thought was sent back.
    pub(super) thought: bool,
    /// The last message of the assistant called a tool.
    pub(super) calling: bool,
    /// The last message is a text of the assistant's.
    pub(super) begun: bool,
}

impl History {
    /// What thinking depends on.
    pub(super) fn past(&self) -> Past {
        Past { lost_thought: self.calling && !self.thought, begun: self.begun }
    }
}

struct Turns {
    platform: Platform,
    system: Vec<Value>,
    /// Roles and blocks. Messages of one role that follow each other are one: results of tools are the user's, and all of
    /// one turn must stand in one message.
    list: Vec<(&'static str, Vec<Value>)>,
    /// The id of the last call of OpenAI's older form, which has none of its own.
    function_call: Option<String>,
    history: History,
}

/// `messages` and, when there is any, `system`. A conversation of system messages alone becomes the user's: Anthropic
/// refuses one without messages.
pub(super) fn translate(
    messages: &[Value],
    model: &Model<'_>,
    platform: Platform,
    out: &mut Map<String, Value>,
) -> Result<History, Fault> {
    let mut turns = Turns {
        platform,
        system: Vec::new(),
        list: Vec::new(),
        function_call: None,
        history: History::default(),
    };
    for (index, message) in messages.iter().enumerate() {
        turns.message(message, &at("messages", index))?;
    }
    let Turns { mut system, mut list, mut history, .. } = turns;
    if list.is_empty() {
        list.push(("user", core::mem::take(&mut system)));
    }
    if list.iter().all(|(_, blocks)| blocks.is_empty()) {
        return Err(invalid("\"messages\" holds nothing to send"));
    }
    if let Some(("assistant", blocks)) = list.last_mut() {
        trim_prefill(blocks);
        // OpenAI's models take a last message of their own too, and answer with another. A turn that Anthropic has paused
        // ends in a block of its own tools, and goes on from there.
        history.begun = blocks.last().is_some_and(|last| last["type"] == "text");
        if history.begun && !model.takes_prefill() {
            list.push(("user", vec![json!({"type": "text", "text": GO_ON})]));
        }
    }
    let list = list.into_iter().filter(|(_, blocks)| !blocks.is_empty());
    let list: Vec<Value> = list.map(|(role, blocks)| json!({"role": role, "content": blocks})).collect();
    if !system.is_empty() {
        put(out, "system", Value::Array(system));
    }
    put(out, "messages", Value::Array(list));
    Ok(history)
}

/// Claude goes on with a last message of the assistant, which must not end in white space.
fn trim_prefill(blocks: &mut Vec<Value>) {
    if let Some(Value::String(text)) = blocks.last_mut().and_then(|last| last.get_mut("text")) {
        text.truncate(text.trim_end().len());
        if text.is_empty() {
            blocks.pop();
        }
    }
}

impl Turns {
    fn message(&mut self, message: &Value, at: &str) -> Result<(), Fault> {
        let content = message.get("content").unwrap_or(&Value::Null);
        let text = |name: &str| message.get(name).and_then(Value::as_str);
        let (role, mut made) = match text("role") {
            Some("system" | "developer") => {
                let mut made = texts(content, self.platform, at)?;
                mark_last(message, &mut made);
                self.system.extend(made);
                return Ok(());
            }
            Some("user") => ("user", blocks(content, self.platform, at)?),
            Some("assistant") => ("assistant", self.assistant(message, content, at)?),
            Some("tool") => {
                let id = text("tool_call_id")
                    .ok_or_else(|| invalid(format!("{at}: a tool message needs a \"tool_call_id\"")))?;
                ("user", vec![self.result(&legal_id(id), message, content, at)?])
            }
            Some("function") => {
                let id = self.function_call.take().ok_or_else(|| {
                    invalid(format!(
                        "{at}: a function message must follow a message with a \"function_call\""
                    ))
                })?;
                ("user", vec![self.result(&id, message, content, at)?])
            }
            Some(other) => return Err(invalid(format!("{at}: the role {other:?} is not known"))),
            None => return Err(invalid(format!("{at}: a message needs a \"role\""))),
        };
        mark_last(message, &mut made);
        match self.list.last_mut() {
            Some((last, into)) if *last == role => add(into, made),
            _ => self.list.push((role, made)),
        }
        Ok(())
    }

    /// Thoughts first, as Anthropic demands where a tool was called; then what its own tools did, the text, the calls.
    fn assistant(&mut self, message: &Value, content: &Value, at: &str) -> Result<Vec<Value>, Fault> {
        let list = |path: &str| message.pointer(path).and_then(Value::as_array).into_iter().flatten();
        let mut made: Vec<Value> = list("/thinking_blocks").filter_map(thought).collect();
        restore_thought(message, &mut made);
        self.history.thought |= !made.is_empty();
        made.extend(
            list("/provider_specific_fields/server_blocks").filter(|block| block.is_object()).cloned(),
        );
        made.extend(texts(content, self.platform, at)?);
        for (index, call) in list("/tool_calls").enumerate() {
            let at = format!("{at}.tool_calls[{index}]");
            let function = call
                .get("function")
                .ok_or_else(|| invalid(format!("{at}: only calls of functions are known")))?;
            let id = call
                .get("id")
                .and_then(Value::as_str)
                .ok_or_else(|| invalid(format!("{at} needs an \"id\"")))?;
            let mut block = self.call(&legal_id(id), function, &at)?;
            keep_cache_control(call, &mut block);
            made.push(block);
        }
        if let Some(function) = message.get("function_call").filter(|call| call.is_object()) {
            let id = format!("function_call_{}", self.list.len());
            made.push(self.call(&id, function, at)?);
            self.function_call = Some(id);
        }
        self.history.calling = made.iter().any(|block| block["type"] == "tool_use");
        Ok(made)
    }

    fn call(&mut self, id: &str, function: &Value, at: &str) -> Result<Value, Fault> {
        let name = function.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| invalid(format!("{at}: the function has no \"name\"")))?;
        let input = arguments::object(function.get("arguments").and_then(Value::as_str).unwrap_or(""));
        if !self.history.called.iter().any(|called| called == name) {
            self.history.called.push(name.to_owned());
        }
        Ok(json!({"type": "tool_use", "id": id, "name": name, "input": input}))
    }

    fn result(&self, id: &str, message: &Value, content: &Value, at: &str) -> Result<Value, Fault> {
        let content = match content {
            Value::String(text) => json!(text),
            content => Value::Array(blocks(content, self.platform, at)?),
        };
        let mut block = json!({"type": "tool_result", "tool_use_id": id, "content": content});
        if message.get("is_error").and_then(Value::as_bool) == Some(true) {
            block["is_error"] = json!(true);
        }
        Ok(block)
    }
}

/// Results of tools stand before whatever else the user says.
fn add(into: &mut Vec<Value>, made: Vec<Value>) {
    for block in made {
        if block["type"] == "tool_result" {
            let at = into.iter().rposition(|known| known["type"] == "tool_result").map_or(0, |last| last + 1);
            into.insert(at, block);
        } else {
            into.push(block);
        }
    }
}

/// A mark on a message marks its last block.
fn mark_last(message: &Value, blocks: &mut [Value]) {
    if let Some(last) = blocks.last_mut() {
        keep_cache_control(message, last);
    }
}

/// A thinking block as it was given out. One without its signature is refused by Anthropic, which made every one that it
/// takes; it comes from another model and is left out. So is one whose signature is no base64: OpenAI's reasoning is
/// carried so (`plugins/openai/wire`).
fn thought(block: &Value) -> Option<Value> {
    let text = |name: &str| block.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let proof = |name: &str| text(name).filter(|text| !text.contains(':'));
    match text("type") {
        Some("redacted_thinking") => proof("data").map(|data| json!({"type": "redacted_thinking", "data": data})),
        Some("thinking") => proof("signature").map(|signature| {
            json!({"type": "thinking", "thinking": text("thinking").unwrap_or(""), "signature": signature})
        }),
        _ => None,
    }
}

/// In a stream the thought comes as `reasoning_content` and its signature alone in a block, and so a client may send them
/// back. With one block it is clear whose thought it is; one that was never shown has none.
fn restore_thought(message: &Value, blocks: &mut [Value]) {
    let mut bare = blocks.iter_mut().filter(|block| block["type"] == "thinking");
    if let (Some(block), None) = (bare.next(), bare.next())
        && block["thinking"] == ""
        && let Some(text) = message.get("reasoning_content").filter(|text| text.is_string())
    {
        block["thinking"] = text.clone();
    }
}

/// Anthropic takes letters, digits, `_` and `-` in the id of a call; other providers put more into theirs.
fn legal_id(id: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
    id.chars().map(legal).collect()
}
