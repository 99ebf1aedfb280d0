//! What a failure means. Anthropic says it in the type of the error, and what it is about in its sentence.

use tidegate_plugin_sdk::classify::{Said, generic, set_status};
use tidegate_plugin_sdk::{Class, FailureIn, retry_after};

use crate::event::find_error;

/// Classifies a failed attempt, here or on another platform that answers in Anthropic's form.
pub fn classify(failure: &FailureIn<'_>, class: &mut Class) {
    let text = String::from_utf8_lossy(failure.body);
    let found = find_error(&text);
    let said = found.as_ref().map_or_else(|| Said::of_bytes(failure.body), Said::of);
    generic(said, failure.http_status, class);
    let message = class.message.as_deref().unwrap_or("");
    // A 400 that is none of the request's fault: the account has run dry.
    if message.to_ascii_lowercase().contains("credit balance is too low") {
        set_status(class, 402);
        (class.quota, class.retryable) = (true, false);
    }
    class.retry_after_ms = retry_after::said(
        &failure.headers,
        found.as_ref(),
        class.message.as_deref(),
        class.http_status,
        failure.unix_ms,
    );
}
