//! The trait that a policy implements.

use tidegate_plugin_abi::action;

use crate::{History, Host};

/// Decides what follows a failed attempt. A pure function of the history: with the same input, the same answer.
///
/// Calls may come at the same time on any threads.
pub trait Policy: Send + Sync + Sized + 'static {
    /// Whether [`Policy::pick`] is implemented; if not, the host draws the first target by weight.
    const PICKS: bool = false;

    /// Makes an instance. The error says what is wrong with the configuration, a JSON object.
    fn create(config_json: &str, host: Host) -> Result<Self, String>;

    /// Answers the last attempt, which failed.
    fn decide(&self, history: &History<'_>) -> Action;

    /// Chooses the first target of a request.
    fn pick(&self, _history: &History<'_>) -> Action {
        Action::raise()
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Give the client the last error.
    #[default]
    Raise,
    /// A target of the same group.
    Retry,
    /// A target of another group.
    Fallback,
    /// Committed: continue the text on another target.
    Continue,
}

impl Choice {
    /// The ABI's value.
    pub const fn value(self) -> u32 {
        match self {
            Choice::Raise => action::RAISE,
            Choice::Retry => action::RETRY,
            Choice::Fallback => action::FALLBACK,
            Choice::Continue => action::CONTINUE,
        }
    }
}

/// A policy's answer. The host clamps the delay and turns what is not possible into [`Choice::Raise`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// What is to be done.
    pub choice: Choice,
    /// Index of the target in the history.
    pub target: u32,
    /// A number that is counted and logged; what it means is the policy's.
    pub reason: u32,
    /// How long to wait first, in milliseconds.
    pub delay_ms: u64,
    /// How long to put the target of the last attempt aside, in milliseconds; 0: do not.
    pub cooldown_ms: u64,
}

impl Action {
    /// Give the client the last error.
    pub const fn raise() -> Self {
        Action { choice: Choice::Raise, target: 0, reason: 0, delay_ms: 0, cooldown_ms: 0 }
    }

    /// Try a target of the same group after a delay.
    pub const fn retry(target: u32, delay_ms: u64) -> Self {
        Action { choice: Choice::Retry, target, reason: 0, delay_ms, cooldown_ms: 0 }
    }

    /// Try a target of another group after a delay.
    pub const fn fallback(target: u32, delay_ms: u64) -> Self {
        Action { choice: Choice::Fallback, target, reason: 0, delay_ms, cooldown_ms: 0 }
    }

    /// Continue the text on another target.
    pub const fn continue_on(target: u32) -> Self {
        Action { choice: Choice::Continue, target, reason: 0, delay_ms: 0, cooldown_ms: 0 }
    }

    /// Also put the last target aside.
    pub const fn cooldown(mut self, cooldown_ms: u64) -> Self {
        self.cooldown_ms = cooldown_ms;
        self
    }

    /// Also give a reason.
    pub const fn reason(mut self, reason: u32) -> Self {
        self.reason = reason;
        self
    }
}
