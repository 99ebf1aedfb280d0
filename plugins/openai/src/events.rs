//! The answer: which events are chunks, which are errors, and where the end is.

use serde_json::Value;
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, Note, Stream, StreamOut, classify};

/// One stream. Its end is `[DONE]`, and nothing else.
#[derive(Debug, Default)]
pub struct Events {
    done: bool,
}

impl Stream for Events {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        let text = event.text()?.trim();
        // Nothing counts after the end, and an event without data is how some servers say "still here".
        if self.done || (text.is_empty() && event.name != "error") {
            return Ok(Flow::Done);
        }
        // SDKs match the prefix. The host writes the client's terminal itself.
        if text.starts_with("[DONE]") {
            self.done = true;
            out.note(Note::Done)?;
            return Ok(Flow::Done);
        }
        if event.name == "error" {
            return Err(Fault::Upstream);
        }
        let chunk: Value = serde_json::from_str(text).map_err(|_| Fault::Protocol("an event is not JSON"))?;
        if error_in(&chunk).is_some() {
            return Err(Fault::Upstream);
        }
        if !chunk.is_object() || (event.stray && chunk.get("choices").is_none()) {
            return Err(Fault::Protocol("an event is not a chunk"));
        }
        note_usage(&chunk, out)?;
        // A chunk outside the framing has to be put back into it, on one line.
        if event.stray {
            out.event("", chunk.to_string().as_bytes())?;
            return Ok(Flow::Done);
        }
        Ok(Flow::Pass)
    }

    fn end(&mut self, _out: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(if self.done { End::Done } else { End::Truncated })
    }
}

/// The part of an event, or of a body, that says what went wrong: the whole, or Groq's `x_groq`.
pub(crate) fn error_in(data: &Value) -> Option<&Value> {
    if let Value::Array(list) = data {
        return list.first().and_then(|first| if first.is_array() { None } else { error_in(first) });
    }
    if classify::is_error("", data) {
        return Some(data);
    }
    data.get("x_groq").filter(|part| part.get("error").is_some_and(|error| !error.is_null()))
}

/// A 2xx body that is not a stream: choices, or an error.
pub(crate) fn check_body(body: &[u8]) -> Result<(), Fault> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Fault::Protocol("the body is not JSON"))?;
    if error_in(&value).is_some() {
        return Err(Fault::Upstream);
    }
    match value.get("choices") {
        Some(Value::Array(_)) => Ok(()),
        _ => Err(Fault::Protocol("the body has no choices")),
    }
}

fn note_usage(chunk: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
    let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) else { return Ok(()) };
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let notes = [
        count("/prompt_tokens").map(Note::TokensIn),
        count("/completion_tokens").map(Note::TokensOut),
        count("/prompt_tokens_details/cached_tokens").map(Note::TokensCached),
        count("/completion_tokens_details/reasoning_tokens").map(Note::TokensReasoning),
    ];
    notes.into_iter().flatten().try_for_each(|note| out.note(note))
}
