//! Tells the events of an upstream's body apart: SSE, one JSON document a line, the elements of a JSON array, or AWS's
//! binary frames.
//!
//! A framer copies nothing that it need not: a read that holds whole events comes back as the same bytes, with a
//! list of places in it. It has no mode that a line could switch it into and not out of, and it looks at every byte
//! once, however the reads are cut (the hang of BerriAI/litellm#26015 and the quadratic re-parse of #26181).

mod aws_eventstream;
mod depth;
mod json_array;
mod json_lines;
mod sse;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tidegate_host::Framing;

pub use aws_eventstream::AwsEventstream;
pub use json_array::JsonArray;
pub use json_lines::JsonLines;
pub use sse::Sse;

/// A place in a block's bytes, or in its joined text.
pub(crate) type Span = std::ops::Range<usize>;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An event with data.
    Event,
    /// Comments, `id:`, `retry:` or an `event:` without data: nothing to decode.
    Quiet,
    /// Text that the framing does not know. It may hold a bare JSON document.
    Stray,
    /// An error by the framing's own word: an AWS exception. Its name is the exception's type or the error's code; its data
    /// are the payload or the error's message.
    Error,
    /// The framing ends here: what follows cannot be told apart.
    Broken(Broken),
}

/// Why a framing of lengths and checksums ends. Its `Display` is a clause about the answer, as [`crate::failure`] has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The body ended inside a frame.
    Cut,
    /// A checksum is not that of the bytes.
    Checksum,
    /// The lengths contradict each other.
    Lengths,
    /// A frame is longer than the limit.
    TooLong,
    /// The headers are none.
    Headers,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cut => "it broke off inside an event",
            Self::Checksum => "a frame whose checksum is wrong",
            Self::Lengths => "a frame whose lengths contradict each other",
            Self::TooLong => "an event is longer than the limit",
            Self::Headers => "a frame whose headers cannot be read",
        })
    }
}

/// One item of a block, as places in it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    kind: Kind,
    raw: Span,
    name: Span,
    data: Span,
    joined: bool,
}

/// What one read completed.
#[derive(Debug)]
pub struct Block<'a> {
    /// The bytes of all items, in order, as they came.
    pub bytes: Bytes,
    items: &'a [Item],
    joined: &'a [u8],
}

/// One item of a [`Block`].
#[derive(Debug)]
pub struct Event<'a> {
    /// What it is.
    pub kind: Kind,
    /// The `event:` field, AWS's `:event-type`, or empty.
    pub name: &'a [u8],
    /// The joined `data:` lines, a JSON element, or the stray text.
    pub data: &'a [u8],
    /// Where it stands in the block's bytes, its separator included.
    pub raw: Span,
}

/// A block that outlives the next read.
#[derive(Debug, Default)]
pub struct Kept {
    bytes: Bytes,
    items: Vec<Item>,
    joined: Vec<u8>,
}

impl Kept {
    /// The block.
    pub fn block(&self) -> Block<'_> {
        Block { bytes: self.bytes.clone(), items: &self.items, joined: &self.joined }
    }
}

impl Block<'_> {
    /// The same, to be kept.
    pub fn keep(&self) -> Kept {
        Kept { bytes: self.bytes.clone(), items: self.items.to_vec(), joined: self.joined.to_vec() }
    }

    /// Its items, in order.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        self.items.iter().map(|item| Event {
            kind: item.kind,
            name: &self.bytes[item.name.clone()],
            data: if item.joined { &self.joined[item.data.clone()] } else { &self.bytes[item.data.clone()] },
            raw: item.raw.clone(),
        })
    }

    /// Whether the read completed nothing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// An event is longer than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Any of the framings.
#[derive(Debug)]
pub enum Framer {
    /// Server-sent events.
    Sse(Sse),
    /// A JSON document a line.
    JsonLines(JsonLines),
    /// The elements of one JSON array, or one lone document.
    JsonArray(JsonArray),
    /// AWS's binary frames.
    AwsEventstream(AwsEventstream),
}

