//! Contents as messages. A model's contents that follow each other are one message; a user's content is the results of
//! tools, each a message, and what is said beside them.

use serde_json::{Map, Value, json};

use super::{Crossing, media};
use crate::dialects::gemini::proto;
use crate::dialects::gemini::signature::{self, Foreign};

/// `systemInstruction`: a content, or only its text.
pub(super) fn system(content: &Value, crossing: &mut Crossing) -> Result<Option<Value>, String> {
    if let Some(text) = content.as_str() {
        return Ok(Some(json!({"role": "system", "content": text})));
    }
    let mut texts = Vec::new();
    for (at, part) in proto::get(content, "parts").map_or(&[][..], proto::list).iter().enumerate() {
        match proto::text(part, "text") {
            Some(text) => texts.push(text),
            None => crossing.cannot(format!("systemInstruction.parts[{at}], which is no text,"))?,
        }
    }
    Ok((!texts.is_empty()).then(|| json!({"role": "system", "content": texts.join("\n")})))
}

/// Appends the messages that the contents are.
pub(super) fn translate(
    contents: &Value,
    messages: &mut Vec<Value>,
    crossing: &mut Crossing,
) -> Result<(), String> {
    let mut turns = Turns { messages, model: None, open: Vec::new(), calls: 0 };
    for (at, content) in proto::list(contents).iter().enumerate() {
        let at = format!("contents[{at}]");
        if !content.is_object() {
            return Err(format!("{at} must be an object with \"parts\""));
        }
        let parts = proto::get(content, "parts").map_or(&[][..], proto::list);
        match proto::text(content, "role") {
            Some("model") => turns.model(parts, &at, crossing)?,
            None | Some("" | "user" | "function" | "tool") => turns.user(parts, &at, crossing)?,
            Some(other) => return Err(format!("{at}: the role {other:?} is neither \"user\" nor \"model\"")),
        }
    }
    turns.close();
    Ok(())
}

struct Turns<'a> {
    messages: &'a mut Vec<Value>,
    /// What the model says, as far as it has been read.
    model: Option<Model>,
    /// Ids and names of the calls that have no result yet.
    open: Vec<(String, String)>,
    /// Calls so far, for the ids of those that have none.
    calls: usize,
}

#[derive(Default)]
struct Model {
    text: String,
    thoughts: String,
    /// Thoughts since the last signature.
    unsigned: String,
    blocks: Vec<Value>,
    signatures: Vec<String>,
    calls: Vec<Value>,
}

