//! Which keys of a configuration hold secrets.

/// Whether a key of this name holds a secret: used to mask lines that are quoted in a report.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const PARTS: [&str; 10] = [
        "key",
        "secret",
        "token",
        "password",
        "credential",
        "authorization",
        // Addresses that say who calls.
        "webhook",
        "dsn",
        "database_url",
        "redis_url",
    ];
    // Counts and prices are about tokens, not tokens themselves.
    const PLAIN: [&str; 5] = ["tokens", "per_token", "monkey", "key_header_name", "credential_name"];
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part)) && !PLAIN.iter().any(|part| name.contains(part))
}

/// Whether a key of this name stands for a mapping whose values may be secrets, whatever their names.
pub(crate) fn holds_secrets(name: &str) -> bool {
    // A guard's commands may have a key among their words.
    matches!(name, "headers" | "extra_headers" | "default_headers" | "environment_variables" | "command")
}

#[cfg(test)]
mod tests {
    use super::is_secret_name;

    #[test]
    fn names_that_hold_secrets() {
        for name in [
            "api_key",
            "master_key",
            "vertex_credentials",
            "aws_session_token",
            "Authorization",
            "alert_to_webhook_url",
            "SENTRY_DSN",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["max_tokens", "input_cost_per_token", "model", "litellm_key_header_name"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
