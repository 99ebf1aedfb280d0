//! What a failure means.

use serde_json::Value;
use tidegate_plugin_sdk::classify::{Said, generic};
use tidegate_plugin_sdk::{Class, FailureIn, retry_after};

use crate::events::error_in;

/// By the body's code and words, then by the HTTP status; with the wait that the headers ask for, or that a Google
/// server behind the OpenAI dialect puts into its details.
pub(crate) fn classify(failure: &FailureIn<'_>, class: &mut Class) {
    let body = serde_json::from_slice::<Value>(failure.body).ok();
    let said = match body.as_ref() {
        Some(body) => Said::of(error_in(body).unwrap_or(body)),
        None => Said::of_bytes(failure.body),
    };
    generic(said, failure.http_status, class);
    let details = || {
        let body = body.as_ref()?;
        let details = body.pointer("/error/details").or_else(|| body.pointer("/0/error/details"))?;
        retry_after::from_google_details(details)
    };
    class.retry_after_ms = retry_after::from_headers(&failure.headers, failure.unix_ms).or_else(details);
}
