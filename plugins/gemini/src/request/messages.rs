//! Messages: system text aside, the rest as contents by role.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Fault, arguments};

use super::{Options, at, invalid, media, signature};
use crate::model::Model;

/// Contents of the same kind that follow each other are one content. Results of tools stay apart from what the user
/// says: Gemini wants as many results in a content as the model made calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Model,
    /// Results that answer no call of the history.
    Results,
}

struct Content {
    kind: Kind,
    parts: Vec<Value>,
    /// The results of its calls, in the calls' order and directly behind it, wherever they stand in the history: that is
    /// how Gemini matches them where there are no ids.
    results: Vec<Vec<Value>>,
}

/// A call of the history.
struct Call<'a> {
    name: &'a str,
    content: usize,
    /// Its place among the calls of that content.
    place: usize,
}

struct Contents<'a> {
    list: Vec<Content>,
    system: Vec<Value>,
    calls: Vec<Call<'a>>,
    /// The calls that have no result yet, and the last one that has; by id, and those of OpenAI's older form by name.
    by_id: HashMap<&'a str, Vec<usize>>,
    by_name: HashMap<&'a str, Vec<usize>>,
    /// Calls and results name their ids.
    ids: bool,
}

/// `contents` and, when there is any, `systemInstruction`. A conversation of system messages alone becomes the
/// user's: Gemini refuses one without contents.
pub(super) fn translate(
    messages: &[Value],
    model: &Model,
    options: Options,
) -> Result<Map<String, Value>, Fault> {
    let mut contents = Contents {
        list: Vec::new(),
        system: Vec::new(),
        calls: Vec::new(),
        by_id: HashMap::new(),
        by_name: HashMap::new(),
        ids: options.ids,
    };
    for (index, message) in messages.iter().enumerate() {
        contents.message(message, &at("messages", index), model)?;
    }
    let Contents { mut list, mut system, .. } = contents;
    if list.is_empty() {
        list.push(Content::of(Kind::User, core::mem::take(&mut system)));
    }
    if list.iter().all(|content| content.parts.is_empty()) {
        return Err(invalid("\"messages\" holds nothing to send"));
    }
    let mut made = Vec::with_capacity(list.len());
    for Content { kind, parts, results } in list {
        let role = if kind == Kind::Model { "model" } else { "user" };
        made.push(json!({"role": role, "parts": parts}));
        let results: Vec<Value> = results.into_iter().flatten().collect();
        if !results.is_empty() {
            made.push(json!({"role": "user", "parts": results}));
        }
    }
    let mut out = Map::new();
    out.insert("contents".to_owned(), Value::Array(made));
    if !system.is_empty() {
        out.insert("systemInstruction".to_owned(), json!({"parts": system}));
    }
    Ok(out)
}

impl Content {
    fn of(kind: Kind, parts: Vec<Value>) -> Self {
        Self { kind, parts, results: Vec::new() }
    }

