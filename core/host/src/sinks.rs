//! The host's side of a sink: a plugin writes, the host copies and caps. A sink that refused once keeps refusing.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tidegate_plugin_abi::{Status, Str, TextOutV1, status};

use crate::wire;

/// Why a sink refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A cap is reached.
    Limit,
    /// What was written breaks the contract: a clause that says how.
    Misuse(&'static str),
}

impl Fault {
    fn status(self) -> Status {
        match self {
            Fault::Limit => status::E_LIMIT,
            Fault::Misuse(_) => status::E_INVALID,
        }
    }
}

/// What a sink's `ctx` points to.
pub(crate) trait Sink {
    fn fault(&mut self) -> &mut Option<Fault>;
}

/// Runs one write into the sink behind `ctx`. No panic of ours crosses into the plugin.
///
/// # Safety
/// `ctx` must be the context of a live sink of type `S` that nothing else borrows: what a plugin gives back during
/// the call that lent it.
pub(crate) unsafe fn write<S: Sink>(
    ctx: *mut c_void,
    write: impl FnOnce(&mut S) -> Result<(), Fault>,
) -> Status {
    if ctx.is_null() {
        return status::E_INVALID;
    }
    // SAFETY: see above.
    let sink = unsafe { &mut *ctx.cast::<S>() };
    let written = catch_unwind(AssertUnwindSafe(|| put(sink, write)));
    match written.unwrap_or(Err(Fault::Misuse("what it wrote could not be taken"))) {
        Ok(()) => status::OK,
        Err(fault) => {
            *sink.fault() = Some(fault);
            fault.status()
        }
    }
}

/// Runs one write into a sink, unless it refused one before. What it refuses it keeps as its fault.
pub(crate) fn put<S: Sink>(
    sink: &mut S,
    write: impl FnOnce(&mut S) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if let Some(fault) = *sink.fault() {
        return Err(fault);
    }
    write(sink).inspect_err(|fault| *sink.fault() = Some(*fault))
}

/// The bytes that a plugin writes, for the duration of the write.
///
/// # Safety
/// As [`wire::bytes`].
pub(crate) unsafe fn written<'a>(s: Str) -> Result<&'a [u8], Fault> {
    // SAFETY: the caller's.
    unsafe { wire::bytes(s) }.ok_or(Fault::Misuse("it wrote a null string that has a length"))
}

/// As [`written`], for text.
///
/// # Safety
/// As [`wire::bytes`].
pub(crate) unsafe fn text<'a>(s: Str) -> Result<&'a str, Fault> {
    // SAFETY: the caller's.
    as_text(unsafe { written(s) }?)
}

/// Bytes that must be text.
pub(crate) fn as_text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Misuse("it wrote text that is not UTF-8"))
}

/// Text that must not break a line: a header, a URL, an event's name.
///
/// # Safety
/// As [`wire::bytes`].
pub(crate) unsafe fn line<'a>(s: Str) -> Result<&'a str, Fault> {
    // SAFETY: the caller's.
    as_line(unsafe { written(s) }?)
}

/// Bytes that must be text without a line break.
pub(crate) fn as_line(bytes: &[u8]) -> Result<&str, Fault> {
    let text = as_text(bytes)?;
    match text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        true => Err(Fault::Misuse("it wrote a line break or a NUL where one line is meant")),
        false => Ok(text),
    }
}

/// Collects the pieces of one text.
pub(crate) struct TextSink {
    bytes: Vec<u8>,
    cap: usize,
    /// Past the cap: `true` keeps the start, and it is no fault; `false` refuses the whole.
    cut: bool,
    fault: Option<Fault>,
}

impl Sink for TextSink {
    fn fault(&mut self) -> &mut Option<Fault> {
        &mut self.fault
    }
}

impl TextSink {
    /// For content: all of it or nothing.
    pub(crate) fn whole(cap: usize) -> Self {
        Self { bytes: Vec::new(), cap, cut: false, fault: None }
    }

