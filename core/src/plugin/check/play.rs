//! Plays the bytes of an upstream's answer into a plugin, as the relay does, and keeps what came of it.

use bytes::Bytes;
use serde_json::Value;
use tidegate_host::{Answer, Close, End, Events, Framing, HeadIn, Note, PluginError, ProviderInstance};

use super::bench::now;
use super::trail::Trail;
use crate::dialects::{Dialect, Seen};
use crate::framing::{Block, Broken, Framer, Kind};
use crate::relay::reader::{Use, document};

/// How an answer is played.
#[derive(Clone, Copy)]
pub(super) struct Play<'a> {
    pub(super) provider: &'a ProviderInstance,
    pub(super) framing: Framing,
    /// Bytes and events that one call may write.
    pub(super) caps: (usize, usize),
    /// Lies behind each text that is lent: nothing may depend on it.
    pub(super) behind: u8,
    /// For the trail.
    pub(super) what: &'a str,
    pub(super) trail: Option<&'a Trail>,
}

/// What came of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// The client's events, name and data, but for the terminal marker.
    pub(super) events: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) notes: Vec<(Note, u64)>,
    pub(super) ending: Ending,
    /// An event that the plugin wrote and that is none of the client's dialect.
    pub(super) alien: Option<Vec<u8>>,
    /// What was lent was written to.
    pub(super) scribbled: bool,
    /// It wrote when no sink was lent.
    pub(super) late: bool,
    /// Events of the last read that came after the plugin had noted that nothing follows.
    pub(super) left: usize,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    Done,
    Truncated,
    /// The provider's error form.
    Upstream,
    /// An event is longer than the framing takes.
    TooLong,
    Failed(PluginError),
}

/// Text, arguments and finishes of all choices, the part of an answer that must not be cut short.
pub(super) type Essence = Vec<(u64, String, String, Vec<String>)>;

/// The caps that the relay has.
pub(super) const CAPS: (usize, usize) = (16 << 20, 4096);

pub(super) fn head<'a>(framing: Framing) -> HeadIn<'a> {
    HeadIn {
        http_status: 200,
        dialect: tidegate_host::Dialect::OpenaiChat,
        framing,
        model: "model",
        headers: &[],
        unix_ms: 1_767_225_600_000,
        seed: 0xfeed,
    }
}

impl Play<'_> {
    /// Plays chunks of bytes, as reads would bring them.
    pub(super) fn chunks<'b>(&self, chunks: impl IntoIterator<Item = &'b [u8]>) -> Told {
        let mut told = Told {
            events: vec![],
            notes: vec![],
            ending: Ending::Truncated,
            alien: None,
            scribbled: false,
            left: 0,
            late: false,
        };
        let mut framer = Framer::new(self.framing, CAPS.0);
        self.mark("stream_open");
        let mut stream = match now(self.provider.open(&head(self.framing))) {
            Ok(stream) => stream,
            Err(error) => return Told { ending: Ending::Failed(error), ..told },
        };
        let mut events = Events::new(self.caps.0, self.caps.1);
        let mut ended = None;
        for chunk in chunks {
            ended = match framer.push(Bytes::copy_from_slice(chunk)) {
                Ok(block) => self.block(&block, &mut stream, &mut events, &mut told),
                Err(_) => Some(Ending::TooLong),
            };
            if ended.is_some() {
                break;
            }
        }
        if ended.is_none() {
            ended = self.block(&framer.finish(), &mut stream, &mut events, &mut told);
        }
        // DONE was noted, or the body is at its end: both are followed by `stream_end`.
        if matches!(ended, None | Some(Ending::Done)) {
            self.mark("stream_end");
            ended = Some(match stream.end(&mut events) {
                Ok(End::Done) => Ending::Done,
                Ok(End::Truncated) => Ending::Truncated,
                Err(error) => Ending::Failed(error),
            });
            told.take(&events);
        }
        told.ending = ended.unwrap_or(Ending::Truncated);
        self.mark("stream_close");
        events.clear();
        stream.close(if told.ending == Ending::Done { Close::End } else { Close::Failed });
        // No sink was lent since; who has kept one has written into it.
        told.late = !std::hint::black_box(&events).is_empty();
        told
    }

    fn mark(&self, called: &str) {
        if let Some(trail) = self.trail {
            trail.at(called, self.what);
        }
    }

    fn block(
        &self,
        block: &Block<'_>,
        stream: &mut tidegate_host::Stream,
        events: &mut Events,
        told: &mut Told,
    ) -> Option<Ending> {
        let mut items = block.events();
        while let Some(event) = items.next() {
            let (data, stray) = match Use::of(&event) {
                Use::Error => return Some(Ending::Upstream),
                Use::Broken(Broken::TooLong) => return Some(Ending::TooLong),
                Use::Broken(_) => return Some(Ending::Truncated),
                Use::Nothing => continue,
                Use::Look => (document(&event), event.kind == Kind::Stray),
            };
            self.mark("stream_event");
            let lent = Lent::of(data, self.behind);
            let answer = stream.event(event.name, lent.data(), stray, events);
            told.scribbled |= !lent.is_as_it_was(data, self.behind);
            match answer {
                Ok(Answer::Pass) => told.events.push((event.name.to_vec(), data.to_vec())),
                Ok(_) => {}
                Err(error) => return Some(Ending::Failed(error)),
            }
            told.take(events);
            if answer == Ok(Answer::Upstream) {
                return Some(Ending::Upstream);
            }
            if events.is_done() {
                told.left = items.filter(|item| item.kind == Kind::Event).count();
                return Some(Ending::Done);
            }
        }
        None
    }
}

