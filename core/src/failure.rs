//! One attempt's failure, as it is shown to the policy and, if nothing better comes, to the client.

use std::time::Duration;

use tidegate_engine::ErrorClass;
use tidegate_host::PluginError;
use tidegate_watchdog::Rule;

use crate::upstream::{BodyError, SendError};

/// Why an attempt, or a request, has no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What kind of failure it is; decides about retries.
    pub class: ErrorClass,
    /// The HTTP status that the client is told. An upstream's own status is kept.
    pub status: u16,
    /// How long the upstream asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The same request may succeed later.
    pub retryable: bool,
    /// A quota that does not come back within minutes.
    pub quota: bool,
    /// A sentence for people. Never holds a key.
    pub message: String,
    /// The message is a provider's, or quotes the client's request: it belongs into no log.
    pub quotes: bool,
    /// The provider's own word, such as `RESOURCE_EXHAUSTED`. Never holds a key.
    pub code: Option<String>,
    /// The clock that ran out, if one did.
    pub clock: Option<Clock>,
    /// No connection came about: the provider has not seen the request.
    pub unsent: bool,
}

/// Which clock ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Until the first content.
    FirstContent,
    /// Between contents.
    ContentIdle,
    /// Between bytes, from the first body byte on.
    ByteIdle,
    /// The whole request.
    Total,
}

impl Failure {
    fn new(class: ErrorClass, status: u16, message: impl Into<String>) -> Self {
        let retryable = matches!(status, 408 | 409 | 429 | 500..);
        Self {
            class,
            status,
            retry_after: None,
            retryable,
            quota: false,
            quotes: false,
            message: message.into(),
            code: None,
            clock: None,
            unsent: false,
        }
    }

