//! `cloudflare`: where a request goes, what ends an answer, what a failure is. It is served in `served.rs`.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use serde_json::json;
use tidegate_plugin_sdk::harness::Harness;
use tidegate_plugin_sdk::{FailureIn, HeadIn, Headers, Phase, RequestIn};

#[path = "../cloudflare.rs"]
#[allow(unreachable_pub, reason = "it is a library of its own")]
mod cloudflare;

/// The numbers of `tidegate.h`.
const OK: i32 = 0;
const PASS: i32 = 1;
const E_PROTOCOL: i32 = -4;
const E_TRUNCATED: i32 = -6;
const E_UPSTREAM: i32 = -8;

fn harness(params: &serde_json::Value) -> Harness {
    let config =
        json!({"provider": "cloudflare", "model": "@cf/up", "params": params, "secrets": ["api_key"]});
    Harness::new::<cloudflare::Cloudflare>(&config).unwrap()
}

#[test]
fn it_is_short() {
    let source = include_str!("../cloudflare.rs");
    assert!(source.lines().count() < 60 && source.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn a_request_goes_to_its_account() {
    let cloudflare = harness(&json!({"account_id": "a1"}));
    let body = br#"{"model":"mine","messages":[]}"#;
    let sent = cloudflare.request(&RequestIn { body, model: "@cf/up", ..RequestIn::default() }).unwrap();
    let url = "https://api.cloudflare.com/client/v4/accounts/a1/ai/v1/chat/completions";
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", url));
    assert_eq!(sent.body, br#"{"model":"@cf/up","messages":[]}"#);
    assert_eq!(sent.auth.unwrap().secret, "api_key");
    let config = json!({"provider": "cloudflare", "params": {}});
    let refused = Harness::new::<cloudflare::Cloudflare>(&config).unwrap_err();
    assert!(refused.why.contains("needs CLOUDFLARE_ACCOUNT_ID"), "{}", refused.why);
}

#[test]
fn events_pass_and_done_is_the_only_end() {
    let cloudflare = harness(&json!({"api_base": "http://h/v1"}));
    let mut stream = cloudflare.stream(&HeadIn::default()).unwrap();
    // The first may say what its filter found, and has no choice.
    assert_eq!(stream.event("", r#"{"choices":[],"prompt_filter_results":[]}"#).status, PASS);
    assert_eq!(stream.event("", r#"{"choices":[{"delta":{"content":"a"}}]}"#).status, PASS);
    assert_eq!(stream.event("", r#"{"error":{"message":"gone"}}"#).status, E_UPSTREAM);
    for data in ["{", "null", "7", "{}", r#"{"choices": 1}"#] {
        assert_eq!(stream.event("", data).status, E_PROTOCOL, "{data}");
    }
    assert_eq!(stream.end().status, E_TRUNCATED);
    assert_eq!(stream.event("", "[DONE]").status, OK);
    assert_eq!(stream.end().status, OK);
}

#[test]
fn a_failure_is_named_with_its_wait() {
    let cloudflare = harness(&json!({"api_base": "http://h/v1"}));
    let class = |http_status, body: &[u8]| {
        let headers = Headers(vec![("retry-after", "7")]);
        cloudflare
            .classify(&FailureIn { phase: Phase::Status, http_status, headers, body, ..FailureIn::default() })
            .unwrap()
    };
    let limited =
        class(429, br#"{"error":{"code":"429","message":"Requests have exceeded call rate limit."}}"#);
    assert_eq!((limited.http_status, limited.retryable, limited.retry_after_ms), (429, true, Some(7000)));
    let filtered =
        class(400, br#"{"error":{"code":"content_filter","message":"The response was filtered"}}"#);
    assert_eq!(filtered.error, tidegate_plugin_sdk::ErrorKind::ContentFilter);
}
