//! The elements of one JSON array, as Gemini streams them without `alt=sse`; or one lone document, as it answers errors.

use bytes::Bytes;

use super::{Block, Buffer, Item, Kind, TooLong, depth::Depth};

/// The framer of a JSON array.
#[derive(Debug)]
pub struct JsonArray {
    buffer: Buffer,
    state: State,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    scanned: usize,
    /// The element that is being read: where it starts, and its nesting.
    element: Option<(usize, Depth)>,
}

impl JsonArray {
    /// `limit`: bytes of the longest element.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Buffer::default(), state: State::default(), limit }
    }

    /// See [`super::Framer::push`].
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn push(&mut self, chunk: Bytes) -> Result<Block<'_>, TooLong> {
        let state = &mut self.state;
        self.buffer.push(chunk, self.limit, |text, items, _| state.scan(text, items))
    }

    /// See [`super::Framer::finish`].
    pub fn finish(&mut self) -> Block<'_> {
        let state = std::mem::take(&mut self.state);
        self.buffer.finish(|text, items, _| {
            if let Some((start, _)) = state.element {
                items.push(event(start, text.len()));
            }
        })
    }
}

impl State {
    fn scan(&mut self, text: &[u8], items: &mut Vec<Item>) -> usize {
        for (at, byte) in text.iter().enumerate().skip(self.scanned) {
            match &mut self.element {
                Some((start, depth)) => {
                    if depth.step(*byte) {
                        items.push(event(*start, at + 1));
                        self.element = None;
                    }
                }
                None => match byte {
                    b'[' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
                    b'{' => {
                        let mut depth = Depth::default();
                        depth.step(*byte);
                        self.element = Some((at, depth));
                    }
                    _ => {
                        items.push(Item {
                            kind: Kind::Stray,
                            raw: at..at + 1,
                            name: 0..0,
                            data: at..at + 1,
                            joined: false,
                        });
                    }
                },
            }
        }
        let taken = self.element.as_ref().map_or(text.len(), |(start, _)| *start);
        if let Some((start, _)) = &mut self.element {
            *start = 0;
        }
        self.scanned = text.len() - taken;
        taken
    }
}

fn event(start: usize, end: usize) -> Item {
    Item { kind: Kind::Event, raw: start..end, name: 0..0, data: start..end, joined: false }
}
