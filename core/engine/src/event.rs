//! What the driver tells the engine.

use crate::Failure;

/// Something happened to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The request came.
    Start {
        /// The router's first choice; `None`: no deployment is available.
        target: Option<u16>,
    },
    /// The first content is about to go to the client. Later content needs no event.
    Content,
    /// The upstream ended with its terminal marker.
    Ended,
    /// The attempt failed, in whichever phase.
    Failed(Failure),
    /// The policy's time is over.
    Decided {
        /// What it answered; `None`: it hung, panicked or could not be understood.
        answer: Option<Answer>,
        /// Milliseconds since the request came.
        now_ms: u64,
    },
    /// The back-off is over.
    Slept,
    /// The request's total time is over.
    Deadline,
    /// The client closed its side.
    ClientGone,
    /// The watchdog gave a verdict, or the process shuts down.
    Aborted,
}

/// What the policy answered, as it came: nothing in it is trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Answer {
    /// `TG_RAISE` and its siblings of the plugin ABI.
    pub action: u32,
    /// The target of the next attempt.
    pub target: u32,
    /// How long to wait before it, in milliseconds.
    pub delay_ms: u64,
}

/// The actions that a policy can answer with. The numbers are those of the plugin ABI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Action {
    /// Give the client the error.
    #[default]
    Raise = 0,
    /// Another attempt in the group of the last one.
    Retry = 1,
    /// An attempt in another group.
    Fallback = 2,
    /// Go on with a committed stream on another target, at once.
    Continue = 3,
}

impl From<u32> for Action {
    /// A number out of range is [`Action::Raise`].
    fn from(code: u32) -> Self {
        match code {
            1 => Self::Retry,
            2 => Self::Fallback,
            3 => Self::Continue,
            _ => Self::Raise,
        }
    }
}
