//! What a failure means: Google says it in the body, the wait included.

use serde_json::Value;
use tidegate_plugin_sdk::classify::{
    Said, is_content_policy, is_context_window, is_daily_in_details, may_be_the_prompt, set_status, unsaid,
};
use tidegate_plugin_sdk::{Class, ErrorKind, FailureIn, retry_after};

use crate::error;
use crate::response::is_failure;

pub(crate) fn classify(failure: &FailureIn<'_>, class: &mut Class) {
    let text = String::from_utf8_lossy(failure.body);
    let found = error::find(&text);
    if let Some((word, message)) = found.is_none().then(|| failed_answer(&text)).flatten() {
        set_status(class, 502);
        (class.message, class.code) = (Some(message), Some(word));
        return;
    }
    let said = found.as_ref().map_or_else(|| Said::of_bytes(failure.body), Said::of);
    let empty = Value::Null;
    let inner = found.as_ref().and_then(|found| found.get("error")).unwrap_or(&empty);
    let word = inner.get("status").and_then(Value::as_str);
    let from_head = Some(failure.http_status).filter(|status| (400..=599).contains(status));
    set_status(
        class,
        said.status.or(word.and_then(status_of)).or(from_head).unwrap_or_else(|| unsaid(failure.http_status)),
    );

    let details = inner.get("details").unwrap_or(&empty);
    class.retry_after_ms = retry_after::said(
        &failure.headers,
        found.as_ref(),
        said.message.as_deref(),
        class.http_status,
        failure.unix_ms,
    );
    if class.error == ErrorKind::RateLimit && is_daily_in_details(details) {
        class.quota = true;
        class.retryable = false;
    }
    let message = said.message.as_deref().filter(|_| may_be_the_prompt(class.http_status));
    if message.is_some_and(is_context_window) {
        (class.error, class.retryable) = (ErrorKind::ContextLength, false);
    } else if message.is_some_and(is_content_policy) {
        (class.error, class.retryable) = (ErrorKind::ContentFilter, false);
    } else if class.http_status == 400 && reasons(details).any(|reason| reason == "API_KEY_INVALID") {
        class.error = ErrorKind::Auth;
    }
    class.message = said.message;
    class.code = word.map(str::to_owned).or(said.code).or(said.kind);
}

/// The word and a sentence of an answer whose model failed: asked again, it may not.
fn failed_answer(text: &str) -> Option<(String, String)> {
    let documents = error::documents::<Value>(text)?;
    let mut candidates = documents.iter().filter_map(|one| one["candidates"].as_array()).flatten();
    let failed =
        |candidate: &&Value| candidate["finishReason"].as_str().is_some_and(|word| is_failure(word, false));
    let candidate = candidates.find(failed)?;
    let word = candidate["finishReason"].as_str()?;
    let more = candidate["finishMessage"].as_str().filter(|more| !more.is_empty());
    let more = more.map_or_else(String::new, |more| format!(": {more}"));
    Some((word.to_owned(), format!("the model's answer ended with {word}{more}")))
}

/// The HTTP status of a canonical code (google/rpc/code.proto).
fn status_of(word: &str) -> Option<u32> {
    Some(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "CANCELLED" => 499,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => 500,
        "UNIMPLEMENTED" => 501,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => return None,
    })
}

fn of_type<'a>(details: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    details.as_array().into_iter().flatten().filter(move |detail| {
        detail.get("@type").and_then(Value::as_str).is_some_and(|ty| ty.ends_with(name))
    })
}

fn reasons(details: &Value) -> impl Iterator<Item = &str> {
    of_type(details, "google.rpc.ErrorInfo").filter_map(|detail| detail.get("reason")?.as_str())
}
