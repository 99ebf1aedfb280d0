//! Messages: system text aside, the rest as contents by role.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::{at, invalid, media, signature};
use crate::model::Model;

/// Contents of the same kind that follow each other are one content. Results of tools stay apart from what the user
/// says: Gemini wants as many results in a content as the model made calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Model,
    Results,
}

struct Contents<'a> {
    list: Vec<(Kind, Vec<Value>)>,
    system: Vec<Value>,
    /// Ids and names of the calls so far.
    calls: Vec<(&'a str, &'a str)>,
}

/// `contents` and, when there is any, `systemInstruction`. A conversation of system messages alone becomes the
/// user's: Gemini refuses one without contents.
pub(super) fn translate(messages: &[Value], model: &Model) -> Result<Map<String, Value>, Fault> {
    let mut contents = Contents { list: Vec::new(), system: Vec::new(), calls: Vec::new() };
    for (index, message) in messages.iter().enumerate() {
        contents.message(message, &at("messages", index), model)?;
    }
    let Contents { mut list, mut system, .. } = contents;
    if list.is_empty() {
        list.push((Kind::User, core::mem::take(&mut system)));
    }
    if list.iter().all(|(_, parts)| parts.is_empty()) {
        return Err(invalid("\"messages\" holds nothing to send"));
    }
    let list: Vec<Value> = list
        .into_iter()
        .map(|(kind, parts)| json!({"role": if kind == Kind::Model { "model" } else { "user" }, "parts": parts}))
        .collect();
    let mut out = Map::new();
    out.insert("contents".to_owned(), Value::Array(list));
    if !system.is_empty() {
        out.insert("systemInstruction".to_owned(), json!({"parts": system}));
    }
    Ok(out)
}

impl<'a> Contents<'a> {
    fn message(&mut self, message: &'a Value, at: &str, model: &Model) -> Result<(), Fault> {
        let content = message.get("content").unwrap_or(&Value::Null);
        match message.get("role").and_then(Value::as_str) {
            Some("system" | "developer") => self.system.extend(media::texts(content, at)?),
            Some("user") => {
                let parts = media::parts(content, at)?;
                self.push(Kind::User, parts);
            }
            Some("assistant") => {
                let parts = self.assistant(message, content, at, model)?;
                self.push(Kind::Model, parts);
            }
            Some("tool") => {
                let id = message
                    .get("tool_call_id")
                    .and_then(Value::as_str)
                    .ok_or_else(|| invalid(format!("{at}: a tool message needs a \"tool_call_id\"")))?;
                let named = || message.get("name").and_then(Value::as_str);
                let called = self.calls.iter().rev().find(|(known, _)| *known == id).map(|(_, name)| *name);
                let name = called.or_else(named).ok_or_else(|| {
                    invalid(format!("{at}: \"tool_call_id\" {id:?} answers no call of an earlier message"))
                })?;
                let failed = message.get("is_error").and_then(Value::as_bool) == Some(true);
                self.push(Kind::Results, result(name, content, failed, at, model)?);
            }
            Some("function") => {
                let name = message
                    .get("name")
                    .and_then(Value::as_str)
                    .ok_or_else(|| invalid(format!("{at}: a function message needs a \"name\"")))?;
                self.push(Kind::Results, result(name, content, false, at, model)?);
            }
            Some(other) => return Err(invalid(format!("{at}: the role {other:?} is not known"))),
            None => return Err(invalid(format!("{at}: a message needs a \"role\""))),
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind, mut parts: Vec<Value>) {
        match self.list.last_mut() {
            Some((last, into)) if *last == kind => into.append(&mut parts),
            _ if parts.is_empty() => {}
            _ => self.list.push((kind, parts)),
        }
    }

    fn assistant(
        &mut self,
        message: &'a Value,
        content: &Value,
        at: &str,
        model: &Model,
    ) -> Result<Vec<Value>, Fault> {
        let mut parts = media::texts(content, at)?;
        parts.retain(|part| part["text"] != "");
        if let (Some(last), Some(signature)) = (parts.last_mut(), signature::of_message(message)) {
            last["thoughtSignature"] = json!(signature);
        }
        let first_call = parts.len();
        let calls = message.get("tool_calls").and_then(Value::as_array);
        for (index, call) in calls.into_iter().flatten().enumerate() {
            let at = format!("{at}.tool_calls[{index}]");
            let function = call
                .get("function")
                .ok_or_else(|| invalid(format!("{at}: only calls of functions are known")))?;
            let name = self.call(function, &at)?;
            if let Some(id) = call.get("id").and_then(Value::as_str) {
                self.calls.push((id, name));
            }
            parts.push(call_part(name, function, signature::of_call(call), &at)?);
        }
        if let Some(function) = message.get("function_call").filter(|call| call.is_object()) {
            let name = self.call(function, at)?;
            parts.push(call_part(name, function, None, at)?);
        }
        // A history from another model has no signatures, and Gemini 3 refuses the first call of a turn without one;
        // this is Google's own word for "do not check".
        if let Some(call) = parts.get_mut(first_call).filter(|_| model.is_third_or_later())
            && call.get("thoughtSignature").is_none()
        {
            call["thoughtSignature"] = json!("skip_thought_signature_validator");
        }
        Ok(parts)
    }

    fn call(&self, function: &'a Value, at: &str) -> Result<&'a str, Fault> {
        function
            .get("name")
            .and_then(Value::as_str)
            .ok_or_else(|| invalid(format!("{at}: the function has no \"name\"")))
    }
}

fn call_part(name: &str, function: &Value, signature: Option<String>, at: &str) -> Result<Value, Fault> {
    let text = function.get("arguments").and_then(Value::as_str).unwrap_or("").trim();
    let args = if text.is_empty() { json!({}) } else { serde_json::from_str(text).unwrap_or_default() };
    if !args.is_object() {
        return Err(invalid(format!("{at}: \"arguments\" is not the text of a JSON object")));
    }
    let mut part = json!({"functionCall": {"name": name, "args": args}});
    if let Some(signature) = signature {
        part["thoughtSignature"] = json!(signature);
    }
    Ok(part)
}

/// Gemini takes an object: the tool's own when it wrote one, else `{"content": TEXT}`, as litellm has it; what failed is
/// an `error`, as Google's reference says. Images belong to the result since Gemini 3, and stand beside it before.
fn result(name: &str, content: &Value, failed: bool, at: &str, model: &Model) -> Result<Vec<Value>, Fault> {
    let (texts, mut media): (Vec<Value>, Vec<Value>) =
        media::parts(content, at)?.into_iter().partition(|part| part.get("text").is_some());
    let text: String = texts.iter().filter_map(|part| part["text"].as_str()).collect();
    let own = serde_json::from_str::<Value>(&text).ok().filter(Value::is_object);
    let response = match own {
        _ if failed => json!({"error": text}),
        Some(own) => own,
        None => json!({"content": text}),
    };
    let mut result = json!({"functionResponse": {"name": name, "response": response}});
    if model.is_third_or_later() && !media.is_empty() {
        result["functionResponse"]["parts"] = json!(core::mem::take(&mut media));
    }
    media.insert(0, result);
    Ok(media)
}
