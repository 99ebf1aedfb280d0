//! What a canonical request has beyond OpenAI's chat completions, taken out for a provider that does not know it.
//!
//! A request that was made canonical carries what its client said of thoughts, proofs and caches, for providers that can use
//! it. A server that speaks OpenAI's dialect by the letter would refuse it, or every request of a client such as Claude
//! Code. Nothing here changes what is asked; what does, such as `top_k`, stays, and the provider says if it refuses it. What
//! is lost is named; what is said in another way is not, nor are proofs, which mean something to their own provider alone. A
//! request of an OpenAI client never comes here.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Chat, body, options};

/// The extensions, as manifests name them.
pub const NAMES: [&str; 8] = [
    "thinking",
    "output_config",
    "cache_control",
    "reasoning_content",
    "thinking_blocks",
    "signatures",
    "is_error",
    "tool_media",
];

/// The members in which a tool call, or a message, carries what its provider wants back.
const SIGNATURES: [&str; 2] = ["extra_content", "provider_specific_fields"];

/// The extensions that a provider takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes<'a>(Option<&'a [String]>);

impl<'a> Takes<'a> {
    /// As its manifest says; `None`: all of them.
    pub fn of(listed: Option<&'a [String]>) -> Self {
        Self(listed)
    }

    fn all(&self) -> bool {
        self.0.is_none()
    }

    fn has(&self, name: &str) -> bool {
        self.0.is_none_or(|listed| listed.iter().any(|known| known == name))
    }
}

/// What was lost, by the extensions' names.
type Lost = BTreeSet<&'static str>;

/// The chat without what its provider does not take, and what that was. What cannot be read stays as it is: the provider
/// says what is wrong.
pub(super) fn narrow(chat: Chat, takes: Takes<'_>) -> (Chat, Lost) {
    let mut lost = Lost::new();
    if takes.all() {
        return (chat, lost);
    }
    match narrowed(&chat.body, takes, &mut lost) {
        Some((body, model_at)) => (Chat { body, model_at, dropped: chat.dropped }, lost),
        None => (chat, Lost::new()),
    }
}

fn narrowed(
    body: &[u8],
    takes: Takes<'_>,
    lost: &mut Lost,
) -> Option<(bytes::Bytes, std::ops::Range<usize>)> {
    let text = std::str::from_utf8(body).ok()?;
    let mut members = options::members_of(text).ok()?;
    for alien in ["thinking", "output_config"].into_iter().filter(|name| !takes.has(name)) {
        let before = members.len();
        members.retain(|(name, _)| name != alien);
        if members.len() < before {
            lost.insert(alien);
        }
    }
    let mut changed: Vec<(String, Box<RawValue>)> = Vec::new();
    for (name, value) in &members {
        let value = match name.as_str() {
            "messages" => messages(value, takes, lost)?,
            "tools" if !takes.has("cache_control") => tools(value, lost)?,
            _ => continue,
        };
        changed.push((name.clone(), RawValue::from_string(value).ok()?));
    }
    let written = members.iter().map(|(name, value)| {
        let own = changed.iter().find(|(known, _)| known == name);
        (name.as_str(), own.map_or(value.get(), |(_, changed)| changed.get()))
    });
    Some(body::written(written))
}

/// The order of a schema's members means something to a model, so that a tool is taken apart no further than needed.
fn tools(list: &RawValue, lost: &mut Lost) -> Option<String> {
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    let tools = list.into_iter().map(|tool| {
        let members = options::members_of(tool.get()).ok()?;
        let kept: Vec<_> = members.iter().filter(|(name, _)| name != "cache_control").collect();
        if kept.len() < members.len() {
            lost.insert("cache_control");
        }
        let kept = kept.into_iter();
        let (tool, _) = body::written(kept.map(|(name, value)| (name.as_str(), value.get())));
        String::from_utf8(tool.to_vec()).ok()
    });
    Some(format!("[{}]", tools.collect::<Option<Vec<_>>>()?.join(",")))
}

