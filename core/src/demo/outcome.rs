//! Whether a client got what a correct proxy gives. Strict: a lie that an SDK would not notice is wrong here.

use std::fmt;

use tidegate_sim::{Expect, RETRY_AFTER, fault_text};

use super::transcript::Transcript;

/// The one end that a client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A finish reason and `[DONE]`, after this text.
    Normal(String),
    /// An error event and nothing after it.
    Error {
        /// Its code.
        status: u16,
        /// Its sentence.
        message: String,
        /// The text before it.
        text: String,
    },
    /// An HTTP error instead of a stream.
    Http {
        /// Its status.
        status: u16,
        /// Its Retry-After, as it was written.
        retry_after: Option<String>,
    },
    /// None of these: no end, two ends, or what is not the dialect.
    Broken(String),
}

impl Outcome {
    /// Reads it from a transcript that is over, or was given up: `failed` says why.
    pub(super) fn of(seen: Transcript, failed: Option<String>) -> Self {
        let Transcript { status, finish, done, error, text, .. } = seen;
        if let Some(what) = failed.or(seen.odd) {
            return Outcome::Broken(what);
        }
        if !seen.ended {
            return Outcome::Broken("the connection was cut".into());
        }
        match (status, error, finish, done) {
            (200, None, Some(_), true) => Outcome::Normal(text),
            (200, None, None, true) => Outcome::Broken("[DONE] without a finish reason".into()),
            (200, None, _, false) => Outcome::Broken("the stream stopped without an end".into()),
            (200, Some((status, message)), None, _) => Outcome::Error { status, message, text },
            (200, Some(_), Some(reason), _) => {
                Outcome::Broken(format!("finish_reason {reason:?}, then an error"))
            }
            (status, ..) => Outcome::Http { status, retry_after: seen.retry_after },
        }
    }

    /// Whether it is what `expect` asks for.
    pub(super) fn is(&self, expect: &Expect) -> bool {
        let hint = RETRY_AFTER.as_secs().to_string();
        match (expect, self) {
            (Expect::Text(want), Outcome::Normal(text)) => text == want,
            (Expect::Http { status: want, retry_after: asked }, Outcome::Http { status, retry_after }) => {
                status == want && (!asked || retry_after.as_ref() == Some(&hint))
            }
            (Expect::Error { status: want, committed: true }, Outcome::Error { status, text, .. }) => {
                status == want && *text == fault_text()
            }
            (Expect::Truncated, Outcome::Error { status, text, .. }) => {
                self.kind() == "truncated" && matches!(status, 502..=504) && *text == fault_text()
            }
            (Expect::Malformed, Outcome::Error { status, text, .. }) => {
                self.kind() == "malformed" && matches!(status, 502..=504) && *text == fault_text()
            }
            _ => false,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Outcome::Error { message, .. } if message.starts_with("truncated upstream") => "truncated",
            Outcome::Error { message, .. } if message.starts_with("malformed upstream") => "malformed",
            _ => "error",
        }
    }

    /// A few words for a narrow table.
    pub(super) fn short(&self) -> String {
        match self {
            Outcome::Normal(_) => "text, [DONE]".into(),
            Outcome::Error { status, .. } => format!("{} {status}", self.kind()),
            Outcome::Http { status, retry_after: None } => format!("HTTP {status}"),
            Outcome::Http { status, retry_after: Some(wait) } => format!("HTTP {status}, {wait} s"),
            Outcome::Broken(_) => "BROKEN".into(),
        }
    }

    /// Some more for a wide one.
    pub(super) fn long(&self) -> String {
        match self {
            Outcome::Normal(_) => "whole text, [DONE]".into(),
            Outcome::Error { .. } => format!("text, {}", self.short()),
            Outcome::Http { status, retry_after: Some(wait) } => format!("HTTP {status}, Retry-After {wait}"),
            Outcome::Http { .. } | Outcome::Broken(_) => self.short(),
        }
    }
}

impl fmt::Display for Outcome {
    /// The whole of it, for a row that is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Normal(text) => write!(f, "a normal end after {text:?}"),
            Outcome::Error { status, message, text } => {
                write!(f, "error {status} ({message}) after {text:?}")
            }
            Outcome::Http { status, retry_after } => write!(f, "HTTP {status}, Retry-After {retry_after:?}"),
            Outcome::Broken(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_sim::healthy_text;

    use super::*;

    fn error(status: u16, message: &str, text: &str) -> Outcome {
        Outcome::Error { status, message: message.into(), text: text.into() }
    }

    fn seen() -> Transcript {
        Transcript { status: 200, text: fault_text(), ended: true, ..Transcript::default() }
    }

    const RATE: Expect = Expect::Error { status: 429, committed: true };
    const HTTP: Expect = Expect::Http { status: 429, retry_after: true };

    #[test]
    fn right_ones_are_right() {
        assert!(Outcome::Normal(healthy_text()).is(&Expect::Text(healthy_text())));
        assert!(error(429, "slow down", &fault_text()).is(&RATE));
        assert!(error(502, "truncated upstream response: cut", &fault_text()).is(&Expect::Truncated));
        assert!(error(502, "malformed upstream response: x", &fault_text()).is(&Expect::Malformed));
        assert!(Outcome::Http { status: 429, retry_after: Some("7".into()) }.is(&HTTP));
        let transcript = Transcript { error: Some((429, "slow".into())), ..seen() };
        assert!(Outcome::of(transcript, None).is(&RATE));
    }

    #[test]
    fn lies_are_wrong() {
        let stop = || Transcript { finish: Some("stop".into()), done: true, ..seen() };
        let lie = Outcome::of(stop(), None);
        assert_eq!(lie, Outcome::Normal(fault_text()));
        for expect in [RATE, Expect::Truncated, Expect::Malformed, HTTP, Expect::Text(healthy_text())] {
            assert!(!lie.is(&expect), "{expect:?}");
        }
        let both = Transcript { error: Some((429, String::new())), ..stop() };
        assert!(matches!(Outcome::of(both, None), Outcome::Broken(_)));
        let cut = Transcript { ended: false, error: Some((429, String::new())), ..seen() };
        assert!(matches!(Outcome::of(cut, None), Outcome::Broken(_)));
        assert!(matches!(Outcome::of(seen(), None), Outcome::Broken(_)));
        assert!(matches!(Outcome::of(stop(), Some("silence".into())), Outcome::Broken(_)));
    }

    #[test]
    fn near_misses_are_wrong() {
        assert!(!error(500, "slow down", &fault_text()).is(&RATE));
        assert!(!error(429, "slow down", "Die Flut ").is(&RATE));
        assert!(!error(429, "truncated upstream response: cut", &fault_text()).is(&Expect::Truncated));
        assert!(!error(502, "malformed upstream response: x", &fault_text()).is(&Expect::Truncated));
        assert!(!Outcome::Http { status: 429, retry_after: None }.is(&HTTP));
        assert!(!Outcome::Http { status: 429, retry_after: Some("1".into()) }.is(&HTTP));
        assert!(!Outcome::Http { status: 500, retry_after: Some("7".into()) }.is(&HTTP));
    }
}
