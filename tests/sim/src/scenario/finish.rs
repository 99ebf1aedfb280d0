//! Answers whose finish arrives, and whose connection then does not do what is usual.

use super::say::{self, Say};
use super::{Context, Mode};
use crate::dialect::Usage;
use crate::script::{Ending, Framing, Script};
use crate::text::FAULT_PIECES;

/// All of the answer, and the connection left open.
pub(super) fn then_open(context: &Context<'_>) -> Script {
    then(context, Ending::Open)
}

/// All of the answer, and a RST where the body's proper end should be.
pub(super) fn then_rst(context: &Context<'_>) -> Script {
    then(context, Ending::Rst).pause(std::time::Duration::from_millis(50))
}

fn then(context: &Context<'_>, ending: Ending) -> Script {
    if context.mode == Mode::Whole {
        let body = say::whole(context, &FAULT_PIECES.concat(), &[], Usage::PLAIN);
        // A client cannot see that such a connection is dead, so it is told not to use it again.
        let script = Script::json(200, body).framing(Framing::Length(None)).ending(ending);
        return if ending == Ending::Open { script.header("connection", "close") } else { script };
    }
    let mut say = Say::before_fault(context);
    say.finish("stop", Usage::PLAIN);
    say.end(ending)
}

/// The finish reason, and the body's proper end without `[DONE]` or `message_stop`. Where there is no such marker, all of the answer.
pub(super) fn no_done(context: &Context<'_>) -> Script {
    if context.mode != Mode::Stream || context.wire().marker().is_none() {
        return then(context, Ending::Complete);
    }
    let mut say = Say::before_fault(context);
    say.finish_marker("stop", Usage::PLAIN);
    say.end(Ending::Complete)
}

/// Good chunks, and the end's own mark without the reason for it: what a gateway makes of an answer that broke off behind
/// it. Where there is no such mark, the body's end.
pub(super) fn done_alone(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole {
        return Script::json(200, say::whole_unfinished(context, &FAULT_PIECES.concat()));
    }
    let mut say = Say::before_fault(context);
    say.close();
    say.end(Ending::Complete)
}

/// A normal answer with an error event behind its `[DONE]`. Where the end is the body's or
/// in the answer itself, nothing can follow.
pub(super) fn then_error(context: &Context<'_>) -> Script {
    if context.mode != Mode::Stream || context.wire().marker().is_none() {
        return then(context, Ending::Complete);
    }
    let mut say = Say::before_fault(context);
    say.finish("stop", Usage::PLAIN);
    say.event(&context.error(429));
    say.end(Ending::Complete)
}
