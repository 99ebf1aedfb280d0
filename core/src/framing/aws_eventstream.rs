//! `application/vnd.amazon.eventstream`: binary frames with two checksums, as Amazon Bedrock streams.
//!
//! A frame, all numbers big endian: `u32` its length, `u32` the headers' length, `u32` the CRC-32 of these eight bytes, the
//! headers, the payload, `u32` the CRC-32 of all before it. A header: `u8` the name's length, the name, `u8` the value's
//! type, the value (the Smithy specification, "Amazon Event Stream").
//!
//! Beyond a frame that is not right nothing can be told apart: it is the last item, and what follows is thrown away.

use bytes::Bytes;

use super::{Block, Broken, Buffer, Item, Kind, Span, TooLong};

/// Length, headers' length and their checksum.
const PRELUDE: usize = 12;
/// A frame with neither headers nor payload.
const SHORTEST: usize = PRELUDE + 4;

/// The framer of an AWS event stream.
#[derive(Debug)]
pub struct AwsEventstream {
    buffer: Buffer,
    state: State,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Lengths of the frame that is being read, once its prelude has been checked: whole, and headers.
    frame: Option<(usize, usize)>,
    broken: bool,
}

impl AwsEventstream {
    /// `limit`: bytes of the longest frame.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Buffer::default(), state: State { limit, frame: None, broken: false } }
    }

    /// See [`super::Framer::push`]. A frame that says it is longer than the limit is a [`Kind::Broken`] item, so that
    /// what came before it is given out however the reads are cut.
    ///
    /// # Errors
    /// None of its own; see [`TooLong`].
    pub fn push(&mut self, chunk: Bytes) -> Result<Block<'_>, TooLong> {
        let state = &mut self.state;
        self.buffer.push(chunk, state.limit, |bytes, items, _| state.scan(bytes, items))
    }

    /// See [`super::Framer::finish`].
    pub fn finish(&mut self) -> Block<'_> {
        let state = &mut self.state;
        self.buffer.finish(|bytes, items, _| {
            if !bytes.is_empty() {
                items.push(broken(0..bytes.len(), Broken::Cut));
            }
            state.frame = None;
        })
    }
}

impl State {
    /// Appends the complete frames; gives how many bytes were taken. A prelude is read once, and so is a frame.
    fn scan(&mut self, bytes: &[u8], items: &mut Vec<Item>) -> usize {
        let mut at = 0;
        while !self.broken {
            let rest = &bytes[at..];
            let (length, headers) = match self.frame {
                Some(lengths) => lengths,
                None => {
                    let Some(prelude) = rest.first_chunk::<PRELUDE>() else { return at };
                    match read_prelude(prelude, self.limit) {
                        Ok(lengths) => *self.frame.insert(lengths),
                        Err(why) => return self.give_up(at..bytes.len(), why, items),
                    }
                }
            };
            let Some(frame) = rest.get(..length) else { return at };
            match read_frame(frame, headers, at) {
                Ok(item) => items.push(item),
                Err(why) => return self.give_up(at..bytes.len(), why, items),
            }
            at += length;
            self.frame = None;
        }
        bytes.len()
    }

    fn give_up(&mut self, rest: Span, why: Broken, items: &mut Vec<Item>) -> usize {
        self.broken = true;
        let taken = rest.end;
        items.push(broken(rest, why));
        taken
    }
}

fn broken(raw: Span, why: Broken) -> Item {
    Item { kind: Kind::Broken(why), raw, name: 0..0, data: 0..0, joined: false }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// The frame's length and its headers', both checked.
fn read_prelude(prelude: &[u8; PRELUDE], limit: usize) -> Result<(usize, usize), Broken> {
    let field = |at| u32_at(prelude, at).unwrap_or_default();
    if crc32fast::hash(&prelude[..8]) != field(8) {
        return Err(Broken::Checksum);
    }
    let (length, headers) = (field(0) as usize, field(4) as usize);
    match length.checked_sub(SHORTEST) {
        Some(room) if headers <= room && length <= limit => Ok((length, headers)),
        Some(room) if headers <= room => Err(Broken::TooLong),
        _ => Err(Broken::Lengths),
    }
}

/// The item of a whole frame that begins at `at` in the block.
fn read_frame(frame: &[u8], headers: usize, at: usize) -> Result<Item, Broken> {
    let payload = PRELUDE + headers..frame.len() - 4;
    if u32_at(frame, payload.end) != Some(crc32fast::hash(&frame[..payload.end])) {
        return Err(Broken::Checksum);
    }
    let named = Headers::read(&frame[..payload.start]).ok_or(Broken::Headers)?;
    let text = |span: &Option<Span>| span.clone().map_or(&b""[..], |span| &frame[span]);
    let (kind, name, data) = match text(&named.message_type) {
        b"exception" => (Kind::Error, named.exception_type, payload),
        // An error that the service's model does not know has its message in a header and no payload.
        b"error" => (
            Kind::Error,
            named.error_code,
            named.error_message.filter(|_| payload.is_empty()).unwrap_or(payload),
        ),
        _ => (Kind::Event, named.event_type, payload),
    };
    let place = |span: Span| at + span.start..at + span.end;
    Ok(Item {
        kind,
        raw: at..at + frame.len(),
        name: name.map_or(0..0, place),
        data: place(data),
        joined: false,
    })
}

/// The values of the headers that are read here, as places in the frame.
#[derive(Default)]
struct Headers {
    message_type: Option<Span>,
    event_type: Option<Span>,
    exception_type: Option<Span>,
    error_code: Option<Span>,
    error_message: Option<Span>,
}

impl Headers {
    /// Reads from the prelude's end to the end of `frame`. `None`: they are not headers.
    fn read(frame: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut at = PRELUDE;
        while at < frame.len() {
            let length = usize::from(*frame.get(at)?);
            let name = frame.get(at + 1..at + 1 + length)?;
            at += 1 + length;
            let kind = *frame.get(at)?;
            at += 1;
            let size = match kind {
                // True and false are their types.
                0 | 1 => 0,
                2 => 1,
                3 => 2,
                4 => 4,
                // A long, and a time.
                5 | 8 => 8,
                // Bytes and text say their length.
                6 | 7 => {
                    let size = frame.get(at..)?.first_chunk::<2>().map(|two| u16::from_be_bytes(*two))?;
                    at += 2;
                    usize::from(size)
                }
                9 => 16,
                _ => return None,
            };
            let value = at..at + size;
            frame.get(value.clone())?;
            at = value.end;
            let place = match name {
                b":message-type" => &mut found.message_type,
                b":event-type" => &mut found.event_type,
                b":exception-type" => &mut found.exception_type,
                b":error-code" => &mut found.error_code,
                b":error-message" => &mut found.error_message,
                _ => continue,
            };
            *place = (kind == 7).then_some(value);
        }
        Some(found)
    }
}
