//! What a failure means. Ollama's errors are a sentence: `{"error": "..."}`, before a stream and inside it.

use tidegate_plugin_sdk::classify::{Said, generic};
use tidegate_plugin_sdk::{Class, ErrorKind, FailureIn, retry_after};

/// Ollama's words for a prompt that is too long.
const TOO_LONG: [&str; 4] = [
    "exceeds the context length",
    "exceeded max context length",
    "exceeds maximum context length",
    "exceed context window",
];

/// Its words for a line that is full, which may come in a stream too.
const BUSY: &str = "maximum pending requests exceeded";

pub(crate) fn classify(failure: &FailureIn<'_>, class: &mut Class) {
    let said = Said::of_bytes(failure.body);
    let message = said.message.clone().unwrap_or_default();
    generic(said, failure.http_status, class);
    if TOO_LONG.iter().any(|words| message.contains(words)) {
        class.error = ErrorKind::ContextLength;
        class.http_status = 400;
        class.retryable = false;
    } else if message.contains(BUSY) {
        class.error = ErrorKind::Overloaded;
        class.http_status = 503;
        class.retryable = true;
    } else if failure.http_status == 200 && message.contains("not found") {
        class.error = ErrorKind::NotFound;
        class.http_status = 404;
        class.retryable = false;
    }
    class.retry_after_ms = retry_after::said(
        &failure.headers,
        None,
        Some(message.as_str()).filter(|message| !message.is_empty()),
        class.http_status,
        failure.unix_ms,
    );
}
