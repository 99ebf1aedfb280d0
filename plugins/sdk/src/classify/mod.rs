//! What an error means: by HTTP status, by the words in it, and whether an event is an error at all.

mod form;
mod quota;
mod words;

pub use form::{Said, is_error};
pub use quota::{is_daily, is_daily_in_details, is_quota, is_spent};
pub use words::{is_content_policy, is_context_window, may_be_the_prompt};

pub use tidegate_plugin_abi::code::NO_SUCH_PATH;

use crate::{Class, ErrorKind};

/// What a status means, and whether the same request may succeed later: 408, 409, 429 and 5xx may.
pub fn by_status(status: u32) -> (ErrorKind, bool) {
    match status {
        401 => (ErrorKind::Auth, false),
        402 | 403 => (ErrorKind::Permission, false),
        404 => (ErrorKind::NotFound, false),
        408 => (ErrorKind::Timeout, true),
        409 => (ErrorKind::BadRequest, true),
        429 => (ErrorKind::RateLimit, true),
        400..=499 => (ErrorKind::BadRequest, false),
        503 | 529 => (ErrorKind::Overloaded, true),
        504 => (ErrorKind::Timeout, true),
        500..=599 => (ErrorKind::Server, true),
        _ => (ErrorKind::Unknown, false),
    }
}

/// The status to tell a client: 529, which is no registered status, becomes 503; what is no error becomes 502.
pub fn client_status(status: u32) -> u32 {
    match status {
        529 => 503,
        400..=599 => status,
        _ => 502,
    }
}

/// The status of an error that names none: a redirect, or another head that is neither an answer nor an error, is a bad
/// gateway's.
pub fn unsaid(http_status: u32) -> u32 {
    if (200..300).contains(&http_status) { 500 } else { 502 }
}

/// Puts a status found in a body into the class, with what it means.
pub fn set_status(class: &mut Class, status: u32) {
    (class.error, class.retryable) = by_status(status);
    class.http_status = client_status(status);
}

