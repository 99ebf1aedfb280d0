//! Answers that HTTP allows or forbids and clients seldom see: other statuses, codings, heads and broken chunks.

use bytes::Bytes;

use super::healthy;
use super::say::{self, Say};
use super::{Context, Mode};
use crate::dialect::Usage;
use crate::script::{Ending, Framing, Script, Step};
use crate::text::{FAULT_PIECES, HEALTHY_PIECES};

/// A head longer than any client reads.
const HUGE_HEAD: usize = 1024 * 1024;

/// The same bytes with the head and the chunks written out, so that more can be put before, between and behind them.
fn raw(script: &Script) -> Vec<Step> {
    let head = script.head_bytes(false).map(|head| Step::Write(head.into()));
    let chunked = |step: &Step| match (step, script.framing) {
        (Step::Write(bytes), Framing::Chunked) if !bytes.is_empty() => {
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend_from_slice(bytes);
            chunk.extend_from_slice(b"\r\n");
            Step::Write(chunk.into())
        }
        (step, _) => step.clone(),
    };
    let end = (script.framing == Framing::Chunked).then(|| Step::Write(Bytes::from_static(b"0\r\n\r\n")));
    head.into_iter().chain(script.steps.iter().map(chunked)).chain(end).collect()
}

fn headless(steps: Vec<Step>, ending: Ending) -> Script {
    Script { steps, ..Script::headless(ending) }
}

/// 103, then the answer.
pub(super) fn early_hints(context: &Context<'_>) -> Script {
    let mut steps = raw(&healthy::fast(context));
    steps.insert(
        0,
        Step::Write(Bytes::from_static(b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n")),
    );
    headless(steps, Ending::Fin)
}

/// The whole answer on a connection that HTTP/1.1 keeps, and that is closed all the same.
pub(super) fn kept_then_closed(context: &Context<'_>) -> Script {
    headless(raw(&healthy::fast(context)), Ending::Fin)
}

pub(super) fn redirect(context: &Context<'_>) -> Script {
    Script::new(302).header("location", context.request.target.clone()).framing(Framing::Length(None))
}

pub(super) fn no_content(_: &Context<'_>) -> Script {
    Script::headless(Ending::Fin).write("HTTP/1.1 204 No Content\r\n\r\n")
}

/// Says that it is compressed, though nobody offered to read that.
pub(super) fn gzip(context: &Context<'_>) -> Script {
    healthy::fast(context).header("content-encoding", "gzip")
}

pub(super) fn plain_type(context: &Context<'_>) -> Script {
    with_type(healthy::fast(context), "text/plain")
}

/// An event stream that says it is a JSON document.
pub(super) fn json_type(context: &Context<'_>) -> Script {
    with_type(healthy::fast(context), "application/json")
}

fn with_type(mut script: Script, kind: &str) -> Script {
    if let Some(head) = &mut script.head {
        head.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    }
    script.header("content-type", kind)
}

pub(super) fn huge_head(context: &Context<'_>) -> Script {
    healthy::fast(context).header("x-filler", "y".repeat(HUGE_HEAD))
}

pub(super) fn two_lengths(context: &Context<'_>) -> Script {
    healthy::fast(context).framing(Framing::Length(None)).header("content-length", "17")
}

pub(super) fn half_head(_: &Context<'_>) -> Script {
    Script::headless(Ending::Fin).write("HTTP/1.1 200 OK\r\ncontent-ty")
}

pub(super) fn half_head_open(_: &Context<'_>) -> Script {
    Script::headless(Ending::Open).write("HTTP/1.1 200 OK\r\ncontent-ty")
}

pub(super) fn head_then_fin(context: &Context<'_>) -> Script {
    Say::new(context).end(Ending::Fin)
}

pub(super) fn head_then_rst(context: &Context<'_>) -> Script {
    Say::new(context).end(Ending::Rst).pause(std::time::Duration::from_millis(50))
}

/// A declared length, half of it, FIN.
pub(super) fn half_length(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole {
        let mut body = say::whole(context, &FAULT_PIECES.concat(), &[], Usage::PLAIN).into_bytes();
        let full = body.len() as u64;
        body.truncate(body.len() / 2);
        return Script::json(200, body).framing(Framing::Length(Some(full))).ending(Ending::Fin);
    }
    Say::before_fault(context).end(Ending::Fin).framing(Framing::Length(Some(1 << 20)))
}

/// Three good chunks, then a chunk whose size is no number.
pub(super) fn chunk_garbage(context: &Context<'_>) -> Script {
    let good = if context.mode == Mode::Whole {
        let body = say::whole(context, &FAULT_PIECES.concat(), &[], Usage::PLAIN);
        Script::new(200).header("content-type", "application/json").write(body[..body.len() / 2].to_owned())
    } else {
        Say::before_fault(context).end(Ending::Complete)
    };
    let mut steps = raw(&good);
    steps.pop();
    steps.push(Step::Write(Bytes::from_static(b"xyz\r\nnot a chunk\r\n")));
    headless(steps, Ending::Fin)
}

/// Three good chunks, then an event with bytes that are no UTF-8.
pub(super) fn bad_utf8(context: &Context<'_>) -> Script {
    let spoil = |mut bytes: Vec<u8>| {
        let at = bytes.windows(4).position(|window| window == b"BAD!").unwrap_or(0);
        bytes[at..at + 4].copy_from_slice(b"\xff\xfe\xc0\x80");
        bytes
    };
    if context.mode == Mode::Whole {
        let body = say::whole(context, "Flut BAD! Ebbe", &[], Usage::PLAIN);
        return Script::json(200, spoil(body.into_bytes()));
    }
    let mut say = Say::before_fault(context);
    let json = say.next_text("BAD!");
    let encoded = say.encode(&json);
    let bytes = context.wire().spoilt(encoded, spoil);
    say.raw(bytes);
    say.finish("stop", Usage::PLAIN);
    say.end(Ending::Complete)
}

/// The whole answer, then bytes that are nothing, behind `[DONE]`. Where the end is the body's or
/// in the answer itself, nothing can follow.
pub(super) fn done_then_garbage(context: &Context<'_>) -> Script {
    if context.mode != Mode::Stream || context.wire().marker().is_none() {
        return say::normal(context, &HEALTHY_PIECES, Say::new(context));
    }
    let mut say = Say::new(context);
    say.texts(&HEALTHY_PIECES);
    say.finish("stop", Usage::PLAIN);
    say.raw("\0\u{1}garbage\n\ndata: {\"more\": \n\n");
    say.end(Ending::Complete)
}
