//! Server-sent events (WHATWG HTML, section 9.2), bounded and incremental.
//!
//! Beyond the standard: a line whose field is none of the standard's is not ignored but reported as stray, because
//! providers and middleboxes put bare JSON errors and plain text there, and what is ignored is lost.

use bytes::Bytes;
use memchr::memchr2;

use super::{Block, Buffer, Item, Kind, Span, TooLong, depth::Depth};

/// The framer of `text/event-stream`.
#[derive(Debug)]
pub struct Sse {
    buffer: Buffer,
    state: State,
    limit: usize,
}

/// Places of lines that an idle stream keeps room for.
const KEPT_LINES: usize = 16;

#[derive(Debug, Default)]
struct State {
    /// Where the event that is being read starts.
    start: usize,
    /// Where its current line starts.
    line: usize,
    /// No line end stands before this place.
    scanned: usize,
    name: Span,
    data: Vec<Span>,
    /// It has any line.
    open: bool,
    /// The nesting of the stray text that is being read.
    stray: Option<Depth>,
    /// The last line ended with a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// Past the first line, which alone may start with a byte-order mark.
    begun: bool,
}

impl Sse {
    /// `limit`: bytes of the longest event.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Buffer::default(), state: State::default(), limit }
    }

    /// See [`super::Framer::push`].
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn push(&mut self, chunk: Bytes) -> Result<Block<'_>, TooLong> {
        let state = &mut self.state;
        self.buffer.push(chunk, self.limit, |text, items, joined| {
            state.scan(text, items, joined);
            state.rebase()
        })
    }

    /// See [`super::Framer::finish`].
    pub fn finish(&mut self) -> Block<'_> {
        let state = &mut self.state;
        self.buffer.finish(|text, items, joined| {
            if state.line < text.len() {
                state.take_line(text, text.len(), text.len(), items, joined);
            }
            state.dispatch(text, text.len(), items, joined);
            *state = State::default();
        })
    }
}

impl State {
    fn scan(&mut self, text: &[u8], items: &mut Vec<Item>, joined: &mut Vec<u8>) {
        loop {
            if self.after_cr {
                match text.get(self.line) {
                    Some(b'\n') => self.skip_lf(),
                    Some(_) => {}
                    None => break,
                }
                self.after_cr = false;
            }
            let from = self.scanned.max(self.line);
            let Some(found) = memchr2(b'\r', b'\n', &text[from..]) else {
                self.scanned = text.len();
                break;
            };
            let end = from + found;
            let mut next = end + 1;
            if text[end] == b'\r' {
                if text.get(next) == Some(&b'\n') {
                    next += 1;
                } else {
                    self.after_cr = true;
                }
            }
            self.take_line(text, end, next, items, joined);
        }
    }

    fn skip_lf(&mut self) {
        self.line += 1;
        if !self.open {
            self.start = self.line;
        }
    }

    /// Moves all places down to the first byte that is not taken; gives how many are.
    fn rebase(&mut self) -> usize {
        let taken = self.start;
        if taken == 0 {
            // An event of many lines must not be gone through again with every read.
            return 0;
        }
        self.start = 0;
        self.line -= taken;
        self.scanned = self.scanned.saturating_sub(taken);
        self.name = self.name.start.saturating_sub(taken)..self.name.end.saturating_sub(taken);
        for span in &mut self.data {
            *span = span.start - taken..span.end - taken;
        }
        taken
    }

    /// The line that starts at `self.line` ends before `end`; the next one starts at `next`.
    fn take_line(
        &mut self,
        text: &[u8],
        end: usize,
        next: usize,
        items: &mut Vec<Item>,
        joined: &mut Vec<u8>,
    ) {
        let mut at = self.line;
        if !self.begun {
            self.begun = true;
            if text[at..end].starts_with(b"\xEF\xBB\xBF") {
                at += 3;
            }
        }
        let line = &text[at..end];
        self.line = next;
        if line.is_empty() {
            self.dispatch(text, next, items, joined);
            return;
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value = {
            let from = (at + colon + 1).min(end);
            if text[from..end].first() == Some(&b' ') { from + 1..end } else { from..end }
        };
        match &line[..colon] {
            field @ (b"" | b"data" | b"event" | b"id" | b"retry") => {
                if self.stray.is_some() {
                    self.dispatch(text, at, items, joined);
                }
                self.open = true;
                match field {
                    b"data" => self.data.push(value),
                    b"event" => self.name = value,
                    _ => {}
                }
            }
            _ => self.take_stray(text, at..end, next, items, joined),
        }
    }

    /// Collects stray text: a line of plain text is one item; a JSON document is one item however many lines it has.
    fn take_stray(
        &mut self,
        text: &[u8],
        line: Span,
        next: usize,
        items: &mut Vec<Item>,
        joined: &mut Vec<u8>,
    ) {
        if self.stray.is_none() {
            self.dispatch(text, line.start, items, joined);
            self.open = true;
            self.stray = Some(Depth::default());
        }
        let depth = self.stray.get_or_insert_default();
        for byte in &text[line] {
            depth.step(*byte);
        }
        if !depth.is_open() {
            self.dispatch(text, next, items, joined);
        }
    }

    /// Ends the event that is being read before `end`.
    fn dispatch(&mut self, text: &[u8], end: usize, items: &mut Vec<Item>, joined: &mut Vec<u8>) {
        let raw = self.start..end;
        self.start = end;
        if !std::mem::take(&mut self.open) {
            return;
        }
        let name = std::mem::take(&mut self.name);
        if self.stray.take().is_some() {
            let data = raw.start..raw.start + text[raw.clone()].trim_ascii_end().len();
            items.push(Item { kind: Kind::Stray, data, raw, name: 0..0, joined: false });
            return;
        }
        let item = match self.data.as_slice() {
            [] => Item { kind: Kind::Quiet, raw, name, data: 0..0, joined: false },
            [line] => Item { kind: Kind::Event, raw, name, data: line.clone(), joined: false },
            lines => {
                let from = joined.len();
                for (index, line) in lines.iter().enumerate() {
                    if index > 0 {
                        joined.push(b'\n');
                    }
                    joined.extend_from_slice(&text[line.clone()]);
                }
                Item { kind: Kind::Event, raw, name, data: from..joined.len(), joined: true }
            }
        };
        self.data.clear();
        self.data.shrink_to(KEPT_LINES);
        items.push(item);
    }
}
