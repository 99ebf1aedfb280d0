//! Frames, and how they are cut out of a stream of bytes.

use super::{Garbled, Put};
use crate::hook::Op;

/// The length of a frame's head, its own length included.
const HEAD: usize = 4 + 8 + 1;

/// No frame is longer than this: a request's body and an answer's are capped far below it.
pub(crate) const MAX_FRAME: usize = 256 << 20;

/// A buffer that one long frame made larger than this is given back.
const KEPT: usize = 256 * 1024;

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Tag {
    Hello = 1,
    CreateProvider = 2,
    CreatePolicy = 3,
    Destroy = 4,
    Request = 5,
    Open = 6,
    Events = 7,
    Close = 8,
    Response = 9,
    Classify = 10,
    Decide = 11,
    Pick = 12,
    /// From the worker alone, and never an answer.
    Log = 13,
}

impl Tag {
    const ALL: [Tag; 13] = [
        Tag::Hello,
        Tag::CreateProvider,
        Tag::CreatePolicy,
        Tag::Destroy,
        Tag::Request,
        Tag::Open,
        Tag::Events,
        Tag::Close,
        Tag::Response,
        Tag::Classify,
        Tag::Decide,
        Tag::Pick,
        Tag::Log,
    ];

    fn from_u8(value: u8) -> Result<Self, Garbled> {
        let tag = usize::from(value).checked_sub(1).and_then(|at| Self::ALL.get(at));
        tag.copied().ok_or(Garbled("a frame is about nothing that is known"))
    }

    /// The plugin's function that such a frame calls; of the events of a stream, the first one.
    pub(crate) fn op(self) -> Option<Op> {
        Some(match self {
            Tag::Hello | Tag::Log => return None,
            Tag::CreateProvider | Tag::CreatePolicy => Op::Create,
            Tag::Destroy => Op::Destroy,
            Tag::Request => Op::Request,
            Tag::Open => Op::StreamOpen,
            Tag::Events => Op::StreamEvent,
            Tag::Close => Op::StreamClose,
            Tag::Response => Op::Response,
            Tag::Classify => Op::Classify,
            Tag::Decide => Op::Decide,
            Tag::Pick => Op::Pick,
        })
    }
}

/// Writes one whole frame.
pub(crate) fn frame(id: u64, tag: Tag, payload: impl FnOnce(&mut Put)) -> Vec<u8> {
    let mut put = Put::default();
    let length = put.gap();
    put.u64(id).u8(tag as u8);
    payload(&mut put);
    put.fill(length, (put.0.len() - 4) as u32);
    put.0
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: u64,
    pub(crate) tag: Tag,
    /// Of the payload, in bytes.
    pub(crate) len: usize,
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Option<Self>, Garbled> {
        let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
        let [a, b, c, d, id @ .., tag] = *head;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if !(HEAD - 4..=MAX_FRAME).contains(&len) {
            return Err(Garbled("a frame's length is none that a frame can have"));
        }
        Ok(Some(Self { id: u64::from_le_bytes(id), tag: Tag::from_u8(tag)?, len: len - (HEAD - 4) }))
    }
}

/// Cuts frames out of bytes as they come. It holds what came and no more, whatever a length says.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    bytes: Vec<u8>,
    /// Of `bytes`, what was given out.
    taken: usize,
    head: Option<Head>,
}

impl Splitter {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.taken == self.bytes.len() && self.bytes.capacity() > KEPT {
            (self.bytes, self.taken) = (Vec::new(), 0);
        }
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a whole frame is there.
    pub(crate) fn has_next(&self) -> Result<bool, Garbled> {
        let rest = &self.bytes[self.taken..];
        Ok(Head::read(rest)?.is_some_and(|head| rest.len() >= HEAD + head.len))
    }

    /// The next whole frame. `expected` looks at each head once, before its payload is waited for.
    pub(crate) fn next(
        &mut self,
        expected: impl FnOnce(&Head) -> Result<(), Garbled>,
    ) -> Result<Option<(Head, &[u8])>, Garbled> {
        let head = match self.head {
            Some(head) => head,
            None => match Head::read(&self.bytes[self.taken..])? {
                None => return Ok(None),
                Some(head) => {
                    expected(&head)?;
                    self.head = Some(head);
                    head
                }
            },
        };
        let start = self.taken + HEAD;
        if self.bytes.len() - start < head.len {
            return Ok(None);
        }
        self.head = None;
        self.taken = start + head.len;
        Ok(Some((head, &self.bytes[start..self.taken])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_every_split() {
        let mut bytes = frame(7, Tag::Request, |put| {
            put.bytes(b"body");
        });
        bytes.extend(frame(8, Tag::Close, |_| {}));
        for step in 1..=bytes.len() {
            let (mut splitter, mut seen) = (Splitter::default(), Vec::new());
            for piece in bytes.chunks(step) {
                splitter.push(piece);
                while let Some((head, payload)) = splitter.next(|_| Ok(())).unwrap() {
                    seen.push((head.id, head.tag, payload.to_vec()));
                }
            }
            assert_eq!(seen, [(7, Tag::Request, b"\x04\0\0\0body".to_vec()), (8, Tag::Close, vec![])]);
        }
    }

    #[test]
    fn a_frame_comes_after_one_whose_buffer_is_given_back() {
        let mut splitter = Splitter::default();
        splitter.push(&frame(1, Tag::Events, |put| {
            put.bytes(&vec![0; 2 * KEPT]);
        }));
        assert_eq!(splitter.next(|_| Ok(())).unwrap().map(|(head, _)| head.id), Some(1));
        splitter.push(&frame(2, Tag::Close, |_| {}));
        assert_eq!(splitter.next(|_| Ok(())).unwrap().map(|(head, _)| head.id), Some(2));
        assert!(splitter.bytes.capacity() < KEPT);
    }

    #[test]
    fn a_head_that_cannot_be_is_refused_before_its_payload_is_waited_for() {
        let refused = |bytes: &[u8]| {
            let mut splitter = Splitter::default();
            splitter.push(bytes);
            splitter
                .next(|head| if head.id == 9 { Err(Garbled("not nine")) } else { Ok(()) })
                .map(|f| f.is_some())
        };
        let with = |at: usize, value: u8| {
            let mut bytes = frame(7, Tag::Close, |_| {});
            bytes[at] = value;
            refused(&bytes)
        };
        assert_eq!(with(4, 7), Ok(true));
        assert!(with(0, 8).is_err(), "shorter than its head");
        assert!(with(3, 0x11).is_err(), "longer than any frame");
        assert!(with(12, 0).is_err() && with(12, 14).is_err(), "about nothing");
        assert!(with(4, 9).is_err(), "not expected");
        assert_eq!(refused(&frame(7, Tag::Close, |_| {})[..HEAD - 1]), Ok(false));
    }

    #[test]
    fn tags_are_their_numbers() {
        for tag in Tag::ALL {
            assert_eq!(Tag::from_u8(tag as u8), Ok(tag));
        }
    }
}
