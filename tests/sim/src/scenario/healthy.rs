//! Answers that are right, however oddly they are delivered: the client must get the whole text.

use std::time::Duration;

use bytes::Bytes;

use super::say::{self, Say};
use super::{Context, Mode};
use crate::dialect::Usage;
use crate::script::{Ending, Framing, Script, Step};
use crate::text::{FAULT_PIECES, HEALTHY_PIECES, huge_text};

pub(super) fn healthy(context: &Context<'_>) -> Script {
    say::normal(context, &HEALTHY_PIECES, Say::new(context).paced())
}

pub(super) fn fast(context: &Context<'_>) -> Script {
    say::normal(context, &HEALTHY_PIECES, Say::new(context))
}

pub(super) fn lf(context: &Context<'_>) -> Script {
    with_eols(context, &["\n"])
}

pub(super) fn crlf(context: &Context<'_>) -> Script {
    with_eols(context, &["\r\n"])
}

pub(super) fn cr(context: &Context<'_>) -> Script {
    with_eols(context, &["\r"])
}

pub(super) fn mixed(context: &Context<'_>) -> Script {
    with_eols(context, &["\n", "\r\n", "\r", "\r\n", "\n"])
}

fn with_eols(context: &Context<'_>, eols: &'static [&'static str]) -> Script {
    say::normal(context, &HEALTHY_PIECES, Say::new(context).eols(eols))
}

/// Each CRLF's two bytes in writes of their own.
pub(super) fn crlf_split(context: &Context<'_>) -> Script {
    rewrite(crlf(context), |bytes| {
        bytes.split_inclusive(|byte| *byte == b'\r').map(Bytes::copy_from_slice).collect()
    })
}

pub(super) fn bom(context: &Context<'_>) -> Script {
    let mut script = fast(context);
    if context.mode == Mode::Stream && context.wire().is_sse() {
        script.steps.insert(0, Step::Write(Bytes::from_static("\u{feff}".as_bytes())));
    }
    script
}

/// Every character of several bytes is split after its first.
pub(super) fn split_utf8(context: &Context<'_>) -> Script {
    rewrite(fast(context), |bytes| {
        let starts = (1..bytes.len()).filter(|at| bytes[at - 1] >= 0xc0);
        pieces_at(bytes, starts)
    })
}

pub(super) fn one_byte_writes(context: &Context<'_>) -> Script {
    rewrite(fast(context), |bytes| pieces_at(bytes, 1..bytes.len()))
}

/// All of it in one write.
pub(super) fn one_write(context: &Context<'_>) -> Script {
    let mut script = fast(context);
    let writes = script
        .steps
        .iter()
        .filter_map(|step| if let Step::Write(bytes) = step { Some(&bytes[..]) } else { None });
    let all = writes.collect::<Vec<_>>().concat();
    script.steps = vec![Step::Write(all.into())];
    script
}

pub(super) fn drip(context: &Context<'_>) -> Script {
    let script = say::normal(context, &FAULT_PIECES, Say::new(context));
    let mut script = rewrite(script, |bytes| pieces_at(bytes, 1..bytes.len()));
    let pause = context.settings.drip;
    if pause.is_zero() {
        // A timer waits a millisecond even for nothing.
        return script;
    }
    script.steps = script.steps.into_iter().flat_map(|step| [step, Step::Pause(pause)]).collect();
    script
}

pub(super) fn close_delimited(context: &Context<'_>) -> Script {
    fast(context).framing(Framing::Close)
}

pub(super) fn content_length(context: &Context<'_>) -> Script {
    fast(context).framing(Framing::Length(None))
}

pub(super) fn keepalive_comment(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole {
        // What some providers send before a long answer that is not streamed: blank lines.
        let body = say::whole(context, &HEALTHY_PIECES.concat(), &[], Usage::PLAIN);
        let head = Script::new(200).header("content-type", "application/json");
        return head.write("\n").pause(Duration::from_millis(20)).write("\n\n").write(body);
    }
    let mut say = Say::new(context).paced();
    let (before, after) = HEALTHY_PIECES.split_at(3);
    say.texts(before);
    say.raw(context.wire().keep_alive(context.mode, say.eol()));
    say.texts(after);
    say.finish("stop", Usage::PLAIN);
    say.end(Ending::Complete)
}

pub(super) fn huge_event(context: &Context<'_>) -> Script {
    say::normal(context, &[&huge_text()], Say::new(context))
}

fn rewrite(mut script: Script, split: impl Fn(&[u8]) -> Vec<Bytes>) -> Script {
    script.steps = script
        .steps
        .into_iter()
        .flat_map(|step| match step {
            Step::Write(bytes) => split(&bytes).into_iter().map(Step::Write).collect(),
            other => vec![other],
        })
        .collect();
    script
}

fn pieces_at(bytes: &[u8], cuts: impl Iterator<Item = usize>) -> Vec<Bytes> {
    let mut from = 0;
    let mut pieces = Vec::new();
    for at in cuts.chain([bytes.len()]) {
        pieces.push(Bytes::copy_from_slice(&bytes[from..at]));
        from = at;
    }
    pieces
}
