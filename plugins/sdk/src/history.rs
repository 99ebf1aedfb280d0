//! What has happened to one request, as a policy sees it. Times are milliseconds since the request came.

use crate::ErrorKind;

/// One attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Index in [`History::targets`].
    pub target: u32,
    /// How it failed.
    pub error: ErrorKind,
    /// The upstream's status.
    pub http_status: u32,
    /// The same request may succeed later.
    pub retryable: bool,
    /// A quota that does not come back in minutes.
    pub quota: bool,
    /// Content had gone to the client.
    pub committed: bool,
    /// When it began.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// How long the upstream asked to wait, when it said so.
    pub retry_after_ms: Option<u64>,
    /// Bytes that went to the client.
    pub bytes_to_client: u64,
}

/// One deployment that the request could go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target<'a> {
    /// Of the deployment.
    pub id: &'a str,
    /// The model group that it serves.
    pub group: &'a str,
    /// Its weight.
    pub weight: u32,
    /// Its order: lower first.
    pub order: u32,
    /// Its provider is quarantined, or it is at its limit of parallel calls.
    pub unavailable: bool,
    /// Calls in flight.
    pub inflight: u32,
    /// Failures over the last 60 s, this one included.
    pub fails_minute: u32,
    /// Successes over the last 60 s.
    pub oks_minute: u32,
    /// What is left of its cooldown; 0: none.
    pub cooldown_ms: u64,
    /// A moving average to the first content; 0: not known.
    pub latency_us: u64,
    /// Failures of which none came later after the one before than the target's cooldown time, this one included. 0
    /// from a host of minor 0, which does not say.
    pub fails_recent: u32,
    /// Calls that began in this minute of the clock; 0 also where they are not counted.
    pub requests_minute: u32,
    /// The same of the tokens that its answers cost.
    pub tokens_minute: u64,
    /// An average over the last answers of the request's kind, in microseconds: to the first content of a stream, by token
    /// of a whole answer. 0: not known.
    pub answer_us: u64,
    /// The price of a token of the prompt, in 1e-12 US dollars; `None`: not known.
    pub input_cost: Option<u64>,
    /// The price of a token of the answer, in 1e-12 US dollars; `None`: not known.
    pub output_cost: Option<u64>,
    /// A moving average from the call to the end of a good answer, in microseconds; 0: not known.
    pub total_us: u64,
}

/// What has happened to one request.
#[derive(Clone, Debug, Default)]
pub struct History<'a> {
    /// Now.
    pub now_ms: u64,
    /// When the request's time is up.
    pub deadline_ms: u64,
    /// A random number.
    pub seed: u64,
    /// Attempts that the budget still holds.
    pub attempts_left: u32,
    /// Retries that the group's bucket still holds.
    pub retry_tokens: u32,
    /// The group that the client asked for.
    pub group: &'a str,
    /// Request-level options, a JSON object, or empty.
    pub options: &'a str,
    /// Oldest first; empty when `pick` is asked for the first target.
    pub attempts: Vec<Attempt>,
    /// Every deployment of the group and of the groups it can fall back to.
    pub targets: Vec<Target<'a>>,
    /// Whether the client wants a stream; `None` from a host of a minor below 2, which does not say.
    pub stream: Option<bool>,
    /// About how long the prompt is, by the request's bytes; 0: not known.
    pub prompt_tokens: u64,
}

impl<'a> History<'a> {
    /// The attempt that failed just now.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The target of an attempt.
    pub fn target_of(&self, attempt: &Attempt) -> Option<&Target<'a>> {
        self.targets.get(usize::try_from(attempt.target).ok()?)
    }
}
