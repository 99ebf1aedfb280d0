//! The attempt engine: what happens next to one request, as a pure state machine.
//!
//! It does no IO, reads no clock and knows no runtime: the driver feeds it [`Event`]s and carries out the one
//! [`Command`] that each gives. Every command but [`Command::Ignore`] lowers [`Engine::measure`], which is finite, so
//! every request ends, whatever the upstream and the policy do. `tests/` proves it by exhaustive search.
//!
//! The founding case, BerriAI/litellm#26015: a 429 in the middle of a stream, and nowhere to go.
//! ```
//! use tidegate_engine::*;
//!
//! let limits = Limits { attempts: 3, fallbacks: 5, continuations: 0, max_delay_ms: 60_000, deadline_ms: 600_000 };
//! let mut engine = Engine::new(limits, [0].into());
//! let failure =
//!     Failure { class: ErrorClass::RateLimit, status: 429, retry_after_ms: None, retryable: true, quota: false };
//!
//! assert_eq!(engine.step(Event::Start { target: Some(0) }), Command::Attempt { target: 0 });
//! assert_eq!(engine.step(Event::Content), Command::Relay);
//! assert_eq!(engine.step(Event::Failed(failure)), Command::AskPolicy);
//! let answer = Some(Answer { action: Action::Retry as u32, target: 0, delay_ms: 0 });
//! assert_eq!(
//!     engine.step(Event::Decided { answer, now_ms: 900 }),
//!     Command::Finish(Terminal::Error(Reason::Upstream { attempt: 0, failure })),
//! );
//! ```
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