    /// Whether what follows is another content, though it is of the same kind.
    fn is_answered(&self) -> bool {
        self.results.iter().any(|result| !result.is_empty())
    }
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
            Some("assistant") => self.assistant(message, content, at, model)?,
            Some("tool") => {
                let id = message
                    .get("tool_call_id")
                    .and_then(Value::as_str)
                    .ok_or_else(|| invalid(format!("{at}: a tool message needs a \"tool_call_id\"")))?;
                let called = answered(self.by_id.get_mut(id));
                let named = message.get("name").and_then(Value::as_str);
                let name = called.map(|call| self.calls[call].name).or(named).ok_or_else(|| {
                    invalid(format!("{at}: \"tool_call_id\" {id:?} answers no call of an earlier message"))
                })?;
                let failed = message.get("is_error").and_then(Value::as_bool) == Some(true);
                let mut parts = result(name, content, failed, at, model)?;
                if self.ids {
                    parts[0]["functionResponse"]["id"] = json!(signature::without(id));
                }
                self.result(called, parts);
            }
            Some("function") => {
                let name = message
                    .get("name")
                    .and_then(Value::as_str)
                    .ok_or_else(|| invalid(format!("{at}: a function message needs a \"name\"")))?;
                let called = answered(self.by_name.get_mut(name));
                let parts = result(name, content, false, at, model)?;
                self.result(called, parts);
            }
            Some(other) => return Err(invalid(format!("{at}: the role {other:?} is not known"))),
            None => return Err(invalid(format!("{at}: a message needs a \"role\""))),
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind, mut parts: Vec<Value>) {
        match self.list.last_mut() {
            Some(last) if last.kind == kind && !last.is_answered() => last.parts.append(&mut parts),
            _ if parts.is_empty() => {}
            _ => self.list.push(Content::of(kind, parts)),
        }
    }

    fn result(&mut self, called: Option<usize>, mut parts: Vec<Value>) {
        match called.map(|call| &self.calls[call]) {
            Some(call) => self.list[call.content].results[call.place].append(&mut parts),
            None => self.push(Kind::Results, parts),
        }
    }

    fn assistant(
        &mut self,
        message: &'a Value,
        content: &Value,
        at: &str,
        model: &Model,
    ) -> Result<(), Fault> {
        let mut parts = media::texts(content, at)?;
        parts.retain(|part| part["text"] != "");
        if let (Some(last), Some(signature)) = (parts.last_mut(), signature::of_message(message)) {
            last["thoughtSignature"] = json!(signature);
        }
        let first_call = parts.len();
        let mut made = Vec::new();
        let calls = message.get("tool_calls").and_then(Value::as_array);
        for (index, call) in calls.into_iter().flatten().enumerate() {
            let at = format!("{at}.tool_calls[{index}]");
            let function = call
                .get("function")
                .ok_or_else(|| invalid(format!("{at}: only calls of functions are known")))?;
            let name = name(function, &at)?;
            let id = call.get("id").and_then(Value::as_str);
            made.push((name, id));
            parts.push(call_part(name, id.filter(|_| self.ids), function, signature::of_call(call)));
        }
        if let Some(function) = message.get("function_call").filter(|call| call.is_object()) {
            let name = name(function, at)?;
            made.push((name, None));
            parts.push(call_part(name, None, function, None));
        }
        // A history from another model has no signatures, and Gemini 3 refuses the first call of a turn without one;
        // this is Google's own word for "do not check".
        if let Some(call) = parts.get_mut(first_call).filter(|_| model.is_third_or_later())
            && call.get("thoughtSignature").is_none()
        {
            call["thoughtSignature"] = json!("skip_thought_signature_validator");
        }
        self.push(Kind::Model, parts);
        self.called(made);
        Ok(())
    }

    /// Keeps in mind the calls of the content that was pushed last.
    fn called(&mut self, made: Vec<(&'a str, Option<&'a str>)>) {
        let content = self.list.len().saturating_sub(1);
        for (name, id) in made {
            let results = &mut self.list[content].results;
            results.push(Vec::new());
            let call = Call { name, content, place: results.len() - 1 };
            match id {
                Some(id) => self.by_id.entry(id).or_default().push(self.calls.len()),
                None => self.by_name.entry(name).or_default().push(self.calls.len()),
            }
            self.calls.push(call);
        }
    }
}

/// The call that a result is of: where several have one id, the last. A second result of it is of the same call.
fn answered(open: Option<&mut Vec<usize>>) -> Option<usize> {
    let open = open?;
    if open.len() > 1 { open.pop() } else { open.last().copied() }
}

fn name<'a>(function: &'a Value, at: &str) -> Result<&'a str, Fault> {
    let name = function.get("name").and_then(Value::as_str);
    name.ok_or_else(|| invalid(format!("{at}: the function has no \"name\"")))
}

fn call_part(name: &str, id: Option<&str>, function: &Value, signature: Option<String>) -> Value {
    let args = arguments::object(function.get("arguments").and_then(Value::as_str).unwrap_or(""));
    let mut part = json!({"functionCall": {"name": name, "args": args}});
    if let Some(id) = id {
        part["functionCall"]["id"] = json!(signature::without(id));
    }
    if let Some(signature) = signature {
        part["thoughtSignature"] = json!(signature);
    }
    part
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
