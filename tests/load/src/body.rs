//! Takes the HTTP/1.1 framing off a body, however its bytes were cut into reads.

use crate::head::Framing;

/// A chunk-size line or trailer line longer than this is refused.
const MAX_LINE: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    Done,
}

/// The decoder of one body.
#[derive(Debug)]
pub(crate) struct Body {
    state: State,
}

impl Body {
    /// The decoder for a body framed so; an absent framing is an empty body.
    pub(crate) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) | Framing::Absent => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
        };
        Self { state }
    }

    /// The whole body has been seen.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Hands the payload in `input` to `sink` and says how many bytes of `input` were used. Bytes that were not
    /// used must be given again, with more behind them.
    pub(crate) fn feed(&mut self, input: &[u8], mut sink: impl FnMut(&[u8])) -> Result<usize, String> {
        let mut used = 0;
        while !self.is_done() {
            let rest = &input[used..];
            match self.state {
                State::Length(left) => {
                    let part = payload(rest, left);
                    sink(part);
                    used += part.len();
                    let left = left - part.len() as u64;
                    self.state = if left == 0 { State::Done } else { State::Length(left) };
                }
                State::ChunkData(left) => {
                    let part = payload(rest, left);
                    sink(part);
                    used += part.len();
                    let left = left - part.len() as u64;
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                }
                State::ChunkSize | State::ChunkEnd | State::Trailer => {
                    let Some(line) = line(rest)? else { return Ok(used) };
                    used += line.len() + 2;
                    self.state = after_line(self.state, line)?;
                }
                State::Done => {}
            }
            if used == input.len() {
                break;
            }
        }
        Ok(used)
    }
}

fn payload(rest: &[u8], left: u64) -> &[u8] {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
    &rest[..length]
}

fn line(rest: &[u8]) -> Result<Option<&[u8]>, String> {
    match memchr::memmem::find(rest, b"\r\n") {
        Some(end) => Ok(Some(&rest[..end])),
        None if rest.len() > MAX_LINE => Err(format!("a chunk line of over {MAX_LINE} bytes")),
        None => Ok(None),
    }
}

fn after_line(state: State, line: &[u8]) -> Result<State, String> {
    Ok(match (state, line) {
        (State::ChunkSize, line) => match chunk_size(line)? {
            0 => State::Trailer,
            size => State::ChunkData(size),
        },
        (State::ChunkEnd, b"") => State::ChunkSize,
        (State::ChunkEnd, other) => {
            return Err(format!("a chunk is longer than it says: {}", String::from_utf8_lossy(other)));
        }
        (State::Trailer, b"") => State::Done,
        (state, _) => state,
    })
}

fn chunk_size(line: &[u8]) -> Result<u64, String> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| format!("not a chunk size: {}", String::from_utf8_lossy(line)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `input` cut at `cuts`, as a socket would bring it; returns the payload and what was left over.
    fn decode(framing: Framing, input: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, Vec<u8>, bool), String> {
        let (mut body, mut payload, mut held) = (Body::new(framing), Vec::new(), Vec::new());
        let mut from = 0;
        for &cut in cuts.iter().chain([&input.len()]) {
            held.extend_from_slice(&input[from..cut]);
            from = cut;
            let used = body.feed(&held, |part| payload.extend_from_slice(part))?;
            held.drain(..used);
        }
        Ok((payload, held, body.is_done()))
    }

    const CHUNKED: &[u8] = b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\nNEXT";

    #[test]
    fn every_cut_gives_the_same_payload() {
        for cut in 0..=CHUNKED.len() {
            let (payload, left, done) = decode(Framing::Chunked, CHUNKED, &[cut]).unwrap();
            assert_eq!(
                (payload.as_slice(), left.as_slice(), done),
                (&b"hello world"[..], &b"NEXT"[..], true)
            );
        }
    }

    #[test]
    fn a_cut_body_is_not_done() {
        let end = CHUNKED.len() - b"NEXT".len();
        for cut in 0..end {
            assert!(!decode(Framing::Chunked, &CHUNKED[..cut], &[]).unwrap().2, "cut at {cut}");
        }
        assert!(!decode(Framing::Length(4), b"abc", &[]).unwrap().2);
        assert_eq!(decode(Framing::Length(2), b"abc", &[]).unwrap(), (b"ab".to_vec(), b"c".to_vec(), true));
    }

    #[test]
    fn refuses_bad_chunks() {
        for bad in ["zz\r\n", "\r\n", "3\r\nabcd\r\n", "fffffffffffffffff\r\n"] {
            assert!(decode(Framing::Chunked, bad.as_bytes(), &[]).is_err(), "{bad}");
        }
        assert!(decode(Framing::Chunked, &vec![b'1'; MAX_LINE + 1], &[]).is_err());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(input in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let cut = cut.min(input.len());
            let _ = decode(Framing::Chunked, &input, &[cut]);
        }
    }
}
