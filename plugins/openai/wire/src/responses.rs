//! A stream of Responses: its events pass, and the last one is its end.

use serde_json::Value;
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, Note, Stream, StreamOut};

use crate::events::error_in;

/// One stream of Responses. Its end is `response.completed` or `response.incomplete`, and nothing else.
#[derive(Debug, Default)]
pub struct Responses {
    done: bool,
}

impl Stream for Responses {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        let text = event.text()?.trim();
        if self.done || (text.is_empty() && event.name != "error") {
            return Ok(Flow::Done);
        }
        if event.name == "error" {
            return Err(Fault::Upstream);
        }
        let data: Value = serde_json::from_str(text).map_err(|_| Fault::Protocol("an event is not JSON"))?;
        if error_in(&data).is_some() {
            return Err(Fault::Upstream);
        }
        let Some(kind) = data.get("type").and_then(Value::as_str) else {
            return Err(Fault::Protocol("an event has no type"));
        };
        if matches!(kind, "response.completed" | "response.incomplete") {
            self.done = true;
            note_usage(&data, out)?;
            out.note(Note::Done)?;
        }
        if event.stray {
            // Outside the framing: it is put back into it, on one line.
            out.event(kind, data.to_string().as_bytes())?;
            return Ok(Flow::Done);
        }
        Ok(Flow::Pass)
    }

    fn end(&mut self, _out: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(if self.done { End::Done } else { End::Truncated })
    }
}

fn note_usage(last: &Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
    let count = |path: &str| last.pointer(&format!("/response/usage{path}")).and_then(Value::as_u64);
    let notes = [
        count("/input_tokens").map(Note::TokensIn),
        count("/output_tokens").map(Note::TokensOut),
        count("/input_tokens_details/cached_tokens").map(Note::TokensCached),
        count("/output_tokens_details/reasoning_tokens").map(Note::TokensReasoning),
    ];
    notes.into_iter().flatten().try_for_each(|note| out.note(note))
}
