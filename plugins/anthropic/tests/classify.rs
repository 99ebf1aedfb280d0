//! Failures, as Anthropic words them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{OVERLOADED, classed};
use serde_json::json;
use tidegate_plugin_sdk::ErrorKind as E;

fn error(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).to_string()
}

#[test]
fn every_type_in_an_answer_and_in_a_stream() {
    for (status, kind, told, want, retryable) in [
        (400, "invalid_request_error", 400, E::BadRequest, false),
        (401, "authentication_error", 401, E::Auth, false),
        (402, "billing_error", 402, E::Permission, false),
        (403, "permission_error", 403, E::Permission, false),
        (404, "not_found_error", 404, E::NotFound, false),
        (409, "conflict_error", 409, E::BadRequest, true),
        (413, "request_too_large", 413, E::BadRequest, false),
        (429, "rate_limit_error", 429, E::RateLimit, true),
        (500, "api_error", 500, E::Server, true),
        (504, "timeout_error", 504, E::Timeout, true),
        // 529 is no registered status: a client is told 503, unless it speaks Anthropic's dialect.
        (529, "overloaded_error", 503, E::Overloaded, true),
    ] {
        for from in [status, 200] {
            let class = classed(from, vec![], &error(kind, "m"));
            let got = (class.http_status, class.error, class.retryable);
            assert_eq!(got, (told, want, retryable), "{kind} {from}");
            assert_eq!((class.code.as_deref(), class.message.as_deref()), (Some(kind), Some("m")));
            assert_eq!(class.quota, kind == "billing_error");
        }
    }
    assert_eq!(classed(200, vec![], &format!(",[{OVERLOADED}\n]")).error, E::Overloaded);
    assert_eq!(classed(529, vec![], "").error, E::Overloaded);
    assert_eq!(classed(502, vec![], "<html>").http_status, 502);
}

#[test]
fn the_sentence_says_what_it_is_about() {
    for (status, message, told, want, quota) in [
        (400, "prompt is too long: 210000 tokens > 200000 maximum", 400, E::ContextLength, false),
        (
            400,
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
            400,
            E::ContextLength,
            false,
        ),
        (400, "Output blocked by content filtering policy", 400, E::ContentFilter, false),
        (
            400,
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
            402,
            E::Permission,
            true,
        ),
        (429, "Number of request tokens has exceeded your daily rate limit", 429, E::RateLimit, true),
        (
            429,
            "This request would exceed the rate limit for your organization of 50 requests per minute.",
            429,
            E::RateLimit,
            false,
        ),
        (
            400,
            "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens",
            400,
            E::BadRequest,
            false,
        ),
    ] {
        let kind = if status == 429 { "rate_limit_error" } else { "invalid_request_error" };
        let class = classed(status, vec![], &error(kind, message));
        assert_eq!((class.http_status, class.error, class.quota), (told, want, quota), "{message}");
        assert_eq!(class.retryable, status == 429 && !quota, "{message}");
    }
}

#[test]
fn the_wait_is_in_a_header() {
    let wait = |headers| classed(429, headers, &error("rate_limit_error", "m")).retry_after_ms;
    let spent = ("anthropic-ratelimit-input-tokens-remaining", "0");
    let reset = ("anthropic-ratelimit-input-tokens-reset", "2025-03-07T00:00:12Z");
    let later = ("anthropic-ratelimit-requests-reset", "2025-03-07T00:01:00Z");
    assert_eq!(wait(vec![("retry-after", "7"), spent, reset]), Some(7000));
    assert_eq!(
        wait(vec![spent, reset, ("anthropic-ratelimit-requests-remaining", "9"), later]),
        Some(12_000)
    );
    assert_eq!(wait(vec![reset]), None, "a limit that is not used up is not the reason");
    assert_eq!(wait(vec![]), None);
}
