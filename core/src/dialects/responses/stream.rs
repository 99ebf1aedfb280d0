//! A canonical stream as the events of a `response`, and a canonical whole answer as the `response` that such a stream
//! ends with: one translation, so that both say the same.
//!
//! The items of an answer come one after the other, as OpenAI sends them: reasoning, message, and again reasoning. Calls are
//! the exception: their arguments may come in turn, so all stay open until the answer's end.

use serde_json::{Value, json};

use super::crossing::Crossing;
use super::echo::{Echo, usage};
use super::encode;
use super::output::Output;
use super::tools::Tools;
use crate::dialects::{Encoder, Facts};
use crate::failure::Failure;

/// Counts the events and writes them, unless nobody reads them.
#[derive(Debug)]
pub(super) struct Writer {
    next: u64,
    silent: bool,
}

impl Writer {
    pub(super) fn event(&mut self, kind: &str, members: Value, out: &mut Vec<u8>) {
        if !self.silent {
            encode::event(kind, self.next, members, out);
        }
        self.next += 1;
    }
}

/// See [`Encoder`].
pub(super) struct ResponsesEncoder {
    writer: Writer,
    echo: Echo,
    output: Output,
    begun: bool,
    finish: Option<String>,
    usage: Value,
}

impl ResponsesEncoder {
    pub(super) fn new(facts: &Facts) -> Self {
        Self::of(facts, false)
    }

    fn of(facts: &Facts, silent: bool) -> Self {
        let asked: Value = serde_json::from_slice(&facts.request).unwrap_or_default();
        // The request has been through this before: what could not be said is gone already.
        let tools = Tools::of(&asked, &mut Crossing::new(true)).unwrap_or_default();
        Self {
            writer: Writer { next: 0, silent },
            echo: Echo::new(facts, &format!("resp_{:016x}", facts.seed), &asked),
            output: Output::new(facts.seed, tools),
            begun: false,
            finish: None,
            usage: Value::Null,
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.begun {
            return;
        }
        self.begun = true;
        for kind in ["response.created", "response.in_progress"] {
            let response =
                if self.writer.silent { Value::Null } else { self.echo.with("in_progress", json!({})) };
            self.writer.event(kind, json!({"response": response}), out);
        }
    }

    /// Why the answer is not all that the model had to say; `None`: it is.
    fn cut(&self) -> Option<&'static str> {
        match self.finish.as_deref() {
            Some("length") => Some("max_output_tokens"),
            Some("content_filter") => Some("content_filter"),
            _ => None,
        }
    }

    /// Closes what is open; the `response` that the stream ends with.
    fn end(&mut self, out: &mut Vec<u8>) -> Value {
        let cut = self.cut();
        let status = if cut.is_some() { "incomplete" } else { "completed" };
        self.output.close(status, &mut self.writer, out);
        let details = cut.map_or(Value::Null, |reason| json!({"reason": reason}));
        let more =
            json!({"output": self.output.closed(), "incomplete_details": details, "usage": self.usage});
        self.echo.with(status, more)
    }
}

impl Encoder for ResponsesEncoder {
    fn chunk(&mut self, chunk: &Value, out: &mut Vec<u8>) {
        self.begin(out);
        let usage = usage(&chunk["usage"]);
        if !usage.is_null() {
            self.usage = usage;
        }
        // This dialect has one choice.
        let choices = chunk["choices"].as_array().map_or(&[][..], Vec::as_slice).iter();
        for choice in choices.filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0) {
            let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            self.output.say(said, &choice["logprobs"], &mut self.writer, out);
            if let Some(reason) = choice["finish_reason"].as_str().filter(|reason| !reason.is_empty()) {
                self.finish = Some(reason.to_owned());
            }
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        let response = self.end(out);
        let kind = if self.cut().is_some() { "response.incomplete" } else { "response.completed" };
        self.writer.event(kind, json!({"response": response}), out);
    }

    fn error(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.begin(out);
        // What is open stays so: it never was complete.
        let response = self.echo.with("failed", json!({"output": self.output.closed(), "usage": self.usage}));
        encode::failed(failure, self.writer.next, response, out);
    }
}

/// See [`crate::dialects::Speak::answer`].
pub(super) fn answer(chat: &Value, facts: &Facts) -> Value {
    let (mut encoder, mut unread) = (ResponsesEncoder::of(facts, true), Vec::new());
    encoder.chunk(chat, &mut unread);
    encoder.end(&mut unread)
}
