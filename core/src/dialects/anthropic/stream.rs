//! A chat's chunks as Anthropic's events.

use serde_json::{Value, json};

use super::blocks::{Blocks, Event};
use super::usage::Counts;
use super::{answer, count, encode, ids};
use crate::dialects::{Encoder, Facts};
use crate::failure::Failure;

/// One message.
pub(super) struct Events {
    facts: Facts,
    begun: bool,
    blocks: Blocks,
    counts: Counts,
    /// The choice as it ended, and whether it was a refusal.
    ended: Option<Value>,
    refused: bool,
    /// Bytes of content, for an answer whose provider counts nothing.
    written: u64,
}

impl Events {
    pub(super) fn new(facts: Facts) -> Self {
        let blocks = Blocks::new(facts.seed);
        let counts = Counts::default();
        Self { facts, begun: false, blocks, counts, ended: None, refused: false, written: 0 }
    }

    /// The input's count mostly comes at the end, which corrects the estimate: SDKs take the last word.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let message = json!({
            "id": ids::message(self.facts.seed),
            "type": "message",
            "role": "assistant",
            "model": self.facts.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": self.counts.of_message(count::estimate(&self.facts.request), 0),
        });
        event("message_start", json!({"message": message}), out);
        // It is long, and was needed for its length.
        self.facts.request = bytes::Bytes::new();
    }

    fn tell(&mut self, all: bool, out: &mut Vec<u8>) {
        let written = &mut self.written;
        self.blocks.tell(all, |told| match told {
            Event::Start(index, block) => {
                event("content_block_start", json!({"index": index, "content_block": block}), out);
            }
            Event::Delta(index, delta) => {
                *written += answer::length(&delta);
                event("content_block_delta", json!({"index": index, "delta": delta}), out);
            }
            Event::Stop(index) => event("content_block_stop", json!({"index": index}), out),
        });
    }
}

impl Encoder for Events {
    fn chunk(&mut self, chunk: &Value, out: &mut Vec<u8>) {
        self.counts.take(chunk.get("usage").unwrap_or(&Value::Null));
        self.begin(out);
        let choices = chunk.get("choices").and_then(Value::as_array).into_iter().flatten();
        // Anthropic's messages are one answer.
        for choice in choices.filter(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0) {
            if let Some(delta) = choice.get("delta") {
                answer::thoughts(delta, &mut self.blocks);
                self.refused |= answer::spoken(delta, &mut self.blocks);
            }
            if choice.get("finish_reason").and_then(Value::as_str).is_some_and(|reason| !reason.is_empty()) {
                let mut ended = choice.clone();
                ended["delta"] = Value::Null;
                self.ended = Some(ended);
            }
        }
        self.tell(false, out);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.tell(true, out);
        let ended = self.ended.take().unwrap_or_default();
        let (reason, sequence) = answer::stop(&ended, self.blocks.have_calls(), self.refused);
        let end = json!({
            "delta": {"stop_reason": reason, "stop_sequence": sequence},
            "usage": self.counts.of_delta(count::tokens(self.written)),
        });
        event("message_delta", end, out);
        out.extend_from_slice(encode::DONE);
    }

    fn error(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        encode::frame(b"error", &encode::error_body(failure, None), out);
    }
}

fn event(name: &str, mut data: Value, out: &mut Vec<u8>) {
    data["type"] = name.into();
    encode::frame(name.as_bytes(), data.to_string().as_bytes(), out);
}

#[cfg(test)]
mod tests;