/// The classification that OpenAI-compatible providers share. The status is the body's when it names one, else the
/// response's when that was an error, else what the error's words stand for. Else it is 500 for an error in an answer, and
/// 502 for a status that is neither (a redirect, say): that is no word of the provider about the request.
pub fn generic(said: Said, http_status: u32, class: &mut Class) {
    // The code is the closer word: a `server_error` may be one of `rate_limit_exceeded`.
    let by_word =
        said.code.as_deref().and_then(words::status_of).or(said.kind.as_deref().and_then(words::status_of));
    let from_head = Some(http_status).filter(|status| (400..=599).contains(status));
    let by_sentence = || said.message.as_deref().and_then(words::status_in);
    let status = said.status.or(from_head).or(by_word).or_else(by_sentence);
    set_status(class, status.unwrap_or_else(|| unsaid(http_status)));
    let message = said.message.as_deref().unwrap_or("");
    let code = said.code.as_deref().unwrap_or("");
    let kind = said.kind.as_deref().unwrap_or("");
    let prompt = may_be_the_prompt(class.http_status);
    let lasting = class.http_status == 429 && (is_daily(message) || is_spent(message));
    if class.http_status == 402 || is_quota(code) || is_quota(kind) || lasting {
        // Payment required keeps its class: no waiting helps.
        if class.http_status != 402 {
            class.error = ErrorKind::RateLimit;
        }
        class.quota = true;
        class.retryable = false;
    } else if code == "context_length_exceeded" || (prompt && is_context_window(message)) {
        class.error = ErrorKind::ContextLength;
        class.retryable = false;
    } else if is_content_policy(code) || is_content_policy(kind) || (prompt && is_content_policy(message)) {
        class.error = ErrorKind::ContentFilter;
        class.retryable = false;
    }
    class.message = said.message;
    class.code = said.code.or(said.kind);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn classifies_what_providers_say() {
        use ErrorKind as E;
        let long = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.";
        let rows: Vec<(u32, Value, u32, E, bool, bool)> = vec![
            (
                429,
                json!({"error": {"message": "slow", "type": "requests", "code": "rate_limit_exceeded"}}),
                429,
                E::RateLimit,
                true,
                false,
            ),
            (
                429,
                json!({"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}}),
                429,
                E::RateLimit,
                false,
                true,
            ),
            (
                200,
                json!({"error": {"message": "pay", "code": "insufficient_quota"}}),
                429,
                E::RateLimit,
                false,
                true,
            ),
            (
                200,
                json!({"error": {"message": "x", "type": "server_error", "code": "service_unavailable"}}),
                503,
                E::Overloaded,
                true,
                false,
            ),
            (402, json!({"error": {"message": "Insufficient Balance"}}), 402, E::Permission, false, true),
            (
                429,
                json!({"error": {"message": "Rate limit reached on requests per day (RPD)", "code": "rate_limit_exceeded"}}),
                429,
                E::RateLimit,
                false,
                true,
            ),
            (
                429,
                json!({"error": {"message": "You exceeded your current quota", "code": 429}}),
                429,
                E::RateLimit,
                true,
                false,
            ),
            (400, json!({"error": {"message": long, "code": null}}), 400, E::ContextLength, false, false),
            (
                400,
                json!({"error": {"message": "x", "code": "context_length_exceeded"}}),
                400,
                E::ContextLength,
                false,
                false,
            ),
            (
                400,
                json!({"error": {"message": "x", "code": "content_filter", "innererror": {}}}),
                400,
                E::ContentFilter,
                false,
                false,
            ),
            (200, json!({"error": {"message": "up", "code": 502}}), 502, E::Server, true, false),
            (200, json!({"error": {"message": "up", "code": "429"}}), 429, E::RateLimit, true, false),
            (
                200,
                json!({"object": "error", "message": "bad", "type": "BadRequestError", "code": 400}),
                400,
                E::BadRequest,
                false,
                false,
            ),
            (
                200,
                json!({"error": {"message": "x", "type": "rate_limit_error"}}),
                429,
                E::RateLimit,
                true,
                false,
            ),
            (
                200,
                json!({"error": {"message": "x", "type": "overloaded_error"}}),
                503,
                E::Overloaded,
                true,
                false,
            ),
            (529, json!({"error": {"message": "x"}}), 503, E::Overloaded, true, false),
            (200, json!({"error": "out of memory"}), 500, E::Server, true, false),
            (200, json!({"error": "Rate limit exceeded, slow down"}), 429, E::RateLimit, true, false),
            (400, json!({"error": "about the rate limit header"}), 400, E::BadRequest, false, false),
            (
                200,
                json!({"error": {"message": "x", "status": "RESOURCE_EXHAUSTED"}}),
                429,
                E::RateLimit,
                true,
                false,
            ),
            (302, json!({"detail": "elsewhere"}), 502, E::Server, true, false),
            (401, json!({"error": {"message": "who?"}}), 401, E::Auth, false, false),
            (404, json!({"error": {"message": "what?"}}), 404, E::NotFound, false, false),
            (200, json!({"error": {"message": "x", "code": 99999999999_u64}}), 500, E::Server, true, false),
            (500, json!({"detail": "boom"}), 500, E::Server, true, false),
            (302, json!({"error": {"message": "moved"}}), 502, E::Server, true, false),
        ];
        for (status, body, want_status, want, retryable, quota) in rows {
            let mut class = Class::default();
            generic(Said::of(&body), status, &mut class);
            let got = (class.http_status, class.error, class.retryable, class.quota);
            assert_eq!(got, (want_status, want, retryable, quota), "{status} {body}");
            assert!(class.message.is_some(), "{body}");
        }
    }

    #[test]
    fn a_status_for_a_client_is_always_an_error() {
        for status in 0..1000 {
            assert!((400..=599).contains(&client_status(status)), "{status}");
        }
        assert_eq!(client_status(418), 418);
    }
}