impl Framer {
    /// One for an upstream's framing, server-sent events where that is not said; `limit`: bytes of one event.
    pub fn new(framing: Framing, limit: usize) -> Self {
        match framing {
            Framing::JsonLines => Self::JsonLines(JsonLines::new(limit)),
            Framing::JsonArray => Self::JsonArray(JsonArray::new(limit)),
            Framing::AwsEventstream => Self::AwsEventstream(AwsEventstream::new(limit)),
            Framing::Auto | Framing::Sse => Self::Sse(Sse::new(limit)),
        }
    }

    /// Takes one read. What it does not complete is kept for the next.
    ///
    /// # Errors
    /// [`TooLong`] when what is kept grows past the limit; the framer is of no use afterwards.
    pub fn push(&mut self, chunk: Bytes) -> Result<Block<'_>, TooLong> {
        match self {
            Framer::Sse(framer) => framer.push(chunk),
            Framer::JsonLines(framer) => framer.push(chunk),
            Framer::JsonArray(framer) => framer.push(chunk),
            Framer::AwsEventstream(framer) => framer.push(chunk),
        }
    }

    /// The body ended: what is left, complete or not, as items. Whether they are whole is the dialect's to judge.
    pub fn finish(&mut self) -> Block<'_> {
        match self {
            Framer::Sse(framer) => framer.finish(),
            Framer::JsonLines(framer) => framer.finish(),
            Framer::JsonArray(framer) => framer.finish(),
            Framer::AwsEventstream(framer) => framer.finish(),
        }
    }
}

/// Room that one large read leaves to the next: many items, and joined text, are rare.
const KEPT_ITEMS: usize = 256;
const KEPT_JOINED: usize = 4096;

/// What has been read and not completed, and the list of what has.
///
/// While nothing is kept, a read is scanned where it is and given back as it came.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    kept: bytes::BytesMut,
    items: Vec<Item>,
    joined: Vec<u8>,
}

impl Buffer {
    /// Scans `chunk` behind what is kept. `scan` appends items and says how many bytes they took; its own places are
    /// relative to the first kept byte, and the caller must move them down by the number returned with the block.
    fn push(
        &mut self,
        chunk: Bytes,
        limit: usize,
        scan: impl FnOnce(&[u8], &mut Vec<Item>, &mut Vec<u8>) -> usize,
    ) -> Result<Block<'_>, TooLong> {
        self.clear();
        let bytes = if self.kept.is_empty() {
            let taken = scan(&chunk, &mut self.items, &mut self.joined);
            self.kept.extend_from_slice(&chunk[taken..]);
            chunk.slice(..taken)
        } else {
            self.kept.extend_from_slice(&chunk);
            let taken = scan(&self.kept, &mut self.items, &mut self.joined);
            self.split(taken)
        };
        if self.kept.len() > limit {
            return Err(TooLong);
        }
        Ok(Block { bytes, items: &self.items, joined: &self.joined })
    }

    fn finish(&mut self, scan: impl FnOnce(&[u8], &mut Vec<Item>, &mut Vec<u8>)) -> Block<'_> {
        self.clear();
        scan(&self.kept, &mut self.items, &mut self.joined);
        let bytes = self.split(self.kept.len());
        Block { bytes, items: &self.items, joined: &self.joined }
    }

    fn clear(&mut self) {
        self.items.clear();
        self.joined.clear();
        self.items.shrink_to(KEPT_ITEMS);
        self.joined.shrink_to(KEPT_JOINED);
    }

    fn split(&mut self, taken: usize) -> Bytes {
        let bytes = self.kept.split_to(taken).freeze();
        if self.kept.is_empty() {
            // An idle stream must not hold a buffer.
            self.kept = bytes::BytesMut::new();
        }
        bytes
    }
}
