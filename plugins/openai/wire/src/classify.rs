//! What a failure means.

use serde_json::Value;
use tidegate_plugin_sdk::classify::{NO_SUCH_PATH, Said, generic, is_daily_in_details};
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
    if matches!(failure.http_status, 404 | 405) {
        missing(failure, body, class);
    }
    let details = body.and_then(|b| b.pointer("/error/details").or_else(|| b.pointer("/0/error/details")));
    if class.http_status == 429 && details.is_some_and(is_daily_in_details) {
        class.quota = true;
        class.retryable = false;
    }
}

/// Says whether a path or a model is missing. OpenAI's own word for both is `invalid_request_error`.
fn missing(failure: &FailureIn<'_>, body: Option<&Value>, class: &mut Class) {
    let message = class.message.as_deref().unwrap_or("").to_ascii_lowercase();
    // FastAPI's, of vLLM and many others.
    let detail = body.and_then(|body| body["detail"].as_str()).unwrap_or("");
    let of_path = failure.http_status == 405
        // A page of a gateway, or Go's plain words.
        || body.is_none()
        || matches!(detail, "Not Found" | "Method Not Allowed")
        || ["invalid url (", "unknown request url", "no such path", "unexpected endpoint or method"]
            .iter()
            .any(|words| message.contains(words))
        // Azure's, where the API version has no such path.
        || message == "resource not found";
    if of_path {
        class.code = Some(NO_SUCH_PATH.to_owned());
    } else if class.code.is_none() && message.contains("model") {
        class.code = Some("model_not_found".to_owned());
    }
}
