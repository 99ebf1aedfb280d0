//! Messages: system text aside, the rest by role, what follows each other of one role as one message.

use serde_json::{Map, Value, json};
use tidegate_anthropic_wire::Past;
use tidegate_plugin_sdk::{Fault, arguments};

use super::{at, cache_point, invalid, media, unsupported};
use crate::model::Family;

/// `messages` and, when there is any, `system`.
pub(super) struct Translated {
    pub(super) out: Map<String, Value>,
    /// The tools that were called, each once, in order.
    pub(super) called: Vec<String>,
    /// What thinking depends on.
    pub(super) past: Past,
}

struct Messages {
    list: Vec<(&'static str, Vec<Value>)>,
    system: Vec<Value>,
    called: Vec<String>,
    /// A thought was sent back.
    thought: bool,
    /// The last message of the assistant called a tool.
    calling: bool,
    family: Family,
}

/// A conversation of system messages alone becomes the user's: Bedrock refuses one without messages.
pub(super) fn translate(messages: &[Value], family: Family) -> Result<Translated, Fault> {
    let mut all = Messages {
        list: Vec::new(),
        system: Vec::new(),
        called: Vec::new(),
        thought: false,
        calling: false,
        family,
    };
    for (index, message) in messages.iter().enumerate() {
        all.message(message, &at("messages", index))?;
    }
    let Messages { mut list, mut system, called, thought, calling, .. } = all;
    let begun = list.last().is_some_and(|(role, blocks)| {
        *role == "assistant"
            && blocks
                .iter()
                .rfind(|block| block.get("cachePoint").is_none())
                .is_some_and(|last| last.get("text").is_some())
    });
    let past = Past { lost_thought: calling && !thought, begun };
    if list.is_empty() {
        list.push(("user", core::mem::take(&mut system)));
    }
    if list.iter().all(|(_, blocks)| blocks.is_empty()) {
        return Err(invalid("\"messages\" holds nothing to send"));
    }
    media::number_documents(list.iter_mut().flat_map(|(_, blocks)| blocks).flat_map(within));
    let list: Vec<Value> =
        list.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
    let mut out = Map::new();
    out.insert("messages".to_owned(), Value::Array(list));
    if !system.is_empty() {
        out.insert("system".to_owned(), Value::Array(system));
    }
    Ok(Translated { out, called, past })
}

impl Messages {
    fn message(&mut self, message: &Value, at: &str) -> Result<(), Fault> {
        let content = message.get("content").unwrap_or(&Value::Null);
        match message.get("role").and_then(Value::as_str) {
            Some("system" | "developer") => {
                let texts = media::texts(content, self.family, at)?;
                let point = cache_point(message, self.family).filter(|_| !texts.is_empty());
                self.system.extend(texts);
                self.system.extend(point);
            }
            Some("user") => {
                let blocks = media::blocks(content, self.family, at)?;
                self.push("user", blocks, message);
            }
            Some("assistant") => {
                let blocks = self.assistant(message, content, at)?;
                self.push("assistant", blocks, message);
            }
            Some("tool") => {
                let id = message
                    .get("tool_call_id")
                    .and_then(Value::as_str)
                    .ok_or_else(|| invalid(format!("{at}: a tool message needs a \"tool_call_id\"")))?;
                let result = self.result(message, id, content, at)?;
                self.push("user", result, message);
            }
            Some("function") => {
                return Err(unsupported(format!(
                    "{at}: a function message has no id that Bedrock could match; use the role tool"
                )));
            }
            Some(other) => return Err(invalid(format!("{at}: the role {other:?} is not known"))),
            None => return Err(invalid(format!("{at}: a message needs a \"role\""))),
        }
        Ok(())
    }

    fn push(&mut self, role: &'static str, mut blocks: Vec<Value>, message: &Value) {
        if blocks.is_empty() {
            return;
        }
        blocks.extend(cache_point(message, self.family));
        match self.list.last_mut() {
            Some((last, into)) if *last == role => into.append(&mut blocks),
            _ => self.list.push((role, blocks)),
        }
    }

