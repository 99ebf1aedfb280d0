//! What every test of the plugin shares.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tidegate_plugin_gemini::Gemini;
use tidegate_plugin_sdk::harness::{Harness, Step};
use tidegate_plugin_sdk::{Class, Dialect, FailureIn, HeadIn, Headers, Phase, RequestIn};

pub(crate) const OK: i32 = 0;
pub(crate) const E_INVALID: i32 = -2;
pub(crate) const E_PROTOCOL: i32 = -4;
pub(crate) const E_TRUNCATED: i32 = -6;
pub(crate) const E_UNSUPPORTED: i32 = -7;
pub(crate) const E_UPSTREAM: i32 = -8;
/// The note that the answer is whole unless more comes, and that it is not after all.
pub(crate) const NOTE_FINISHED: (u32, u64) = (7, 1);
pub(crate) const NOTE_WENT_ON: (u32, u64) = (7, 0);

pub(crate) const ERROR_429: &str = r#"{"error":{"code":429,"message":"Resource exhausted. Please try again later.","status":"RESOURCE_EXHAUSTED"}}"#;

pub(crate) fn gemini() -> Harness {
    Harness::new::<Gemini>(&json!({
        "provider": "gemini", "model": "gemini-2.5-flash", "params": {}, "secrets": ["api_key"],
    }))
    .unwrap()
}

pub(crate) fn head() -> HeadIn<'static> {
    HeadIn { http_status: 200, model: "mine", unix_ms: 1_700_000_000_999, seed: 0xabc, ..HeadIn::default() }
}

pub(crate) fn text(text: &str) -> String {
    json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r-1",
    })
    .to_string()
}

pub(crate) fn finish(reason: &str) -> String {
    json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": reason, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 15,
            "cachedContentTokenCount": 4,
        },
        "responseId": "r-1",
    })
    .to_string()
}

/// The upstream body for an OpenAI body.
pub(crate) fn upstream(model: &str, body: &Value) -> Result<Value, (i32, String)> {
    let body = body.to_string();
    let input =
        RequestIn { dialect: Dialect::OpenAiChat, model, body: body.as_bytes(), ..RequestIn::default() };
    gemini().request(&input).map(|sent| sent.json()).map_err(|refused| (refused.status, refused.why))
}

pub(crate) fn classed(status: u32, headers: Vec<(&str, &str)>, body: &str) -> Class {
    let failure = FailureIn {
        phase: if status == 200 { Phase::Stream } else { Phase::Status },
        http_status: status,
        headers: Headers(headers),
        body: body.as_bytes(),
        ..FailureIn::default()
    };
    gemini().classify(&failure).unwrap()
}

/// Fails unless each event has the shape that an OpenAI SDK demands of a chunk; gives the finish reasons.
pub(crate) fn check_chunks(step: &Step) -> Vec<String> {
    let mut finishes = Vec::new();
    for chunk in step.json() {
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        assert!(chunk["id"].as_str().is_some_and(|id| !id.is_empty()), "{chunk}");
        assert!(chunk["created"].is_u64() && chunk["model"].is_string(), "{chunk}");
        let choices = chunk["choices"].as_array().expect("choices");
        assert!(!choices.is_empty() || chunk["usage"].is_object(), "{chunk}");
        for choice in choices {
            assert!(choice["index"].is_u64(), "{chunk}");
            let delta = choice["delta"].as_object().expect("delta");
            assert!(delta.get("content").is_none_or(Value::is_string), "{chunk}");
            assert!(delta.get("role").is_none_or(|role| role == "assistant"), "{chunk}");
            for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                assert!(
                    call["index"].is_u64() && call["id"].is_string() && call["type"] == "function",
                    "{chunk}"
                );
                assert!(call["function"]["name"].is_string(), "{chunk}");
                let arguments = call["function"]["arguments"].as_str().expect("arguments");
                assert!(serde_json::from_str::<Value>(arguments).is_ok(), "{chunk}");
            }
            match choice["finish_reason"].as_str() {
                Some(reason) => {
                    assert!(["stop", "length", "tool_calls", "content_filter"].contains(&reason), "{chunk}");
                    finishes.push(reason.to_owned());
                }
                None => assert!(choice["finish_reason"].is_null(), "{chunk}"),
            }
        }
    }
    finishes
}
