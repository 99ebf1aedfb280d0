//! Builds an answer event by event, in the dialect and mode that the request asked for.

use std::time::Duration;

use bytes::Bytes;

use super::{Context, Mode};
use crate::dialect::{Call, Said, Usage, Wire};
use crate::script::{Ending, Script, Step};
use crate::text::FAULT_PIECES;

/// A streamed answer under construction.
pub(super) struct Say<'a> {
    context: &'a Context<'a>,
    /// What ends a line of the event stream, by event, instead of what does in the dialect: the list is gone through again
    /// and again.
    eols: Option<&'static [&'static str]>,
    script: Script,
    pace: Duration,
    event_count: usize,
    texts: u32,
    opened: bool,
    /// What was said so far; the end of some dialects' streams says it again.
    said: Said,
}

impl<'a> Say<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        let wire = context.wire();
        let script = Script::new(200).header("content-type", wire.content_type(context.mode));
        Self {
            context,
            eols: None,
            script,
            pace: Duration::ZERO,
            event_count: 0,
            texts: 0,
            opened: false,
            said: Said::default(),
        }
    }

    pub(super) fn paced(mut self) -> Self {
        self.pace = self.context.settings.pace;
        self
    }

    pub(super) fn eols(mut self, eols: &'static [&'static str]) -> Self {
        self.eols = Some(eols);
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
        if let Some(said) = &mut self.said.text {
            said.push_str(piece);
        }
        self.wire().text(&self.context.meta, piece, self.texts)
    }

    pub(super) fn calls(&mut self, calls: &[Call]) {
        self.open();
        self.said.calls.extend_from_slice(calls);
        for chunk in self.wire().calls(&self.context.meta, calls) {
            self.event(&chunk);
            self.pause(self.pace);
        }
    }

    /// What opens an answer, once.
    fn open(&mut self) {
        if !std::mem::replace(&mut self.opened, true) {
            self.events(&self.wire().opening(&self.context.meta));
        }
    }

    /// What opens its text, once.
    fn open_text(&mut self) {
        if self.said.text.is_none() {
            self.said.text = Some(String::new());
            self.events(&self.wire().text_opening());
        }
    }

    fn wire(&self) -> &'static dyn Wire {
        self.context.wire()
    }

    fn events(&mut self, events: &[String]) {
        for json in events {
            self.event(json);
        }
    }

    /// One event (or array element) in one write.
    pub(super) fn event(&mut self, json: &str) {
        let bytes = self.encode(json);
        self.raw(bytes);
    }

    /// The bytes of one event, which count as sent.
    pub(super) fn encode(&mut self, json: &str) -> Vec<u8> {
        let eol = self.eol();
        self.event_count += 1;
        self.wire().encode(self.context.mode, json, self.event_count, eol)
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
        self.eols.map_or_else(|| self.wire().eol(), |eols| eols[self.event_count % eols.len()])
    }

    /// The finish marker and all that follows it in a normal answer.
    pub(super) fn finish(&mut self, reason: &str, usage: Usage) {
        self.finish_marker(reason, usage);
        self.close();
    }

    /// The finish reason, and the usage.
    pub(super) fn finish_marker(&mut self, reason: &str, usage: Usage) {
        self.events(&self.wire().finish(&self.context.meta, &self.said, reason, usage));
    }

    /// What stands after the last event: `[DONE]`, `message_stop`, the array's bracket, or nothing.
    pub(super) fn close(&mut self) {
        if let Some(marker) = self.wire().marker() {
            self.event(marker);
        } else if self.context.mode == Mode::Array {
            self.raw("\n]");
        }
    }

    pub(super) fn end(mut self, ending: Ending) -> Script {
        self.script.ending = ending;
        self.script
    }
}

/// The JSON of a whole answer that says `text`.
pub(super) fn whole(context: &Context<'_>, text: &str, calls: &[Call], usage: Usage) -> String {
    let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
    context.wire().whole(&context.meta, text, calls, Some(reason), usage)
}

/// The JSON of a whole answer without its finish reason.
pub(super) fn whole_unfinished(context: &Context<'_>, text: &str) -> String {
    context.wire().whole(&context.meta, text, &[], None, Usage::PLAIN)
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