fn messages(list: &RawValue, takes: Takes<'_>, lost: &mut Lost) -> Option<String> {
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    let (mut made, mut media): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
    for raw in list {
        let mut message: Map<String, Value> = serde_json::from_str(raw.get()).ok()?;
        let is_result = message.get("role").is_some_and(|role| role == "tool");
        if !is_result {
            made.extend(shown(&mut media));
        }
        own_members(&mut message, takes, lost);
        if is_result && !takes.has("is_error") {
            say_error(&mut message);
        }
        if is_result && !takes.has("tool_media") {
            media.extend(take_media(&mut message));
        }
        made.push(serde_json::to_string(&message).ok()?);
    }
    made.extend(shown(&mut media));
    Some(format!("[{}]", made.join(",")))
}

fn own_members(message: &mut Map<String, Value>, takes: Takes<'_>, lost: &mut Lost) {
    let mut alien = |name: &str| {
        let extension = if SIGNATURES.contains(&name) { "signatures" } else { name };
        let goes = NAMES.contains(&extension) && extension != "is_error" && !takes.has(extension);
        // The blocks say no more than the thoughts' text and their proofs.
        if let Some(name) =
            ["cache_control", "reasoning_content"].into_iter().find(|lost| goes && *lost == name)
        {
            lost.insert(name);
        }
        goes
    };
    message.retain(|name, _| !alien(name));
    for list in ["content", "tool_calls"] {
        for part in message.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(part) = part {
                part.retain(|name, _| !alien(name));
            }
        }
    }
    simplify(message);
}

/// One plain text is a text: every server takes that.
fn simplify(message: &mut Map<String, Value>) {
    let Some(Value::Array(parts)) = message.get_mut("content") else { return };
    if let [Value::Object(part)] = parts.as_mut_slice()
        && part.len() == 2
        && part.get("type").is_some_and(|kind| kind == "text")
        && let Some(text @ Value::String(_)) = part.shift_remove("text")
    {
        message.insert("content".to_owned(), text);
    }
}

/// Where a result cannot be marked as an error, its text says so.
fn say_error(message: &mut Map<String, Value>) {
    if message.shift_remove("is_error") != Some(Value::Bool(true)) {
        return;
    }
    match message.get_mut("content") {
        Some(Value::String(text)) => *text = format!("Error: {text}"),
        Some(Value::Array(parts)) => parts.insert(0, json!({"type": "text", "text": "Error:"})),
        _ => {}
    }
}

/// What of a tool's result is no text, with a word on whose it is.
fn take_media(message: &mut Map<String, Value>) -> Vec<Value> {
    let Some(Value::Array(parts)) = message.get_mut("content") else { return Vec::new() };
    let is_text = |part: &Value| part.get("type").is_some_and(|kind| kind == "text");
    let (texts, mut media): (Vec<Value>, Vec<Value>) = parts.drain(..).partition(is_text);
    if media.is_empty() {
        *parts = texts;
        simplify(message);
        return media;
    }
    *parts = texts;
    parts.push(json!({"type": "text", "text": "(see the attachment in the next message)"}));
    let id = message.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
    let whose = json!({"type": "text", "text": format!("Attachment of the result of the tool call {id}:")});
    media.insert(0, whose);
    simplify(message);
    media
}