    /// The client's request is not acceptable.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self { quotes: true, ..Self::new(ErrorClass::BadRequest, 400, message) }
    }

    /// A refusal of Tidegate's own, before any upstream was called.
    pub fn refusal(status: u16, message: impl Into<String>) -> Self {
        let class = match status {
            401 => ErrorClass::Auth,
            403 => ErrorClass::Permission,
            404 => ErrorClass::NotFound,
            429 => ErrorClass::RateLimit,
            400..=499 => ErrorClass::BadRequest,
            503 => ErrorClass::Overloaded,
            _ => ErrorClass::Server,
        };
        Self::new(class, status, message)
    }

    /// The same with the time after which a new try makes sense.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// No response head came.
    pub fn send(error: &SendError) -> Self {
        use SendError::{Connect, Dns, Timeout, Tls};
        let unsent = matches!(error, Dns { .. } | Connect { .. } | Tls { .. } | Timeout { .. });
        let failure = match error {
            SendError::Timeout { .. } => Self::new(ErrorClass::Timeout, 504, error.to_string()),
            SendError::Protocol { .. } => Self::new(ErrorClass::Malformed, 502, error.to_string()),
            _ => Self::new(ErrorClass::Transport, 502, error.to_string()),
        };
        Self { unsent, ..failure }
    }

    /// The response body broke off.
    pub fn body(error: &BodyError) -> Self {
        match error {
            BodyError::Protocol(_) => Self::new(ErrorClass::Malformed, 502, error.to_string()),
            _ => Self::truncated(error.to_string()),
        }
    }

    /// The answer ended before its end.
    pub fn truncated(detail: impl std::fmt::Display) -> Self {
        Self::new(ErrorClass::Truncated, 502, format!("truncated upstream response: {detail}"))
    }

    /// The answer is not in the provider's dialect.
    pub fn malformed(detail: impl std::fmt::Display) -> Self {
        Self::new(ErrorClass::Malformed, 502, format!("malformed upstream response: {detail}"))
    }

    /// A call of a plugin failed. What its worker process ended with is not the request's fault: the next worker may serve it,
    /// 500 when it was this call's worker that ended, and 503 while there is none. The same call would bring any other
    /// error again.
    pub fn plugin_call(error: &PluginError) -> Self {
        match error {
            PluginError::Ended { .. } => Self::new(ErrorClass::Server, 500, error.to_string()),
            PluginError::Away(_) => {
                Self::new(ErrorClass::Server, 503, error.to_string()).retry_after(Duration::from_secs(1))
            }
            error => Self::plugin(error),
        }
    }

    /// What a plugin gave cannot be used.
    pub fn plugin(error: &dyn std::fmt::Display) -> Self {
        Self { retryable: false, ..Self::new(ErrorClass::Server, 500, error.to_string()) }
    }

    /// A clock ran out after `limit`.
    pub fn clock(clock: Clock, limit: Duration) -> Self {
        let what = match clock {
            Clock::FirstContent => "no content from the upstream within",
            Clock::ContentIdle => "the upstream sent no further content for",
            Clock::ByteIdle => "the upstream sent no byte for",
            Clock::Total => "the request took longer than",
        };
        Self { clock: Some(clock), ..Self::new(ErrorClass::Timeout, 504, format!("{what} {limit:?}")) }
    }

    /// The watchdog ended the stream.
    pub fn aborted(rule: Rule) -> Self {
        let message = match rule {
            Rule::Operator => "this stream was ended by an operator".to_owned(),
            rule => format!(
                "the watchdog ended this stream: it used the processor without progress (rule {})",
                rule.as_str()
            ),
        };
        Self { retryable: false, ..Self::new(ErrorClass::Server, 500, message) }
    }

    /// A defect of this program: the engine's answer fits no event that it was given.
    pub fn out_of_order() -> Self {
        Self::refusal(500, "the attempt engine was driven out of order")
    }

    /// Tidegate is stopping and cannot wait longer.
    pub fn shutdown() -> Self {
        Self::new(ErrorClass::Server, 503, "the gateway is shutting down").retry_after(Duration::from_secs(1))
    }

    /// The same with every text that an upstream may have worded put through `change`.
    #[must_use]
    pub fn reworded(mut self, change: impl Fn(String) -> String) -> Self {
        self.message = change(self.message);
        self.code = self.code.map(change);
        self
    }

    /// What the log may say of it. `all`: the operator wants the words of others too.
    pub fn for_log(&self, all: bool) -> &str {
        if self.quotes && !all { "in words that are not logged (log_upstream_errors)" } else { &self.message }
    }

    /// The provider's own word, where it is a word: anything may come in its place.
    pub fn code_for_log(&self) -> Option<&str> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        self.code.as_deref().filter(|code| code.len() <= 64 && code.bytes().all(legal))
    }

    /// What the engine needs of it.
    pub fn for_engine(&self) -> tidegate_engine::Failure {
        tidegate_engine::Failure {
            class: self.class,
            status: self.status,
            retry_after_ms: self
                .retry_after
                .map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            retryable: self.retryable,
            quota: self.quota,
        }
    }

    /// A short name from a closed set, for metric labels.
    pub fn kind(&self) -> &'static str {
        match self.class {
            ErrorClass::Unknown => "unknown",
            ErrorClass::RateLimit => "rate_limit",
            ErrorClass::Overloaded => "overloaded",
            ErrorClass::Auth => "auth",
            ErrorClass::BadRequest => "bad_request",
            ErrorClass::ContextLength => "context_length",
            ErrorClass::ContentFilter => "content_filter",
            ErrorClass::Timeout => "timeout",
            ErrorClass::Transport => "transport",
            ErrorClass::Server => "server",
            ErrorClass::NotFound => "not_found",
            ErrorClass::Permission => "permission",
            ErrorClass::Truncated => "truncated",
            ErrorClass::Malformed => "malformed",
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_host::{Op, Whence};

    use super::*;

    #[test]
    fn what_a_worker_ended_with_may_be_tried_again_and_what_a_plugin_answers_may_not() {
        let whence = Whence { plugin: "p", op: Op::StreamEvent };
        let ended = PluginError::Ended { whence, how: "was ended by signal 11".to_owned() };
        let failure = Failure::plugin_call(&ended);
        assert_eq!((failure.status, failure.class, failure.retryable), (500, ErrorClass::Server, true));
        for part in ["\"p\"", "translate an event", "signal 11"] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        let failure = Failure::plugin_call(&PluginError::Away(whence));
        assert_eq!((failure.status, failure.class, failure.retryable), (503, ErrorClass::Server, true));
        assert!(failure.retry_after.is_some());
        for same in [PluginError::Panic(whence), PluginError::Limit(whence), PluginError::Poisoned(whence)] {
            assert!(!Failure::plugin_call(&same).retryable, "{same}");
        }
    }
}
