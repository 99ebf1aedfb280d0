//! The sink of a stream's events: one growing buffer with ranges into it, used again for each call.

use std::ffi::c_void;
use std::ops::Range;

use tidegate_plugin_abi::{Status, Str, StreamOutV1, note};

use crate::sinks::{self, Fault, Sink};

/// A buffer that one big event made larger than this is given back by [`Events::clear`], so that an idle stream
/// does not keep it.
const KEPT_CAPACITY: usize = 64 * 1024;

/// A fact that a plugin notes beside the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the header's")]
pub enum Note {
    TokensIn,
    TokensOut,
    TokensCached,
    TokensReasoning,
    /// Of the request, written to a cache.
    TokensCacheWrite,
    /// The upstream's terminal marker was seen: nothing follows.
    Done,
    /// The answer is whole unless more comes: 1, or not after all: 0.
    Finished,
}

impl Note {
    /// The header's number of it.
    pub(crate) fn number(self) -> u32 {
        match self {
            Note::TokensIn => note::TOKENS_IN,
            Note::TokensOut => note::TOKENS_OUT,
            Note::TokensCached => note::TOKENS_CACHED,
            Note::TokensReasoning => note::TOKENS_REASONING,
            Note::TokensCacheWrite => note::TOKENS_CACHE_WRITE,
            Note::Done => note::DONE,
            Note::Finished => note::FINISHED,
        }
    }
}

/// What one call of a stream's plugin wrote. Each call empties it first; a call that fails leaves it empty.
#[derive(Debug)]
pub struct Events {
    bytes: Vec<u8>,
    items: Vec<(Range<usize>, Range<usize>)>,
    notes: Vec<(Note, u64)>,
    max_bytes: usize,
    max_events: usize,
    fault: Option<Fault>,
}

impl Sink for Events {
    fn fault(&mut self) -> &mut Option<Fault> {
        &mut self.fault
    }
}

impl Default for Events {
    /// 16 MiB and 4096 events a call.
    fn default() -> Self {
        Self::new(16 << 20, 4096)
    }
}

impl Events {
    /// One call may write at most `max_bytes` of names and data, `max_events` events and as many notes.
    /// Nothing is allocated until something is written.
    pub fn new(max_bytes: usize, max_events: usize) -> Self {
        Self { bytes: Vec::new(), items: Vec::new(), notes: Vec::new(), max_bytes, max_events, fault: None }
    }

    /// Empties it, and keeps small buffers.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.items.clear();
        self.notes.clear();
        self.fault = None;
    }

    /// The events in order: name (often empty, no line breaks) and data (may hold line breaks), both UTF-8, in the
    /// dialect that the stream's head names, else OpenAI chat.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.items.iter().map(|(name, data)| (&self.bytes[name.clone()], &self.bytes[data.clone()]))
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// No event was written (notes may have been).
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The notes in order. Token counts are the stream's totals so far: the last one holds.
    pub fn notes(&self) -> &[(Note, u64)] {
        &self.notes
    }

    /// The upstream's terminal marker was noted: nothing follows.
    pub fn is_done(&self) -> bool {
        self.notes.iter().any(|(note, _)| *note == Note::Done)
    }

    /// Begins a call. The table is valid while `self` is neither moved nor touched.
    pub(crate) fn out(&mut self) -> StreamOutV1 {
        self.clear();
        StreamOutV1 {
            size: size_of::<StreamOutV1>() as u32,
            reserved: 0,
            ctx: (&raw mut *self).cast(),
            event: Some(event_write),
            note: Some(note_write),
        }
    }

    pub(crate) fn taken_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// Takes one event as the sink does.
    pub(crate) fn put(&mut self, name: &[u8], data: &[u8]) -> Result<(), Fault> {
        sinks::put(self, |events| events.push(sinks::as_line(name)?, sinks::as_text(data)?))
    }

    /// Takes one note as the sink does.
    pub(crate) fn put_note(&mut self, kind: u32, value: u64) -> Result<(), Fault> {
        sinks::put(self, |events| events.push_note(kind, value))
    }

    fn push(&mut self, name: &str, data: &str) -> Result<(), Fault> {
        let room = self.max_bytes - self.bytes.len();
        if name.len().saturating_add(data.len()) > room || self.items.len() >= self.max_events {
            return Err(Fault::Limit);
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(name.as_bytes());
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(data.as_bytes());
        self.items.push((at..middle, middle..self.bytes.len()));
        Ok(())
    }

    fn push_note(&mut self, kind: u32, value: u64) -> Result<(), Fault> {
        let kind = match kind {
            note::TOKENS_IN => Note::TokensIn,
            note::TOKENS_OUT => Note::TokensOut,
            note::TOKENS_CACHED => Note::TokensCached,
            note::TOKENS_REASONING => Note::TokensReasoning,
            note::TOKENS_CACHE_WRITE => Note::TokensCacheWrite,
            note::DONE => Note::Done,
            note::FINISHED => Note::Finished,
            // Of a later minor: the contract says that it means nothing to us.
            _ => return Ok(()),
        };
        if self.notes.len() >= self.max_events {
            return Err(Fault::Limit);
        }
        self.notes.push((kind, value));
        Ok(())
    }
}

unsafe extern "C" fn event_write(ctx: *mut c_void, name: Str, data: Str) -> Status {
    // SAFETY: `ctx` is the Events of the call under way; the strings are lent for this write.
    unsafe { sinks::write::<Events>(ctx, |events| events.push(sinks::line(name)?, sinks::text(data)?)) }
}

unsafe extern "C" fn note_write(ctx: *mut c_void, kind: u32, value: u64) -> Status {
    // SAFETY: `ctx` is the Events of the call under way.
    unsafe { sinks::write::<Events>(ctx, |events| events.push_note(kind, value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caps_are_per_call() {
        let mut events = Events::new(8, 2);
        assert_eq!(events.push("n", "1234567"), Ok(()));
        assert_eq!(events.push("", "x"), Err(Fault::Limit), "bytes");
        assert!(events.iter().eq([(&b"n"[..], &b"1234567"[..])]));
        events.out();
        assert_eq!(events.push("", "a"), Ok(()));
        assert_eq!(events.push("", "b"), Ok(()));
        assert_eq!(events.push("", ""), Err(Fault::Limit), "count");
    }

    #[test]
    fn a_big_buffer_is_given_back() {
        let mut events = Events::new(1 << 20, 8);
        events.push("", &"x".repeat(KEPT_CAPACITY + 1)).unwrap();
        events.clear();
        assert_eq!(events.bytes.capacity(), 0);
    }

    #[test]
    fn notes_are_capped_and_later_kinds_ignored() {
        let mut events = Events::new(8, 1);
        assert_eq!(events.push_note(99, 1), Ok(()));
        assert_eq!(events.push_note(note::TOKENS_OUT, 4), Ok(()));
        assert_eq!(events.push_note(note::DONE, 0), Err(Fault::Limit));
        assert_eq!(events.notes(), [(Note::TokensOut, 4)]);
    }
}
