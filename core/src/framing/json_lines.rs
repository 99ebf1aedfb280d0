//! One JSON document a line (`application/x-ndjson`), as Ollama sends.

use bytes::Bytes;
use memchr::memchr;

use super::{Block, Buffer, Item, Kind, TooLong};

/// The framer of newline-delimited JSON.
#[derive(Debug)]
pub struct JsonLines {
    buffer: Buffer,
    scanned: usize,
    limit: usize,
}

impl JsonLines {
    /// `limit`: bytes of the longest line.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Buffer::default(), scanned: 0, limit }
    }

    /// See [`super::Framer::push`].
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn push(&mut self, chunk: Bytes) -> Result<Block<'_>, TooLong> {
        let scanned = &mut self.scanned;
        self.buffer.push(chunk, self.limit, |text, items, _| {
            let mut start = 0;
            while let Some(found) = memchr(b'\n', &text[*scanned..]) {
                let next = *scanned + found + 1;
                push_line(text, start, next, items);
                start = next;
                *scanned = next;
            }
            *scanned = text.len() - start;
            start
        })
    }

    /// See [`super::Framer::finish`].
    pub fn finish(&mut self) -> Block<'_> {
        self.scanned = 0;
        self.buffer.finish(|text, items, _| push_line(text, 0, text.len(), items))
    }
}

fn push_line(text: &[u8], start: usize, end: usize, items: &mut Vec<Item>) {
    let data = start..start + text[start..end].trim_ascii_end().len();
    if !data.is_empty() {
        items.push(Item { kind: Kind::Event, raw: start..end, name: 0..0, data, joined: false });
    }
}