impl Told {
    fn take(&mut self, events: &Events) {
        for (name, data) in events.iter() {
            if self.alien.is_none() && !matches!(Dialect::OpenAiChat.inspect(name, data), Seen::Chunk(_)) {
                self.alien = Some(data.to_vec());
            }
            self.events.push((name.to_vec(), data.to_vec()));
        }
        self.notes.extend_from_slice(events.notes());
    }

    /// Text, arguments and finishes of all choices.
    pub(super) fn essence(&self) -> Essence {
        let mut essence = Essence::new();
        for (_, data) in &self.events {
            let Ok(chunk) = serde_json::from_slice::<Value>(data) else { continue };
            for choice in chunk["choices"].as_array().into_iter().flatten() {
                let index = choice["index"].as_u64().unwrap_or(0);
                let at = essence.iter().position(|(known, ..)| *known == index).unwrap_or_else(|| {
                    essence.push((index, String::new(), String::new(), Vec::new()));
                    essence.len() - 1
                });
                let (_, text, arguments, finishes) = &mut essence[at];
                text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
                for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                    let function = &call["function"];
                    arguments.push_str(function["name"].as_str().unwrap_or_default());
                    arguments.push_str(function["arguments"].as_str().unwrap_or_default());
                }
                finishes.extend(choice["finish_reason"].as_str().map(str::to_owned));
            }
        }
        essence
    }

    /// Whether a choice's end was told.
    pub(super) fn has_finish(&self) -> bool {
        self.essence().iter().any(|(.., finishes)| !finishes.is_empty())
    }
}

/// An event as a plugin is handed it, kept.
pub(super) struct Cut {
    pub(super) name: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) stray: bool,
}

/// The events of an answer, for who calls a plugin without playing it.
pub(super) fn cut(framing: Framing, bytes: &[u8]) -> Vec<Cut> {
    fn keep(block: &Block<'_>, into: &mut Vec<Cut>) {
        let handed = block.events().filter(|event| Use::of(event) == Use::Look);
        into.extend(handed.map(|event| Cut {
            name: event.name.to_vec(),
            data: document(&event).to_vec(),
            stray: event.kind == Kind::Stray,
        }));
    }
    let (mut framer, mut events) = (Framer::new(framing, CAPS.0), Vec::new());
    if let Ok(block) = framer.push(Bytes::copy_from_slice(bytes)) {
        keep(&block, &mut events);
    }
    keep(&framer.finish(), &mut events);
    events
}

/// What lies behind a text that is lent, where a case does not vary it.
pub(super) const BEHIND: u8 = 0x5a;

/// Bytes with others around them, so that it shows who writes past what was lent, or reads past it.
struct Lent {
    bytes: Vec<u8>,
    len: usize,
}

const MARGIN: usize = 32;
const BEFORE: u8 = 0xa5;

impl Lent {
    fn of(data: &[u8], behind: u8) -> Self {
        let mut bytes = vec![BEFORE; MARGIN];
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len() + MARGIN, behind);
        Self { bytes, len: data.len() }
    }

    fn data(&self) -> &[u8] {
        // What is behind the reference may have been written to by code that the compiler does not see.
        &std::hint::black_box(&self.bytes)[MARGIN..MARGIN + self.len]
    }

    fn is_as_it_was(&self, data: &[u8], behind: u8) -> bool {
        let bytes = std::hint::black_box(&self.bytes);
        let (before, rest) = bytes.split_at(MARGIN);
        let (middle, after) = rest.split_at(self.len);
        middle == data && before.iter().all(|b| *b == BEFORE) && after.iter().all(|b| *b == behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_before_inside_or_after_what_was_lent_is_seen() {
        for at in [0, MARGIN - 1, MARGIN, MARGIN + 2, MARGIN + 3] {
            let mut lent = Lent::of(b"abc", 7);
            assert!(lent.is_as_it_was(b"abc", 7) && lent.data() == b"abc");
            lent.bytes[at] ^= 1;
            assert!(!lent.is_as_it_was(b"abc", 7), "at {at}");
        }
    }
}
