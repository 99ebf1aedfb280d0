//! Bytes without end that carry nothing, or too much. Bounded by the simulator's settings, then the
//! body ends properly, without a finish.

use std::time::Duration;

use bytes::Bytes;

use super::say::Say;
use super::{Context, Mode};
use crate::script::{Ending, Script, Step};

/// About how much one write of a flood carries.
const WRITE: usize = 16 * 1024;
/// The event that is larger than any limit: the sum of its parts.
const GIANT: u64 = 64 * 1024 * 1024;

pub(super) fn empty(context: &Context<'_>) -> Script {
    flood(context, |say| context.wire().empty(say.eol()))
}

pub(super) fn comment(context: &Context<'_>) -> Script {
    flood(context, |say| context.wire().keep_alive(context.mode, say.eol()))
}

pub(super) fn blank(context: &Context<'_>) -> Script {
    flood(context, |say| context.wire().blank(say.eol()))
}

/// Events that are well-formed and say nothing.
pub(super) fn empty_delta(context: &Context<'_>) -> Script {
    flood(context, |say| say.encode(&context.wire().empty_text(&context.meta)))
}

/// Good text without end.
pub(super) fn text(context: &Context<'_>) -> Script {
    flood(context, |say| {
        let json = say.next_text("Flut ");
        say.encode(&json)
    })
}

fn flood(context: &Context<'_>, unit: impl Fn(&mut Say<'_>) -> Vec<u8>) -> Script {
    let mut say = if context.mode == Mode::Whole { Say::new(context) } else { Say::before_fault(context) };
    let unit = if context.mode == Mode::Whole { b" ".to_vec() } else { unit(&mut say) };
    let bytes = Bytes::from(unit.repeat((WRITE / unit.len()).max(1)));
    say.step(repeat(context, bytes, Duration::ZERO, u64::MAX));
    say.end(Ending::Complete)
}

/// A keep-alive every 50 ms and nothing else: the sort of byte that must feed no clock.
pub(super) fn keepalive_only(context: &Context<'_>) -> Script {
    let mut say = if context.mode == Mode::Whole { Say::new(context) } else { Say::before_fault(context) };
    let unit = if context.mode == Mode::Whole {
        b"\n".to_vec()
    } else {
        context.wire().keep_alive(context.mode, say.eol())
    };
    say.step(repeat(context, unit.into(), Duration::from_millis(50), u64::MAX));
    say.end(Ending::Complete)
}

/// Keep-alives before any content.
pub(super) fn keepalive_first(context: &Context<'_>) -> Script {
    let mut say = Say::new(context);
    let unit = if context.mode == Mode::Whole {
        b"\n".to_vec()
    } else {
        context.wire().keep_alive(context.mode, say.eol())
    };
    say.step(repeat(context, unit.into(), Duration::from_millis(50), u64::MAX));
    say.end(Ending::Complete)
}

/// One event that never ends, within the flood's bounds.
pub(super) fn giant_event(context: &Context<'_>) -> Script {
    let mut say = if context.mode == Mode::Whole { Say::new(context) } else { Say::before_fault(context) };
    let json = say.next_text("");
    let open = json.find(r#""text":""#).or_else(|| json.find(r#""content":""#)).unwrap_or(0);
    let open = json[open..].find(":\"").map_or(json.len(), |at| open + at + 2);
    say.raw(context.wire().endless(context.mode, &json[..open]));
    say.step(repeat(context, Bytes::from("a".repeat(WRITE)), Duration::ZERO, GIANT));
    say.end(Ending::Complete)
}

fn repeat(context: &Context<'_>, bytes: Bytes, pause: Duration, most: u64) -> Step {
    let max_bytes = context.settings.flood_bytes.min(most);
    Step::Repeat { bytes, pause, max_bytes, max_time: context.settings.flood_time }
}
