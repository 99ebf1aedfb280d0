//! What the parent and a worker say to each other over their socket.
//!
//! A frame is a length (`u32`, of all that follows it), the number of the call (`u64`), what it is about ([`Tag`],
//! one byte) and a payload of fixed fields, all little-endian. The worker answers each frame with one of the same
//! number and tag, in order; log lines come between them. Both ends are the same executable, so there are no versions:
//! only a mark, in case the executable was replaced under a running parent.
//!
//! The worker runs foreign code, so the parent takes nothing that it reads for granted: lengths are checked before
//! anything is allocated, and values go through the same sinks that a plugin in this process writes to.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod codec;
pub(crate) mod events;
pub(crate) mod frame;

pub(crate) use codec::{Garbled, Put, Take};
pub(crate) use frame::{Splitter, Tag};

#[cfg(test)]
mod tests;
