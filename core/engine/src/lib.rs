//! The attempt engine: what happens next to one request, as a pure state machine.
//!
//! It does no IO, reads no clock and knows no runtime: the driver feeds it [`Event`]s and carries out the one
//! [`Command`] that each gives. Every command but [`Command::Ignore`] lowers [`Engine::measure`], which is finite, so
//! every request ends, whatever the upstream and the policy do. `tests/` proves it by exhaustive search.
#![forbid(unsafe_code)]

mod command;
mod engine;
mod event;
mod failure;
mod limits;
mod measure;

pub use command::{Command, Reason, Terminal};
pub use engine::Engine;
pub use event::{Action, Answer, Event};
pub use failure::{ErrorClass, Failure};
pub use limits::{Limits, MAX_ATTEMPTS};
pub use measure::Measure;
