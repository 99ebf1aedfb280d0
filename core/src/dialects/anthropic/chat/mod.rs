//! A request of Anthropic's as an OpenAI chat completion.
//!
//! JSON that a model reads, schemas and arguments, stays as it came: the order of its members means something to a model.

mod messages;
mod params;
mod parts;
mod tools;

use std::collections::HashSet;

use serde_json::value::{RawValue, to_raw_value};

use crate::dialects::{Chat, Request, body, options};

pub(super) fn of(request: &Request, dropping: bool) -> Result<Chat, String> {
    let text = std::str::from_utf8(&request.body).map_err(|_| "the request body is not UTF-8")?;
    let members =
        options::members_of(text).map_err(|error| format!("the request cannot be read: {error}"))?;
    let mut out = Draft { members: Vec::new(), dropping, dropped: Vec::new(), known: HashSet::new() };
    for (name, value) in &members {
        if name == "model" {
            out.put("model", value)?;
        }
    }
    let system = members.iter().find(|(name, _)| name == "system").map(|(_, value)| *value);
    let messages = members.iter().find(|(name, _)| name == "messages").map(|(_, value)| *value);
    let messages = messages::translate(system, messages, &mut out)?;
    out.put("messages", &messages)?;
    params::translate(&members, &mut out)?;
    if request.stream {
        out.put("stream", &true)?;
        out.put("stream_options", &serde_json::json!({"include_usage": true}))?;
    }
    let written = out.members.iter().map(|(name, value)| (*name, value.get()));
    let (body, model_at) = body::written(written);
    Ok(Chat { body, model_at, dropped: out.dropped })
}

/// See [`crate::dialects::Speak::own_name`].
pub(super) fn own_name(chat: &str) -> Option<&'static str> {
    Some(match chat {
        "user" => "metadata.user_id",
        "stop" => "stop_sequences",
        "parallel_tool_calls" => "tool_choice.disable_parallel_tool_use",
        "response_format" => "output_config.format",
        "output_config" => "output_config.effort",
        "reasoning_content" => "messages.content.thinking",
        _ => return None,
    })
}

/// The request as far as it is made.
struct Draft {
    members: Vec<(&'static str, Box<RawValue>)>,
    dropping: bool,
    dropped: Vec<String>,
    /// What [`Draft::leave_out`] has seen: a client may send names by the hundred thousand, too many to look each up in a list.
    known: HashSet<String>,
}

impl Draft {
    fn put<T: serde::Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), String> {
        let value = to_raw_value(value).map_err(|error| format!("\"{name}\": {error}"))?;
        self.members.push((name, value));
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(known, _)| *known == name)
    }

    /// Something that changes no answer, and that a chat completion has no place for.
    fn leave_out(&mut self, what: &str) {
        if self.known.insert(what.to_owned()) {
            self.dropped.push(what.to_owned());
        }
    }

    /// Something that a chat completion has no place for: left out, or the reason to refuse the request.
    fn cannot_cross(&mut self, what: String) -> Result<(), String> {
        if self.dropping {
            self.dropped.push(what);
            return Ok(());
        }
        Err(format!(
            "{what} cannot be passed on: the provider of this model is asked in OpenAI's chat completions, which have no \
             counterpart"
        ))
    }
}

#[cfg(test)]
mod tests;
