//! A stream of Responses: its events pass, and the last one is its end.

use serde_json::Value;
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, Note, Stream, StreamOut};

use crate::events::{error_in, is_named_error};

/// One stream of Responses. Its end is `response.completed` or `response.incomplete`, and nothing else.
#[derive(Debug, Default)]
pub struct Responses {
    done: bool,
}

impl Stream for Responses {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        if self.done {
            return Ok(Flow::Done);
        }
        let Read::Event(kind, data) = read(event)? else { return Ok(Flow::Done) };
        if matches!(kind.as_str(), "response.completed" | "response.incomplete") {
            self.done = true;
            note_usage(&data, out)?;
            out.note(Note::Done)?;
        }
        if event.stray {
            // Outside the framing: it is put back into it, on one line.
            out.event(&kind, data.to_string().as_bytes())?;
            return Ok(Flow::Done);
        }
        Ok(Flow::Pass)
    }

    fn end(&mut self, _out: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(if self.done { End::Done } else { End::Truncated })
    }
}

/// What stands in a block of a stream.
pub(crate) enum Read {
    /// An event: its type, and its data.
    Event(String, Value),
    /// Nothing.
    Nothing,
}

/// Reads an event.
///
/// # Errors
/// [`Fault::Upstream`] for an error in whatever form, [`Fault::Protocol`] for what is no event.
pub(crate) fn read(event: &EventIn<'_>) -> Result<Read, Fault> {
    let text = event.text()?.trim();
    if is_named_error(event.name, text) {
        return Err(Fault::Upstream);
    }
    if text.is_empty() {
        return Ok(Read::Nothing);
    }
    let data: Value = serde_json::from_str(text).map_err(|_| Fault::Protocol("an event is not JSON"))?;
    if error_in(&data).is_some() {
        return Err(Fault::Upstream);
    }
    match data.get("type").and_then(Value::as_str) {
        Some(kind) => Ok(Read::Event(kind.to_owned(), data)),
        None => Err(Fault::Protocol("an event has no type")),
    }
}

/// Notes the counts that the last event has; the others have none.
pub(crate) fn note_usage(last: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
    let count = |path: &str| last.pointer(&format!("/response/usage{path}")).and_then(Value::as_u64);
    let notes = [
        count("/input_tokens").map(Note::TokensIn),
        count("/output_tokens").map(Note::TokensOut),
        count("/input_tokens_details/cached_tokens").map(Note::TokensCached),
        count("/output_tokens_details/reasoning_tokens").map(Note::TokensReasoning),
    ];
    notes.into_iter().flatten().try_for_each(|note| out.note(note))
}
