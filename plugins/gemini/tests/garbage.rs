//! Whatever comes: no panic, no invented finish, no call that hangs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{E_TRUNCATED, ERROR_429, OK, check_chunks, finish, gemini, head, text, upstream};
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_plugin_sdk::EventIn;

/// Pieces that look like the real thing, whole or cut, between garbage.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let real = prop_oneof![
        Just(text("héllo")),
        Just(finish("STOP")),
        Just(finish("FINISH_REASON_UNSPECIFIED")),
        Just(ERROR_429.to_owned()),
        Just(json!({"promptFeedback": {"blockReason": "OTHER"}}).to_string()),
        Just(format!("[{},\n{}]", text("a"), text("b"))),
        Just("{}".to_owned()),
        Just("[DONE]".to_owned()),
    ];
    prop_oneof![
        3 => real.clone().prop_map(String::into_bytes),
        2 => (real.clone(), any::<prop::sample::Index>()).prop_map(|(text, cut)| {
            let mut bytes = text.into_bytes();
            bytes.truncate(cut.index(bytes.len() + 1));
            bytes
        }),
        1 => (real, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        1 => prop::collection::vec(any::<u8>(), 0..80),
        1 => "[\\[\\]{},:\"0-9a-z ]{0,40}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn a_finish_is_never_invented(events in prop::collection::vec((any::<bool>(), data()), 0..12)) {
        let harness = gemini();
        let mut stream = harness.stream(&head()).unwrap();
        let mut could_finish = false;
        for (stray, data) in &events {
            let said = String::from_utf8_lossy(data);
            could_finish |= said.contains("finishReason") || said.contains("blockReason");
            let step = stream.play(&EventIn { stray: *stray, name: "", data });
            prop_assert_ne!(step.status, -1);
            prop_assert_eq!(check_chunks(&step).len(), 0, "more may come");
        }
        let end = stream.end();
        prop_assert!(end.status == OK || end.status == E_TRUNCATED);
        prop_assert_eq!(check_chunks(&end).is_empty(), end.status == E_TRUNCATED);
        prop_assert!(end.status == E_TRUNCATED || could_finish);
    }

    #[test]
    fn a_body_is_a_completion_or_an_error(body in data()) {
        let harness = gemini();
        let (status, out) = harness.response(&head(), &body);
        prop_assert_ne!(status, -1);
        if status == OK {
            let completion: Value = serde_json::from_slice(&out).unwrap();
            prop_assert!(completion["choices"].as_array().is_some_and(|list| !list.is_empty()));
            prop_assert!(completion["choices"][0]["finish_reason"].is_string());
        } else {
            prop_assert!(out.is_empty());
        }
    }

    #[test]
    fn a_request_never_panics(
        role in "user|assistant|tool|system|x",
        content in prop_oneof![Just(json!(null)), any::<String>().prop_map(Value::from), Just(json!([1, {"type": "text"}])), Just(json!([{"type": "image_url"}]))],
        parameter in "temperature|stop|tools|tool_choice|response_format|thinking|modalities|n|x",
        value in prop_oneof![Just(json!([[]])), Just(json!({"type": []})), Just(json!(-1)), Just(json!("")), Just(json!([{"function": {"name": "f", "parameters": {"$ref": "#"}}}]))],
    ) {
        let mut body = json!({"messages": [{"role": role, "content": content, "tool_calls": [{"id": 3}]}]});
        body[parameter] = value;
        if let Err((status, why)) = upstream("gemini-3-pro", &body) {
            prop_assert!(status == -2 || status == -7, "{} {}", status, why);
            prop_assert!(!why.is_empty());
        }
    }

    #[test]
    fn a_failure_is_always_classed(body in data(), status in 0u32..700) {
        let body = String::from_utf8_lossy(&body).into_owned();
        let class = common::classed(status, vec![], &body);
        prop_assert!((400..=599).contains(&class.http_status));
    }
}