    fn assistant(&mut self, message: &Value, content: &Value, at: &str) -> Result<Vec<Value>, Fault> {
        if message.get("function_call").is_some_and(Value::is_object) {
            return Err(unsupported(format!("{at}: a \"function_call\" has no id; use \"tool_calls\"")));
        }
        let mut blocks = thoughts(message);
        self.thought |= !blocks.is_empty();
        blocks.extend(media::texts(content, self.family, at)?);
        let calls = message.get("tool_calls").and_then(Value::as_array);
        self.calling = false;
        for (index, call) in calls.into_iter().flatten().enumerate() {
            let call = tool_use(call, &format!("{at}.tool_calls[{index}]"))?;
            self.calling = true;
            let name = call["toolUse"]["name"].as_str().unwrap_or_default();
            if !self.called.iter().any(|called| called == name) {
                self.called.push(name.to_owned());
            }
            blocks.push(call);
        }
        Ok(blocks)
    }

    fn result(&self, message: &Value, id: &str, content: &Value, at: &str) -> Result<Vec<Value>, Fault> {
        // Points for the cache cannot stand inside a result, but after it.
        let (points, blocks): (Vec<Value>, Vec<Value>) = media::blocks(content, self.family, at)?
            .into_iter()
            .partition(|block| block.get("cachePoint").is_some());
        let mut result = json!({"toolUseId": tool_id(id), "content": blocks});
        if message.get("is_error") == Some(&Value::Bool(true)) {
            result["status"] = json!("error");
        }
        let mut out = vec![json!({"toolResult": result})];
        out.extend(points.into_iter().take(1));
        Ok(out)
    }
}

/// A block, or what stands in it where it is a result.
fn within(block: &mut Value) -> &mut [Value] {
    if block.pointer("/toolResult/content").is_some_and(Value::is_array) {
        return block["toolResult"]["content"].as_array_mut().map_or(&mut [], Vec::as_mut_slice);
    }
    core::slice::from_mut(block)
}

/// Thoughts go back with their signature, as they came. One without a signature proves nothing, and Claude refuses it.
fn thoughts(message: &Value) -> Vec<Value> {
    let blocks = message.get("thinking_blocks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |block: &Value, name: &str| {
        block.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    // OpenAI's reasoning is carried in what is no base64 (`plugins/openai/wire`).
    let proof = |block: &Value, name: &str| text(block, name).filter(|text| !text.contains(':'));
    let signed = |block: &&Value| proof(block, "signature").is_some();
    // Who joined a stream's deltas has the text of the only thought in one place and its signature in another.
    let apart =
        (blocks.iter().filter(signed).count() == 1).then(|| text(message, "reasoning_content")).flatten();
    let one = |block: &Value| match block.get("type").and_then(Value::as_str) {
        Some("redacted_thinking") => {
            Some(json!({"reasoningContent": {"redactedContent": proof(block, "data")?}}))
        }
        _ => {
            let signature = proof(block, "signature")?;
            let thought = text(block, "thinking").or_else(|| apart.clone()).unwrap_or_default();
            Some(json!({"reasoningContent": {"reasoningText": {"text": thought, "signature": signature}}}))
        }
    };
    blocks.iter().filter_map(one).collect()
}

fn tool_use(call: &Value, at: &str) -> Result<Value, Fault> {
    let function =
        call.get("function").ok_or_else(|| invalid(format!("{at}: only calls of functions are known")))?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let name =
        text(function, "name").ok_or_else(|| invalid(format!("{at}: the function has no \"name\"")))?;
    let id = text(call, "id").ok_or_else(|| invalid(format!("{at}: the call has no \"id\"")))?;
    let input = arguments::object(&text(function, "arguments").unwrap_or_default());
    Ok(json!({"toolUse": {"toolUseId": tool_id(&id), "name": name, "input": input}}))
}

/// Bedrock takes ids of 64 letters, digits, and a few signs. Those of other providers' may be others: a call and its result
/// change alike.
fn tool_id(id: &str) -> String {
    let kept: String =
        id.chars().map(|c| if c.is_ascii_alphanumeric() || "_.:-".contains(c) { c } else { '_' }).collect();
    // The end differs where the start is the same.
    kept[kept.len().saturating_sub(64)..].to_owned()
}