impl Turns<'_> {
    fn close(&mut self) {
        if let Some(model) = self.model.take() {
            self.messages.extend(model.message());
        }
    }

    fn model(&mut self, parts: &[Value], at: &str, crossing: &mut Crossing) -> Result<(), String> {
        let mut model = self.model.take().unwrap_or_default();
        for (index, part) in parts.iter().enumerate() {
            let at = format!("{at}.parts[{index}]");
            let signature = proto::text(part, "thoughtSignature").filter(|text| !text.is_empty());
            let thought = proto::get(part, "thought").and_then(Value::as_bool) == Some(true);
            let text = proto::text(part, "text");
            if thought {
                model.thought(text.unwrap_or_default(), signature);
            } else if let Some(call) = proto::get(part, "functionCall") {
                let call = self.call(call, signature, &at)?;
                model.calls.push(call);
            } else if let Some(text) = text {
                model.text.push_str(text);
                model.signatures.extend(signature.map(str::to_owned));
            } else if let Some((name, _)) = proto::members(part).find(|(name, _)| name != "thoughtSignature")
            {
                crossing.cannot(format!("{at}.{name}, in what the model said,"))?;
            }
        }
        self.model = Some(model);
        Ok(())
    }

    fn call(&mut self, call: &Value, signature: Option<&str>, at: &str) -> Result<Value, String> {
        let name =
            proto::text(call, "name").ok_or_else(|| format!("{at}: the functionCall has no \"name\""))?;
        self.calls += 1;
        let own = proto::text(call, "id").filter(|id| !id.is_empty());
        let id = own.map_or_else(|| format!("call_{}", self.calls), str::to_owned);
        let args = proto::get(call, "args").cloned().unwrap_or_else(|| json!({}));
        let mut out = json!({
            "id": id,
            "type": "function",
            "function": {"name": name, "arguments": args.to_string()},
        });
        if let Some(signature) = signature {
            let signature = signature::delivered(signature);
            out["extra_content"] = json!({"google": {"thought_signature": signature}});
            out["provider_specific_fields"] = json!({"thought_signature": signature});
        }
        self.open.push((id, name.to_owned()));
        Ok(out)
    }

    fn user(&mut self, parts: &[Value], at: &str, crossing: &mut Crossing) -> Result<(), String> {
        self.close();
        let mut said = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let at = format!("{at}.parts[{index}]");
            if let Some(result) = proto::get(part, "functionResponse") {
                let message = self.result(result, &at, crossing)?;
                self.messages.push(message);
            } else {
                said.extend(media::part(part, &at, crossing)?);
            }
        }
        if !said.is_empty() {
            self.messages.push(json!({"role": "user", "content": media::content(said)}));
        }
        Ok(())
    }

    /// A result belongs to the call with its id; without one, to the first call of its name that waits for one.
    fn result(&mut self, result: &Value, at: &str, crossing: &mut Crossing) -> Result<Value, String> {
        let name = proto::text(result, "name")
            .ok_or_else(|| format!("{at}: the functionResponse has no \"name\""))?;
        let id = proto::text(result, "id").filter(|id| !id.is_empty());
        let by_id = id.and_then(|id| self.open.iter().position(|(open, _)| open == id));
        let found = by_id.or_else(|| self.open.iter().position(|(_, open)| open == name));
        let found = found.ok_or_else(|| {
            format!("{at}: the functionResponse {name:?} answers no functionCall that waits for one")
        })?;
        let (id, _) = self.open.remove(found);
        let response = proto::get(result, "response").cloned().unwrap_or_else(|| json!({}));
        let (text, failed) = words(&response);
        let mut content = vec![json!({"type": "text", "text": text})];
        for (index, part) in proto::get(result, "parts").map_or(&[][..], proto::list).iter().enumerate() {
            content.extend(media::part(part, &format!("{at}.functionResponse.parts[{index}]"), crossing)?);
        }
        let mut message = json!({"role": "tool", "tool_call_id": id, "content": media::content(content)});
        if failed {
            message["is_error"] = json!(true);
        }
        Ok(message)
    }
}

/// A result as text, and whether it is an error. Google's reference names `output` and `error`; its SDK for Python writes
/// `result`. Any other object is told as it is.
fn words(response: &Value) -> (String, bool) {
    let only =
        response.as_object().filter(|members| members.len() == 1).and_then(|members| members.iter().next());
    match only {
        Some((name, Value::String(text))) if ["output", "result", "content"].contains(&name.as_str()) => {
            (text.clone(), false)
        }
        Some((name, Value::String(text))) if name == "error" => (text.clone(), true),
        Some((name, _)) if name == "error" => (response.to_string(), true),
        _ => (response.to_string(), false),
    }
}

impl Model {
    /// A part of a thought. The signature of another provider's stands behind all of it.
    fn thought(&mut self, text: &str, signature: Option<&str>) {
        match signature.map(|own| (own, signature::unwrap(own))) {
            Some((_, Some(Foreign::Redacted(data)))) => {
                self.blocks.push(json!({"type": "redacted_thinking", "data": data}));
            }
            Some((_, Some(Foreign::Signature(signature)))) => {
                self.thoughts.push_str(text);
                self.unsigned.push_str(text);
                let thinking = std::mem::take(&mut self.unsigned);
                self.blocks.push(json!({"type": "thinking", "thinking": thinking, "signature": signature}));
            }
            other => {
                self.thoughts.push_str(text);
                self.unsigned.push_str(text);
                self.signatures.extend(other.map(|(own, _)| own.to_owned()));
            }
        }
    }

    fn message(self) -> Option<Value> {
        let Self { text, thoughts, blocks, signatures, calls, .. } = self;
        if text.is_empty() && calls.is_empty() && thoughts.is_empty() && blocks.is_empty() {
            return None;
        }
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("role", json!("assistant"));
        put("content", if text.is_empty() { Value::Null } else { json!(text) });
        if !thoughts.is_empty() {
            put("reasoning_content", json!(thoughts));
        }
        if !blocks.is_empty() {
            put("thinking_blocks", json!(blocks));
        }
        if !signatures.is_empty() {
            put("provider_specific_fields", json!({"thought_signatures": signatures}));
        }
        if !calls.is_empty() {
            put("tool_calls", json!(calls));
        }
        Some(Value::Object(out))
    }
}
