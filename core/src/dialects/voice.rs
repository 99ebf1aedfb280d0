//! The last step of a stream: what the relay gives out becomes what the client reads.

use bytes::Bytes;

use super::elements::Elements;
use super::{Dialect, Encoder, Facts, Said};
use crate::failure::Failure;
use crate::framing::{Kind, Sse};

/// What one client hears of its stream.
pub struct Voice {
    dialect: Dialect,
    kind: Speech,
    /// The client wants one JSON array.
    array: Option<Elements>,
}

enum Speech {
    /// The relay speaks the client's dialect.
    Same,
    /// The same, and the error event takes something of what was said.
    Remembered(Said),
    /// The relay speaks the canonical dialect.
    Encoded { encoder: Box<dyn Encoder>, framer: Sse },
}

impl Voice {
    /// For a client of `dialect` whose stream is relayed in `wire`.
    pub fn new(dialect: Dialect, wire: Dialect, facts: impl FnOnce() -> Facts) -> Self {
        let encoder = if wire == dialect { None } else { dialect.encoder(facts()) };
        let kind = match encoder {
            // What is passed here has been through the limits.
            Some(encoder) => Speech::Encoded { encoder, framer: Sse::new(usize::MAX) },
            None if dialect.remembers() => Speech::Remembered(Said::default()),
            None => Speech::Same,
        };
        Self { dialect, kind, array: None }
    }

    /// The same for a client that wants its events as the elements of one JSON array.
    #[must_use]
    pub fn array(self) -> Self {
        Self { array: Some(Elements::default()), ..self }
    }

    /// What the client gets of these bytes, which are whole events. It may be nothing.
    pub fn take(&mut self, bytes: Bytes) -> Bytes {
        let said = match &mut self.kind {
            Speech::Same => bytes,
            Speech::Remembered(said) => {
                if said.first.is_empty() {
                    said.first = bytes.clone();
                }
                // A comment says nothing.
                if memchr::memmem::find(&bytes, b"data:").is_some() {
                    said.last = bytes.clone();
                }
                bytes
            }
            Speech::Encoded { encoder, framer } => encoded(encoder.as_mut(), framer, bytes),
        };
        match &mut self.array {
            Some(array) => array.take(said),
            None => said,
        }
    }

    /// What follows the last of a stream that came to its normal end. It is given once.
    pub fn end(&mut self) -> Option<Bytes> {
        self.array.as_mut().and_then(Elements::end)
    }

    /// The one terminal of a stream that failed.
    pub fn error(&mut self, failure: &Failure) -> Bytes {
        let said: Bytes = match &mut self.kind {
            Speech::Same => self.dialect.error_event(failure, &Said::default()).into(),
            Speech::Remembered(said) => self.dialect.error_event(failure, said).into(),
            Speech::Encoded { encoder, .. } => {
                let mut out = Vec::new();
                encoder.error(failure, &mut out);
                out.into()
            }
        };
        match &mut self.array {
            Some(array) => [array.take(said), array.end().unwrap_or_default()].concat().into(),
            None => said,
        }
    }
}

fn encoded(encoder: &mut dyn Encoder, framer: &mut Sse, bytes: Bytes) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len());
    // The limit cannot be passed.
    let Ok(block) = framer.push(bytes) else { return Bytes::new() };
    for event in block.events() {
        if event.kind != Kind::Event {
            continue;
        }
        if event.data.trim_ascii() == b"[DONE]" {
            encoder.done(&mut out);
        } else if let Ok(chunk) = serde_json::from_slice(event.data) {
            // The relay has found it to be in the dialect: what cannot be read is an event without data.
            encoder.chunk(&chunk, &mut out);
        }
    }
    out.into()
}