/// Results stand right behind the calls that they answer, so that what they show comes after the last of them.
fn shown(media: &mut Vec<Value>) -> Option<String> {
    if media.is_empty() {
        return None;
    }
    let message = json!({"role": "user", "content": std::mem::take(media)});
    Some(message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrowed(body: &Value, takes: &[&str]) -> Value {
        let takes: Vec<String> = takes.iter().map(|name| (*name).to_owned()).collect();
        let chat = Chat { body: body.to_string().into(), model_at: 0..0, dropped: Vec::new() };
        let (chat, _) = narrow(chat, Takes::of(Some(&takes)));
        assert_eq!(chat.body[chat.model_at], *b"\"m\"");
        serde_json::from_slice(&chat.body).expect("JSON")
    }

    fn full() -> Value {
        let cached = json!({"type": "ephemeral"});
        json!({
            "model": "m", "top_k": 4, "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"},
            "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": cached}],
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": cached}]},
                {"role": "assistant", "content": null, "reasoning_content": "hm", "provider_specific_fields": {"a": 1},
                 "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "S"}],
                 "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}, "cache_control": cached,
                    "extra_content": {"google": {"thought_signature": "S"}}, "provider_specific_fields": {}}]},
                {"role": "tool", "tool_call_id": "1", "content": "no", "is_error": true, "cache_control": cached},
                {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "here"},
                    {"type": "image_url", "image_url": {"url": "https://h/i"}}]},
                {"role": "user", "content": "x"},
            ],
        })
    }

    #[test]
    fn a_server_that_knows_openais_dialect_alone_gets_that() {
        assert_eq!(
            narrowed(&full(), &[]),
            json!({
                "model": "m", "top_k": 4, "tools": [{"type": "function", "function": {"name": "f"}}],
                "messages": [
                    {"role": "system", "content": "s"},
                    {"role": "assistant", "content": null,
                     "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
                    {"role": "tool", "tool_call_id": "1", "content": "Error: no"},
                    {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "here"},
                        {"type": "text", "text": "(see the attachment in the next message)"}]},
                    {"role": "user", "content": [{"type": "text", "text": "Attachment of the result of the tool call 2:"},
                        {"type": "image_url", "image_url": {"url": "https://h/i"}}]},
                    {"role": "user", "content": "x"},
                ],
            })
        );
    }

    #[test]
    fn each_is_kept_where_it_is_taken() {
        assert_eq!(narrowed(&full(), &NAMES), full());
        for name in NAMES {
            let others: Vec<&str> = NAMES.into_iter().filter(|other| *other != name).collect();
            assert_ne!(narrowed(&full(), &others), full(), "{name}");
        }
        let chat = Chat { body: full().to_string().into(), model_at: 0..0, dropped: Vec::new() };
        assert_eq!(narrow(chat.clone(), Takes::default()).0.body, chat.body);
    }

    #[test]
    fn what_is_lost_is_named() {
        let lost = |body: Value, takes: &[&str]| {
            let takes: Vec<String> = takes.iter().map(|name| (*name).to_owned()).collect();
            let chat = Chat { body: body.to_string().into(), model_at: 0..0, dropped: Vec::new() };
            narrow(chat, Takes::of(Some(&takes))).1.into_iter().collect::<Vec<_>>()
        };
        let all = ["cache_control", "output_config", "reasoning_content", "thinking"];
        assert_eq!(lost(full(), &[]), all);
        assert_eq!(lost(full(), &NAMES), Vec::<&str>::new());
        for name in all {
            let others: Vec<&str> = all.into_iter().filter(|other| *other != name).collect();
            assert_eq!(lost(full(), &others), [name]);
        }
        // Wherever one mark alone stands.
        let marked = json!({"type": "text", "text": "x", "cache_control": {}});
        for body in [
            json!({"model": "m", "messages": [], "tools": [{"cache_control": {}}]}),
            json!({"model": "m", "messages": [{"role": "user", "content": [marked]}]}),
            json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"cache_control": {}}]}]}),
            json!({"model": "m", "messages": [{"role": "tool", "content": "x", "cache_control": {}}]}),
        ] {
            assert_eq!(lost(body.clone(), &[]), ["cache_control"], "{body}");
        }
        assert!(lost(json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}), &[]).is_empty());
    }

    #[test]
    fn schemas_keep_their_order() {
        let body = r#"{"model":"m","messages":[],"tools":[{"function":{"parameters":{"z":1,"a":2}},"cache_control":{}}]}"#;
        let chat = Chat { body: body.into(), model_at: 0..0, dropped: Vec::new() };
        let made = narrow(chat, Takes::of(Some(&[]))).0.body;
        assert_eq!(
            made,
            r#"{"model":"m","messages":[],"tools":[{"function":{"parameters":{"z":1,"a":2}}}]}"#
        );
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_is() {
        for body in ["", "[]", r#"{"messages":7}"#, r#"{"messages":[7]}"#] {
            let chat = Chat { body: body.into(), model_at: 0..0, dropped: Vec::new() };
            assert_eq!(narrow(chat, Takes::of(Some(&[]))).0.body, body);
        }
    }
}
