//! Messages for a client that speaks them: requests and answers pass byte for byte. What is told of them is what the host
//! cannot see by itself.

use serde_json::Value;
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, Note, Stream, StreamOut};

use crate::event::{Read, find_error, read};
use crate::members::Members;
use crate::request::VERTEX_VERSION;
use crate::response::wire::{Event, Usage};

/// One stream whose events pass. Its end is `message_stop` after a reason for it, and nothing else.
#[derive(Debug, Default)]
pub struct Passing {
    usage: Usage,
    reasoned: bool,
    done: bool,
}

impl Stream for Passing {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        if self.done {
            return Ok(Flow::Done);
        }
        let Read::Event(said) = read(event)? else { return Ok(Flow::Done) };
        let usage = match &said {
            Event::MessageStart { message } => message.usage,
            Event::MessageDelta { usage, .. } => *usage,
            _ => None,
        };
        if let Some(usage) = usage {
            self.usage.merge(usage);
            self.usage.notes().try_for_each(|note| out.note(note))?;
        }
        if let Event::MessageDelta { delta, .. } = &said {
            self.reasoned |= delta.stop_reason.as_ref().is_some_and(|reason| !reason.is_empty());
        }
        if matches!(said, Event::MessageStop) {
            self.done = true;
            out.note(Note::Done)?;
        }
        // What came outside the framing has to be put back into it, on one line and under its name.
        if event.stray {
            let value: Value =
                serde_json::from_slice(event.data).map_err(|_| Fault::Protocol("an event is not JSON"))?;
            let name = value.get("type").and_then(Value::as_str).unwrap_or("");
            out.event(name, value.to_string().as_bytes())?;
            return Ok(Flow::Done);
        }
        Ok(Flow::Pass)
    }

    fn end(&mut self, _out: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(if self.done && self.reasoned { End::Done } else { End::Truncated })
    }
}

/// What a whole 2xx body is: a message, or a count where `count`; it passes.
///
/// # Errors
/// [`Fault::Upstream`] where it is an error, [`Fault::Protocol`] where it is neither.
pub fn answer(body: &[u8], count: bool) -> Result<Flow, Fault> {
    let text = core::str::from_utf8(body).map_err(|_| Fault::Protocol("the body is not UTF-8"))?;
    if find_error(text).is_some() {
        return Err(Fault::Upstream);
    }
    let value: Value = serde_json::from_str(text).map_err(|_| Fault::Protocol("the body is not JSON"))?;
    let whole = if count {
        value.get("input_tokens").is_some_and(Value::is_u64)
    } else {
        value.get("content").is_some_and(Value::is_array)
            && value.get("stop_reason").is_some_and(Value::is_string)
    };
    if whole { Ok(Flow::Pass) } else { Err(Fault::Protocol("the body is not a whole message")) }
}

/// A Messages body as Vertex AI takes it: without `model`, with the version that Vertex AI asks for unless the client wrote
/// one, and everything else byte for byte.
///
/// # Errors
/// [`Fault::Invalid`] where it is not a JSON object.
pub fn for_vertex(body: &[u8]) -> Result<Vec<u8>, Fault> {
    let members: Members<'_> = serde_json::from_slice(body)
        .map_err(|error| Fault::Invalid(format!("the request body is not a JSON object: {error}")))?;
    let mut out = String::with_capacity(body.len() + 48);
    let mut versioned = false;
    for (name, value) in members.0.iter().filter(|(name, _)| name != "model") {
        versioned |= name == "anthropic_version";
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push(':');
        out.push_str(value.get());
    }
    if !versioned {
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&format!("\"anthropic_version\":\"{VERTEX_VERSION}\""));
    }
    out.push('}');
    Ok(out.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vertex_gets_no_model_and_a_version() {
        let made = |body: &str| String::from_utf8(for_vertex(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            made(r#"{"model":"claude-x", "max_tokens" : 1.0,"é":[ ]}"#),
            r#"{"max_tokens":1.0,"é":[ ],"anthropic_version":"vertex-2023-10-16"}"#
        );
        assert_eq!(made(r#"{"anthropic_version":"v","model":"m"}"#), r#"{"anthropic_version":"v"}"#);
        assert_eq!(made("{}"), r#"{"anthropic_version":"vertex-2023-10-16"}"#);
        assert!(matches!(for_vertex(b"[]"), Err(Fault::Invalid(_))));
    }

    #[test]
    fn a_body_passes_if_it_is_whole() {
        for (body, count, want) in [
            (r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#, false, Ok(Flow::Pass)),
            (r#"{"input_tokens":7}"#, true, Ok(Flow::Pass)),
            (r#"{"type":"error","error":{"type":"api_error"}}"#, false, Err("upstream")),
            (r#"{"type":"error","error":{"type":"api_error"}}"#, true, Err("upstream")),
            (r#"{"type":"message","content":[],"stop_reason":null}"#, false, Err("protocol")),
            (r#"{"input_tokens":7}"#, false, Err("protocol")),
            ("<html>", true, Err("protocol")),
        ] {
            let got = answer(body.as_bytes(), count)
                .map_err(|fault| if fault == Fault::Upstream { "upstream" } else { "protocol" });
            assert_eq!(got, want, "{body}");
        }
    }
}
