//! The budget of one request.

/// The most upstream calls that any request may have, whatever the configuration says.
pub const MAX_ATTEMPTS: u32 = 32;

/// What bounds one request. The core alone sets it, once; nothing can refill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Upstream calls in all: first calls, retries, fallbacks and continuations alike. Taken as at least 1 and at
    /// most [`MAX_ATTEMPTS`].
    pub attempts: u32,
    /// How many of them may leave the group of the call before.
    pub fallbacks: u32,
    /// How many of them may go on with a stream that broke off after content: 0 or 1. Taken as at most 1: a client
    /// whose answer broke off twice is told so.
    pub continuations: u32,
    /// The longest back-off before one call, in milliseconds. A longer one is cut to this.
    pub max_delay_ms: u64,
    /// When the request must be over, in milliseconds since it came.
    pub deadline_ms: u64,
}

impl Limits {
    pub(crate) fn clamped(self) -> Self {
        Self {
            attempts: self.attempts.clamp(1, MAX_ATTEMPTS),
            continuations: self.continuations.min(1),
            ..self
        }
    }
}
