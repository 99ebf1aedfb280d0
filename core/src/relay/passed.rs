//! The bytes of a block that go to the client as they came, but for what the official SDKs would stumble over.

use bytes::{Bytes, BytesMut};

use crate::framing::Span;

/// Collects them, in order. As long as nothing is replaced they are not copied.
pub(super) struct Passed<'a> {
    bytes: &'a Bytes,
    copied: Vec<u8>,
    replaced: bool,
    run: Span,
}

impl<'a> Passed<'a> {
    pub(super) fn of(bytes: &'a Bytes) -> Self {
        Self { bytes, copied: Vec::new(), replaced: false, run: 0..0 }
    }

    /// All up to there.
    pub(super) fn keep(&mut self, end: usize) {
        self.run.end = end;
    }

    /// All up to the item at `raw`, and something else in its place.
    pub(super) fn replace(&mut self, raw: Span, with: &[u8]) {
        self.copied.extend_from_slice(&self.bytes[self.run.start..raw.start]);
        self.copied.extend_from_slice(with);
        self.replaced = true;
        self.run = raw.end..raw.end;
    }

    /// They end with a blank line, added where the upstream left it out: what is sent next must not become part of the
    /// last event.
    pub(super) fn closed(mut self) -> Bytes {
        let rest = self.bytes.slice(self.run);
        let bytes = if self.replaced {
            self.copied.extend_from_slice(&rest);
            Bytes::from(self.copied)
        } else {
            rest
        };
        if bytes.is_empty() || ends_with_blank_line(&bytes) {
            return bytes;
        }
        let mut closed = BytesMut::with_capacity(bytes.len() + 2);
        closed.extend_from_slice(&bytes);
        closed.extend_from_slice(b"\n\n");
        closed.freeze()
    }
}

fn ends_with_blank_line(bytes: &[u8]) -> bool {
    let before = bytes.strip_suffix(b"\r\n").or_else(|| bytes.strip_suffix(b"\n"));
    before
        .or_else(|| bytes.strip_suffix(b"\r"))
        .is_some_and(|before| before.is_empty() || before.ends_with(b"\n") || before.ends_with(b"\r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_copied_until_something_is_replaced() {
        let bytes = Bytes::from_static(b"a\n\nb\n\nc\n\n");
        let mut passed = Passed::of(&bytes);
        passed.keep(9);
        assert_eq!(passed.closed().as_ptr(), bytes.as_ptr());
        let mut passed = Passed::of(&bytes);
        passed.keep(3);
        passed.replace(3..6, b"x\n\n");
        passed.keep(9);
        assert_eq!(passed.closed(), "a\n\nx\n\nc\n\n");
        let mut passed = Passed::of(&bytes);
        passed.replace(0..3, b"");
        assert_eq!(passed.closed(), "");
    }

    #[test]
    fn an_end_that_is_missing_is_added() {
        for (text, closed) in [
            ("a", "a\n\n"),
            ("a\n", "a\n\n\n"),
            ("a\r\n\r", "a\r\n\r"),
            ("a\r\n\r\n", "a\r\n\r\n"),
            ("\n", "\n"),
        ] {
            let bytes = Bytes::from_static(text.as_bytes());
            let mut passed = Passed::of(&bytes);
            passed.keep(bytes.len());
            assert_eq!(passed.closed(), closed, "{text:?}");
        }
    }
}
