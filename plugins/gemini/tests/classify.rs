//! Failures, as Google words them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::classed;
use serde_json::{Value, json};
use tidegate_plugin_sdk::ErrorKind;

fn error(code: u32, status: &str, message: &str, details: Value) -> String {
    json!({"error": {"code": code, "status": status, "message": message, "details": details}}).to_string()
}

#[test]
fn by_code_status_and_words() {
    use ErrorKind as E;
    let long = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).";
    let bad_key = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    let rows = [
        (200, error(429, "RESOURCE_EXHAUSTED", "m", json!([])), 429, E::RateLimit, true),
        (200, r#"{"error":{"status":"UNAVAILABLE"}}"#.to_owned(), 503, E::Overloaded, true),
        (200, error(500, "INTERNAL", "m", json!([])), 500, E::Server, true),
        (400, error(400, "INVALID_ARGUMENT", "m", json!([])), 400, E::BadRequest, false),
        (400, error(400, "INVALID_ARGUMENT", long, json!([])), 400, E::ContextLength, false),
        (
            400,
            error(400, "INVALID_ARGUMENT", "The response was blocked.", json!([])),
            400,
            E::ContentFilter,
            false,
        ),
        // A limit, whatever words it uses.
        (429, error(429, "RESOURCE_EXHAUSTED", long, json!([])), 429, E::RateLimit, true),
        (400, error(400, "INVALID_ARGUMENT", "API key not valid.", bad_key), 400, E::Auth, false),
        (401, error(401, "UNAUTHENTICATED", "m", json!([])), 401, E::Auth, false),
        (403, error(403, "PERMISSION_DENIED", "m", json!([])), 403, E::Permission, false),
        (404, error(404, "NOT_FOUND", "m", json!([])), 404, E::NotFound, false),
        (504, error(504, "DEADLINE_EXCEEDED", "m", json!([])), 504, E::Timeout, true),
        (429, "<html>slow down</html>".to_owned(), 429, E::RateLimit, true),
        (200, r#"{"error":"boom"}"#.to_owned(), 500, E::Server, true),
        (200, "not json".to_owned(), 500, E::Server, true),
        (503, String::new(), 503, E::Overloaded, true),
    ];
    for (status, body, want_status, want, retryable) in rows {
        let class = classed(status, vec![], &body);
        assert_eq!(
            (class.http_status, class.error, class.retryable),
            (want_status, want, retryable),
            "{body}"
        );
        assert!(!class.quota);
    }
}

#[test]
fn the_wait_is_in_the_details() {
    let info =
        |delay: &str| json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]);
    let at = |headers, delay| {
        classed(429, headers, &error(429, "RESOURCE_EXHAUSTED", "m", info(delay))).retry_after_ms
    };
    assert_eq!(at(vec![], "47.291s"), Some(47_291));
    assert_eq!(at(vec![("retry-after", "3")], "47s"), Some(47_000));
    assert_eq!(at(vec![("retry-after", "3")], "soon"), Some(3000));
    assert_eq!(at(vec![], "-1s"), None);
    let array = format!("[{}]", error(429, "RESOURCE_EXHAUSTED", "m", info("7s")));
    assert_eq!(classed(429, vec![], &array).retry_after_ms, Some(7000));
}

#[test]
fn a_quota_of_the_day_is_not_worth_a_retry() {
    let details = |id: &str| {
        json!([
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaMetric": "m", "quotaId": id}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"},
        ])
    };
    let of = |id| classed(429, vec![], &error(429, "RESOURCE_EXHAUSTED", "m", details(id)));
    let day = of("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
    assert!(day.quota && !day.retryable);
    let minute = of("GenerateRequestsPerMinutePerProjectPerModel");
    assert!(!minute.quota && minute.retryable);
}
