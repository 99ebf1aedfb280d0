//! Builds an answer event by event, in the dialect and mode that the request asked for.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{Context, Mode};
use crate::dialect::{Call, Dialect, Usage, anthropic, bedrock, gemini, openai, responses};
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
    /// Anthropic's or Bedrock's block of text is open, or the message of Responses.
    in_text: bool,
    /// What was said so far; the last event of Responses repeats it.
    said: String,
    called: Vec<Call>,
}

impl<'a> Say<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        let content_type = match (context.mode, context.dialect) {
            (Mode::Stream, Dialect::OpenAiChat | Dialect::Responses | Dialect::Anthropic) => {
                "text/event-stream; charset=utf-8"
            }
            (Mode::Stream, Dialect::Gemini) => "text/event-stream",
            (Mode::Stream, Dialect::Bedrock) => "application/vnd.amazon.eventstream",
            (Mode::Whole, Dialect::Bedrock) => "application/json",
            (Mode::Array | Mode::Whole, _) => "application/json; charset=UTF-8",
        };
        let eols: &[&str] = match context.dialect {
            Dialect::OpenAiChat | Dialect::Responses | Dialect::Anthropic | Dialect::Bedrock => &["\n"],
            Dialect::Gemini => &["\r\n"],
        };
        let script = Script::new(200).header("content-type", content_type);
        Self {
            context,
            eols,
            script,
            pace: Duration::ZERO,
            events: 0,
            texts: 0,
            opened: false,
            in_text: false,
            said: String::new(),
            called: Vec::new(),
        }
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
            self.open_text();
            let json = self.next_text(piece);
            self.event(&json);
            self.pause(self.pace);
        }
    }

    /// The JSON of the next text chunk, not yet sent.
    pub(super) fn next_text(&mut self, piece: &str) -> String {
        self.texts += 1;
        self.said.push_str(piece);
        match self.context.dialect {
            Dialect::OpenAiChat => openai::text(&self.context.meta, piece),
            Dialect::Gemini => gemini::text(&self.context.meta, piece, self.texts),
            Dialect::Anthropic => anthropic::text(piece),
            Dialect::Responses => responses::text(piece),
            Dialect::Bedrock => bedrock::text(piece),
        }
    }

    pub(super) fn calls(&mut self, calls: &[Call]) {
        self.open();
        let chunks = match self.context.dialect {
            Dialect::OpenAiChat => openai::calls(&self.context.meta, calls),
            Dialect::Gemini => vec![gemini::calls(&self.context.meta, calls)],
            Dialect::Anthropic => anthropic::calls(calls),
            Dialect::Responses => responses::calls(calls),
            Dialect::Bedrock => bedrock::calls(calls),
        };
        self.called.extend_from_slice(calls);
        for chunk in chunks {
            self.event(&chunk);
            self.pause(self.pace);
        }
    }

    /// The chunk that opens an answer; Gemini has none.
    fn open(&mut self) {
        let events = match self.context.dialect {
            _ if self.opened => Vec::new(),
            Dialect::OpenAiChat => vec![openai::role(&self.context.meta)],
            Dialect::Responses => responses::opening(&self.context.meta),
            Dialect::Anthropic => vec![anthropic::start(&self.context.meta)],
            Dialect::Bedrock => vec![bedrock::start()],
            Dialect::Gemini => Vec::new(),
        };
        self.opened = true;
        for json in events {
            self.event(&json);
        }
    }

    /// The events between an Anthropic answer's opening and its text.
    fn open_text(&mut self) {
        if self.context.dialect == Dialect::Responses && !self.in_text {
            self.in_text = true;
            for json in responses::message() {
                self.event(&json);
            }
        }
        if self.context.dialect == Dialect::Anthropic && !self.in_text {
            self.in_text = true;
            self.event(anthropic::TEXT_START);
            self.event(anthropic::PING);
        }
        // Bedrock does not say that text begins, but that it ends.
        self.in_text |= self.context.dialect == Dialect::Bedrock;
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
            Mode::Stream if self.context.dialect == Dialect::Responses => {
                responses::framed(json, self.events - 1, eol).into_bytes()
            }
            Mode::Stream if self.context.dialect == Dialect::Bedrock => bedrock::frame(json, self.events),
            Mode::Stream => match event_name(json).filter(|_| self.context.dialect == Dialect::Anthropic) {
                Some(name) => format!("event: {name}{eol}data: {json}{eol}{eol}").into_bytes(),
                None => format!("data: {json}{eol}{eol}").into_bytes(),
            },
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
            Dialect::Responses => {
                let text = Some(self.said.as_str()).filter(|_| self.in_text);
                for json in responses::finish(meta, text, &self.called, reason, usage) {
                    self.event(&json);
                }
            }
            Dialect::Anthropic => {
                if self.in_text {
                    self.event(anthropic::TEXT_STOP);
                }
                self.event(&anthropic::ended(reason, usage));
            }
            Dialect::Bedrock => {
                if self.in_text {
                    self.event(&bedrock::block_stop(0));
                }
                self.event(&bedrock::stopped(reason));
                self.event(&bedrock::metadata(usage));
            }
        }
    }

    /// What stands after the last event: `[DONE]`, `message_stop`, the array's bracket, or nothing.
    pub(super) fn close(&mut self) {
        match (self.context.dialect, self.context.mode) {
            (Dialect::OpenAiChat, _) => self.event("[DONE]"),
            (Dialect::Anthropic, _) => self.event(anthropic::STOP),
            (Dialect::Gemini, Mode::Stream) | (Dialect::Bedrock | Dialect::Responses, _) => {}
            (Dialect::Gemini, _) => self.raw("\n]"),
        }
    }

    pub(super) fn end(mut self, ending: Ending) -> Script {
        self.script.ending = ending;
        self.script
    }
}

/// Anthropic names an event by the type that its data begins with.
fn event_name(json: &str) -> Option<&str> {
    let (_, rest) = json.split_once("\"type\":").filter(|(before, _)| *before == "{")?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
}

/// The JSON of a whole answer that says `text`.
pub(super) fn whole(context: &Context<'_>, text: &str, calls: &[Call], usage: Usage) -> String {
    let meta = &context.meta;
    let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
    match context.dialect {
        Dialect::OpenAiChat => openai::whole(meta, text, calls, Some(reason), usage),
        Dialect::Anthropic => anthropic::whole(meta, text, calls, Some(reason), usage),
        Dialect::Responses => responses::whole(meta, text, calls, Some(reason), usage),
        Dialect::Gemini => gemini::whole(meta, text, calls, true, usage),
        Dialect::Bedrock => bedrock::whole(text, calls, Some(reason), usage),
    }
}

/// The JSON of a whole answer without its finish reason.
pub(super) fn whole_unfinished(context: &Context<'_>, text: &str) -> String {
    match context.dialect {
        Dialect::OpenAiChat => openai::whole(&context.meta, text, &[], None, Usage::PLAIN),
        Dialect::Responses => responses::whole(&context.meta, text, &[], None, Usage::PLAIN),
        Dialect::Gemini => gemini::whole(&context.meta, text, &[], false, Usage::PLAIN),
        Dialect::Anthropic => anthropic::whole(&context.meta, text, &[], None, Usage::PLAIN),
        Dialect::Bedrock => bedrock::whole(text, &[], None, Usage::PLAIN),
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
