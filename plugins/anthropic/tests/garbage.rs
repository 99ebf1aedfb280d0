//! Whatever comes: no panic, no invented finish, no call that hangs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_plugin_sdk::{Dialect, EventIn, HeadIn};

/// Pieces that look like the real thing, whole or cut, between garbage.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let real = prop_oneof![
        Just(start()),
        Just(begin(0, json!({"type": "text", "text": ""}))),
        Just(begin(1, json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}))),
        Just(begin(2, json!({"type": "server_tool_use", "id": "t", "name": "f", "input": {}}))),
        Just(begin(3, json!({"type": "thinking"}))),
        Just(text("héllo")),
        Just(delta(1, json!({"type": "input_json_delta", "partial_json": "{"}))),
        Just(delta(2, json!({"type": "input_json_delta", "partial_json": "{"}))),
        Just(delta(3, json!({"type": "signature_delta", "signature": "S"}))),
        (0u64..4).prop_map(stop),
        Just(ended("end_turn")),
        Just(MESSAGE_STOP.to_owned()),
        Just(OVERLOADED.to_owned()),
        Just(
            r#"{"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn"}"#
                .to_owned()
        ),
        Just("{}".to_owned()),
        Just("[DONE]".to_owned()),
    ];
    prop_oneof![
        4 => real.clone().prop_map(String::into_bytes),
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
    fn a_finish_is_never_invented(native: bool, events in prop::collection::vec((any::<bool>(), data()), 0..16)) {
        let harness = anthropic();
        let dialect = if native { Dialect::AnthropicMessages } else { Dialect::OpenAiChat };
        let mut stream = harness.stream(&HeadIn { dialect, ..head() }).unwrap();
        let (mut reason, mut stopped, mut finishes) = (false, false, 0);
        for (stray, data) in &events {
            let said = String::from_utf8_lossy(data);
            reason |= said.contains("stop_reason");
            stopped |= said.contains("message_stop");
            let step = stream.play(&EventIn { stray: *stray, name: "", data });
            prop_assert_ne!(step.status, -1);
            if !native {
                finishes += check_chunks(&step).len();
            }
        }
        prop_assert!(finishes <= usize::from(reason && stopped));
        let end = stream.end();
        prop_assert!(end.status == OK || end.status == E_TRUNCATED);
        prop_assert!(end.status == E_TRUNCATED || (stopped && (native || finishes == 1)));
    }

    #[test]
    fn a_body_is_a_completion_or_an_error(body in data()) {
        let harness = anthropic();
        let (status, out) = harness.response(&head(), &body);
        prop_assert_ne!(status, -1);
        if status == OK {
            let completion: Value = serde_json::from_slice(&out).unwrap();
            prop_assert!(completion["choices"][0]["finish_reason"].is_string());
        } else {
            prop_assert!(out.is_empty());
        }
    }

    #[test]
    fn a_request_never_panics(
        role in "user|assistant|tool|function|system|x",
        content in prop_oneof![
            Just(json!(null)), any::<String>().prop_map(Value::from), Just(json!([1, {"type": "text"}])),
            Just(json!([{"type": "image_url", "image_url": {"url": "data:,"}}])), Just(json!([{"type": "file", "file": {"file_data": "data:text/x;base64,=="}}])),
        ],
        parameter in "temperature|stop|tools|tool_choice|response_format|thinking|reasoning_effort|modalities|n|metadata|output_config|web_search_options|x",
        value in prop_oneof![
            Just(json!([[]])), Just(json!({"type": []})), Just(json!(-1)), Just(json!("")), Just(json!("low")),
            Just(json!([{"function": {"name": "f", "parameters": {"$ref": "#"}}}])),
            Just(json!({"type": "json_schema", "json_schema": {"schema": {"oneOf": 3, "properties": [], "type": ["object"]}}})),
        ],
        model in "claude-3-opus|claude-sonnet-4-5|claude-opus-5|x",
    ) {
        let calls = json!([{"id": "3", "function": {"name": "f", "arguments": "{}"}}]);
        let mut body = json!({"messages": [{"role": role, "content": content, "tool_call_id": "潮", "tool_calls": calls}]});
        body[parameter] = value;
        match upstream(&model, &body) {
            Ok(sent) => prop_assert!(sent["max_tokens"].is_u64() && sent["messages"].is_array()),
            Err((status, why)) => {
                prop_assert!(status == E_INVALID || status == E_UNSUPPORTED, "{} {}", status, why);
                prop_assert!(!why.is_empty());
            }
        }
    }

    #[test]
    fn a_failure_is_always_classed(body in data(), status in 0u32..700) {
        let body = String::from_utf8_lossy(&body).into_owned();
        let class = classed(status, vec![], &body);
        prop_assert!((400..=599).contains(&class.http_status));
    }
}
