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
    /// The upstream's terminal marker was seen: nothing follows.
    Done,
}

/// One event, in the dialect that its stream's head names, else OpenAI chat. Both parts are UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its name, often empty; no line breaks.
    pub name: &'a [u8],
    /// Its data; may hold line breaks.
    pub data: &'a [u8],
}

/// What a stream's plugin wrote. Calls append; [`Self::clear`] empties it. A call that fails leaves nothing behind.
#[derive(Debug)]
pub struct Events {
    bytes: Vec<u8>,
    items: Vec<(Range<usize>, Range<usize>)>,
    notes: Vec<(Note, u64)>,
    max_bytes: usize,
    max_events: usize,
    /// Lengths of the three lists when the call began.
    mark: (usize, usize, usize),
    fault: Option<Fault>,
}

impl Sink for Events {
    fn fault(&mut self) -> &mut Option<Fault> {
        &mut self.fault
    }
}

impl Events {
    /// One call may write at most `max_bytes` of names and data, `max_events` events and as many notes.
    /// Nothing is allocated until something is written.
    pub fn new(max_bytes: usize, max_events: usize) -> Self {
        Self {
            bytes: Vec::new(),
            items: Vec::new(),
            notes: Vec::new(),
            max_bytes,
            max_events,
            mark: (0, 0, 0),
            fault: None,
        }
    }

    /// Empties it, and keeps small buffers.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.items.clear();
        self.notes.clear();
    }

    /// The events, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.items
            .iter()
            .map(|(name, data)| Event { name: &self.bytes[name.clone()], data: &self.bytes[data.clone()] })
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// No event was written (notes may have been).
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The notes, oldest first. Token counts are totals so far: the last one holds.
    pub fn notes(&self) -> &[(Note, u64)] {
        &self.notes
    }

    /// Begins a call: the caps start over.
    pub(crate) fn begin(&mut self) -> StreamOutV1 {
        self.mark = (self.bytes.len(), self.items.len(), self.notes.len());
        self.fault = None;
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

    /// Whether the call wrote events.
    pub(crate) fn grew(&self) -> bool {
        self.items.len() > self.mark.1
    }

    /// Forgets what the call wrote.
    pub(crate) fn undo(&mut self) {
        self.bytes.truncate(self.mark.0);
        self.items.truncate(self.mark.1);
        self.notes.truncate(self.mark.2);
    }

    fn push(&mut self, name: &str, data: &str) -> Result<(), Fault> {
        let used = self.bytes.len() - self.mark.0;
        let wanted = name.len().saturating_add(data.len());
        if wanted > self.max_bytes.saturating_sub(used) || self.items.len() - self.mark.1 >= self.max_events {
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
            note::DONE => Note::Done,
            // Of a later minor: the contract says that it means nothing to us.
            _ => return Ok(()),
        };
        if self.notes.len() - self.mark.2 >= self.max_events {
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
    fn the_caps_are_per_call_and_undo_forgets_one_call() {
        let mut events = Events::new(8, 2);
        events.begin();
        assert_eq!(events.push("n", "1234567"), Ok(()));
        assert_eq!(events.push("", "x"), Err(Fault::Limit), "bytes");
        events.begin();
        assert_eq!(events.push("", "a"), Ok(()));
        assert_eq!(events.push("", "b"), Ok(()));
        assert_eq!(events.push("", ""), Err(Fault::Limit), "count");
        assert!(events.grew());
        events.undo();
        assert!(!events.grew());
        let kept: Vec<_> = events.iter().collect();
        assert_eq!(kept, [Event { name: b"n", data: b"1234567" }]);
    }

    #[test]
    fn a_big_buffer_is_given_back() {
        let mut events = Events::new(1 << 20, 8);
        events.begin();
        events.push("", &"x".repeat(KEPT_CAPACITY + 1)).unwrap();
        events.clear();
        assert_eq!(events.bytes.capacity(), 0);
    }

    #[test]
    fn notes_are_capped_and_later_kinds_ignored() {
        let mut events = Events::new(8, 1);
        events.begin();
        assert_eq!(events.push_note(99, 1), Ok(()));
        assert_eq!(events.push_note(note::TOKENS_OUT, 4), Ok(()));
        assert_eq!(events.push_note(note::DONE, 0), Err(Fault::Limit));
        assert_eq!(events.notes(), [(Note::TokensOut, 4)]);
    }
}