    /// For a message to people, cut at 4 KiB.
    pub(crate) fn message() -> Self {
        Self { bytes: Vec::new(), cap: 4096, cut: true, fault: None }
    }

    /// The table that a plugin writes through; valid while `self` is neither moved nor touched.
    pub(crate) fn out(&mut self) -> TextOutV1 {
        TextOutV1 {
            size: size_of::<TextOutV1>() as u32,
            reserved: 0,
            ctx: (&raw mut *self).cast(),
            write: Some(text_write),
        }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let room = self.cap - self.bytes.len();
        if piece.len() <= room {
            self.bytes.extend_from_slice(piece);
            return Ok(());
        }
        if self.cut {
            self.bytes.extend_from_slice(&piece[..room]);
        }
        Err(Fault::Limit)
    }

    pub(crate) fn has_text(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The fault that spoils the text, if any.
    pub(crate) fn spoilt(&self) -> Option<Fault> {
        self.fault.filter(|fault| !(self.cut && *fault == Fault::Limit))
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The text for people: what is not UTF-8 replaced, control characters but line ends and tabs blanked, trimmed.
    pub(crate) fn into_message(self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let plain = |c: char| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c };
        text.trim().chars().map(plain).collect()
    }
}

unsafe extern "C" fn text_write(ctx: *mut c_void, piece: Str) -> Status {
    // SAFETY: `ctx` is the TextSink of the call under way; `piece` is lent for this write.
    unsafe { write::<TextSink>(ctx, |sink| sink.push(written(piece)?)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(sink: &mut TextSink, piece: &[u8]) -> Status {
        let out = sink.out();
        // SAFETY: `out` is used while `sink` lives and nothing else touches it.
        unsafe { out.write.unwrap()(out.ctx, Str::lend(piece)) }
    }

    #[test]
    fn pieces_join_and_a_full_sink_keeps_refusing() {
        let mut sink = TextSink::whole(5);
        assert_eq!(put(&mut sink, b"abc"), status::OK);
        assert_eq!(put(&mut sink, b"def"), status::E_LIMIT);
        assert_eq!(put(&mut sink, b"d"), status::E_LIMIT, "it would fit, but the sink has refused");
        assert_eq!(sink.spoilt(), Some(Fault::Limit));
    }

    #[test]
    fn a_message_is_cut_and_cleaned() {
        let mut sink = TextSink::message();
        assert_eq!(put(&mut sink, b" a\xff\x1b[0m\n"), status::OK);
        assert_eq!(put(&mut sink, &[b'x'; 5000]), status::E_LIMIT);
        assert_eq!(sink.spoilt(), None);
        let message = sink.into_message();
        assert!(message.starts_with("a\u{fffd} [0m\nxxx"), "{message}");
        assert_eq!(message.len(), 4096 - 1 + 2, "one space trimmed, one byte replaced by three");
    }

    #[test]
    fn a_null_context_or_string_is_refused() {
        // SAFETY: a null context is refused before it is read.
        assert_eq!(unsafe { text_write(std::ptr::null_mut(), Str::EMPTY) }, status::E_INVALID);
        let mut sink = TextSink::whole(5);
        let out = sink.out();
        let null = Str { ptr: std::ptr::null(), len: 2 };
        // SAFETY: nothing is read through a null pointer.
        assert_eq!(unsafe { out.write.unwrap()(out.ctx, null) }, status::E_INVALID);
        assert!(matches!(sink.spoilt(), Some(Fault::Misuse(_))));
    }

    #[test]
    fn a_panic_in_a_sink_does_not_cross() {
        let mut sink = TextSink::whole(5);
        let ctx = sink.out().ctx;
        // SAFETY: as above.
        let answer = unsafe { write::<TextSink>(ctx, |_| panic!("a defect of ours")) };
        assert_eq!(answer, status::E_INVALID);
        assert!(sink.spoilt().is_some());
    }
}
