//! What a failure means.

use serde_json::Value;
use tidegate_plugin_sdk::classify::{Said, generic, is_daily_in_details};
use tidegate_plugin_sdk::{Class, FailureIn, retry_after};

use crate::events::error_in;

/// By the body's code and words, then by the HTTP status; with the wait that headers and body ask for. A Google server
/// behind the OpenAI dialect puts its wait and its quota into details.
pub fn classify(failure: &FailureIn<'_>, class: &mut Class) {
    let body = serde_json::from_slice::<Value>(failure.body).ok();
    let said = match body.as_ref() {
        Some(body) => Said::of(error_in(body).unwrap_or(body)),
        None => Said::of_bytes(failure.body),
    };
    let message = said.message.clone();
    generic(said, failure.http_status, class);
    let body = body.as_ref();
    class.retry_after_ms =
        retry_after::said(&failure.headers, body, message.as_deref(), class.http_status, failure.unix_ms);
    let details = body.and_then(|b| b.pointer("/error/details").or_else(|| b.pointer("/0/error/details")));
    if class.http_status == 429 && details.is_some_and(is_daily_in_details) {
        class.quota = true;
        class.retryable = false;
    }
}
