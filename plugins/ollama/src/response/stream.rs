//! A stream: each line becomes at most a chunk of what is new in it; the last one, a finish and the usage.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, HeadIn, Note, Stream, StreamOut};

use super::wire::{Line, Message};
use super::{Identity, finish};

/// One stream. Its end is a line with `"done": true`, and nothing else.
#[derive(Debug)]
pub struct Lines {
    identity: Identity,
    calls: usize,
    begun: bool,
    done: bool,
}

impl Lines {
    pub(crate) fn new(head: &HeadIn<'_>) -> Self {
        Lines { identity: Identity::new(head), calls: 0, begun: false, done: false }
    }

    fn delta(&mut self, message: &Message) -> Map<String, Value> {
        let mut delta = Map::new();
        if let Some(thinking) = message.thinking.as_deref().filter(|text| !text.is_empty()) {
            delta.insert("reasoning_content".into(), thinking.into());
        }
        if !message.content.is_empty() {
            delta.insert("content".into(), message.content.as_str().into());
        }
        // Calls come whole, and each has a place of its own.
        let mut calls = Vec::new();
        for call in message.calls() {
            let mut made = self.identity.call(call, self.calls);
            made["index"] = self.calls.into();
            self.calls += 1;
            calls.push(made);
        }
        if !calls.is_empty() {
            delta.insert("tool_calls".into(), calls.into());
        }
        delta
    }

    fn chunk(&mut self, choice: Value, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let chunk = self.identity.object("chat.completion.chunk", json!([choice]));
        out.event("", chunk.to_string().as_bytes())
    }
}

impl Stream for Lines {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        let text = event.text()?.trim();
        // Nothing counts after the end.
        if self.done || text.is_empty() {
            return Ok(Flow::Done);
        }
        let line = Line::read(text.as_bytes())?;
        let mut delta = line.message.as_ref().map(|message| self.delta(message)).unwrap_or_default();
        let logprobs = line.logprobs();
        if !delta.is_empty() || !logprobs.is_null() {
            if !std::mem::replace(&mut self.begun, true) {
                delta.insert("role".into(), "assistant".into());
            }
            self.chunk(
                json!({"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": null}),
                out,
            )?;
        }
        if !line.done {
            return Ok(Flow::Done);
        }
        let (reason, native) = finish(line.done_reason.as_deref(), self.calls > 0);
        let mut choice = json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason});
        if let Some(native) = native {
            choice["provider_specific_fields"] = json!({"native_finish_reason": native});
        }
        self.chunk(choice, out)?;
        if let Some(usage) = line.usage() {
            usage.notes().into_iter().try_for_each(|note| out.note(note))?;
            let mut chunk = self.identity.object("chat.completion.chunk", json!([]));
            chunk["usage"] = usage.openai();
            out.event("", chunk.to_string().as_bytes())?;
        }
        self.done = true;
        out.note(Note::Done)?;
        Ok(Flow::Done)
    }

    fn end(&mut self, _out: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(if self.done { End::Done } else { End::Truncated })
    }
}
