//! Builds an answer event by event, in the dialect and mode that the request asked for.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{Context, Mode};
use crate::dialect::{Call, Dialect, Usage, gemini, openai};
use crate::script::{Ending, Script, Step};
use crate::text::FAULT_PIECES;

/// A streamed answer under construction.
pub(super) struct Say<'a> {
    context: &'a Context<'a>,
    /// What ends a line of the event stream, by event: the list is gone through again and again.
    eols: &'static [&'static str],
    script: Script,
    pace: Duration,
    events: usize,
    texts: u32,
    opened: bool,
}

impl<'a> Say<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        let content_type = match (context.mode, context.dialect) {
            (Mode::Stream, Dialect::OpenAiChat) => "text/event-stream; charset=utf-8",
            (Mode::Stream, Dialect::Gemini) => "text/event-stream",
            (Mode::Array | Mode::Whole, _) => "application/json; charset=UTF-8",
        };
        let eols: &[&str] = match context.dialect {
            Dialect::OpenAiChat => &["\n"],
            Dialect::Gemini => &["\r\n"],
        };
        let script = Script::new(200).header("content-type", content_type);
        Self { context, eols, script, pace: Duration::ZERO, events: 0, texts: 0, opened: false }
    }

    pub(super) fn paced(mut self) -> Self {
        self.pace = self.context.settings.pace;
        self
    }

    pub(super) fn eols(mut self, eols: &'static [&'static str]) -> Self {
        self.eols = eols;
        self
    }

    /// The three good chunks that most faults follow, paced.
    pub(super) fn before_fault(context: &'a Context<'a>) -> Self {
        let mut say = Self::new(context).paced();
        say.texts(&FAULT_PIECES);
        say
    }

    pub(super) fn texts(&mut self, pieces: &[&str]) {
        for piece in pieces {
            self.open();
            let json = self.next_text(piece);
            self.event(&json);
            self.pause(self.pace);
        }
    }

    /// The JSON of the next text chunk, not yet sent.
    pub(super) fn next_text(&mut self, piece: &str) -> String {
        self.texts += 1;
        match self.context.dialect {
            Dialect::OpenAiChat => openai::text(&self.context.meta, piece),
            Dialect::Gemini => gemini::text(&self.context.meta, piece, self.texts),
        }
    }

    pub(super) fn calls(&mut self, calls: &[Call]) {
        self.open();
        let chunks = match self.context.dialect {
            Dialect::OpenAiChat => openai::calls(&self.context.meta, calls),
            Dialect::Gemini => vec![gemini::calls(&self.context.meta, calls)],
        };
        for chunk in chunks {
            self.event(&chunk);
            self.pause(self.pace);
        }
    }

    /// The chunk that opens an OpenAI answer; Gemini has none.
    fn open(&mut self) {
        if !self.opened && self.context.dialect == Dialect::OpenAiChat {
            let json = openai::role(&self.context.meta);
            self.event(&json);
        }
        self.opened = true;
    }

    /// One event (or array element) in one write.
    pub(super) fn event(&mut self, json: &str) {
        let bytes = self.encode(json);
        self.raw(bytes);
    }

    /// The bytes of one event, which count as sent.
    pub(super) fn encode(&mut self, json: &str) -> Vec<u8> {
        let eol = self.eols[self.events % self.eols.len()];
        self.events += 1;
        match self.context.mode {
            Mode::Stream => format!("data: {json}{eol}{eol}").into_bytes(),
            Mode::Array | Mode::Whole => {
                let before = if self.events == 1 { "[" } else { "\n,\n" };
                // As Google sends it: each element over several lines.
                let value: Result<Value, _> = serde_json::from_str(json);
                let element = value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
                format!("{before}{}", element.as_deref().unwrap_or(json)).into_bytes()
            }
        }
    }

    pub(super) fn raw(&mut self, bytes: impl Into<Bytes>) {
        self.script.steps.push(Step::Write(bytes.into()));
    }

    pub(super) fn step(&mut self, step: Step) {
        self.script.steps.push(step);
    }

    pub(super) fn pause(&mut self, pause: Duration) {
        if !pause.is_zero() {
            self.script.steps.push(Step::Pause(pause));
        }
    }

    /// The end of line of the next event.
    pub(super) fn eol(&self) -> &'static str {
        self.eols[self.events % self.eols.len()]
    }

    /// The finish marker and all that follows it in a normal answer.
    pub(super) fn finish(&mut self, reason: &str, usage: Usage) {
        self.finish_marker(reason, usage);
        self.close();
    }

    /// The finish reason, and the usage.
    pub(super) fn finish_marker(&mut self, reason: &str, usage: Usage) {
        let meta = &self.context.meta;
        match self.context.dialect {
            Dialect::OpenAiChat => {
                self.event(&openai::finish(meta, reason));
                if meta.include_usage {
                    self.event(&openai::usage(meta, usage));
                }
            }
            Dialect::Gemini => self.event(&gemini::finish(meta, usage)),
        }
    }

    /// What stands after the last event: `[DONE]`, the array's bracket, or nothing.
    pub(super) fn close(&mut self) {
        match (self.context.dialect, self.context.mode) {
            (Dialect::OpenAiChat, _) => self.event("[DONE]"),
            (Dialect::Gemini, Mode::Stream) => {}
            (Dialect::Gemini, _) => self.raw("\n]"),
        }
    }

    pub(super) fn end(mut self, ending: Ending) -> Script {
        self.script.ending = ending;
        self.script
    }
}

/// The JSON of a whole answer that says `text`.
pub(super) fn whole(context: &Context<'_>, text: &str, calls: &[Call], usage: Usage) -> String {
    let meta = &context.meta;
    match context.dialect {
        Dialect::OpenAiChat => {
            let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
            openai::whole(meta, text, calls, Some(reason), usage)
        }
        Dialect::Gemini => gemini::whole(meta, text, calls, true, usage),
    }
}

/// The JSON of a whole answer without its finish reason.
pub(super) fn whole_unfinished(context: &Context<'_>, text: &str) -> String {
    match context.dialect {
        Dialect::OpenAiChat => openai::whole(&context.meta, text, &[], None, Usage::PLAIN),
        Dialect::Gemini => gemini::whole(&context.meta, text, &[], false, Usage::PLAIN),
    }
}

/// A normal answer of these pieces, in whichever mode.
pub(super) fn normal(context: &Context<'_>, pieces: &[&str], say: Say<'_>) -> Script {
    normal_with(context, pieces, say, Usage::PLAIN)
}

/// The same, with its own usage.
pub(super) fn normal_with(context: &Context<'_>, pieces: &[&str], mut say: Say<'_>, usage: Usage) -> Script {
    if context.mode == Mode::Whole {
        return Script::json(200, whole(context, &pieces.concat(), &[], usage));
    }
    say.texts(pieces);
    say.finish("stop", usage);
    say.end(Ending::Complete)
}
