//! A text that must not reach a log: shown only where it is asked for by name.

use std::fmt;

/// A key, token or credential. `Debug` and `Display` print `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Every caller is a place where the secret may leave the process.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Whether a key of this name holds a secret: used to mask lines that are quoted in a report.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const PARTS: [&str; 6] = ["key", "secret", "token", "password", "credential", "authorization"];
    // Counts and prices are about tokens, not tokens themselves.
    const PLAIN: [&str; 4] = ["tokens", "per_token", "monkey", "key_header_name"];
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part)) && !PLAIN.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::{Secret, is_secret_name};

    #[test]
    fn is_not_printed() {
        let secret = Secret::new("sk-1234");
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        assert_eq!(secret.expose(), "sk-1234");
    }

    #[test]
    fn names_that_hold_secrets() {
        for name in ["api_key", "master_key", "vertex_credentials", "aws_session_token", "Authorization"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["max_tokens", "input_cost_per_token", "model", "litellm_key_header_name"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
