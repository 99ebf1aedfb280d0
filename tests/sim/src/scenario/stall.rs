//! Silence, or nothing that is HTTP, where an answer should be.

use super::say::{self, Say};
use super::{Context, Mode};
use crate::dialect::Usage;
use crate::script::{Ending, Framing, Script};
use crate::text::FAULT_PIECES;

pub(super) fn headers(_: &Context<'_>) -> Script {
    Script::headless(Ending::Open)
}

pub(super) fn headers_fin(_: &Context<'_>) -> Script {
    Script::headless(Ending::Fin)
}

pub(super) fn headers_rst(_: &Context<'_>) -> Script {
    Script::headless(Ending::Rst)
}

pub(super) fn not_http(_: &Context<'_>) -> Script {
    Script::headless(Ending::Fin).write("SSH-2.0-OpenSSH_9.2p1\r\n")
}

pub(super) fn first(context: &Context<'_>) -> Script {
    Say::new(context).end(Ending::Open)
}

pub(super) fn mid(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole {
        let mut body = say::whole(context, &FAULT_PIECES.concat(), &[], Usage::PLAIN).into_bytes();
        let full = body.len() as u64;
        body.truncate(body.len() / 2);
        return Script::json(200, body).framing(Framing::Length(Some(full))).ending(Ending::Open);
    }
    Say::before_fault(context).end(Ending::Open)
}
