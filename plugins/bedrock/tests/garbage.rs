//! Nothing that comes makes the plugin panic, and no damage makes an end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{bedrock, created, head};
use proptest::prelude::*;
use serde_json::json;
use tidegate_plugin_sdk::{Dialect, RequestIn};

const NAMES: [&str; 9] = [
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "metadata",
    "",
    "throttlingException",
    "chunk",
    "error",
];

proptest! {
    #[test]
    fn no_bytes_panic_or_end_well(
        events in proptest::collection::vec((0..NAMES.len(), proptest::collection::vec(any::<u8>(), 0..60)), 0..12),
    ) {
        let harness = bedrock();
        let mut stream = harness.stream(&head()).unwrap();
        for (name, data) in events {
            let step = stream.event(NAMES[name], data);
            prop_assert!(step.status == 0 || step.status == -4 || step.status == -8);
        }
        prop_assert_eq!(stream.end().status, common::E_TRUNCATED);
    }

    #[test]
    fn half_known_events_do_not_panic(
        index in any::<u32>(),
        pieces in proptest::collection::vec((0..6usize, "[a-z{}\"]{0,6}"), 0..20),
    ) {
        let harness = bedrock();
        let mut stream = harness.stream(&head()).unwrap();
        for (kind, text) in pieces {
            let (name, data) = match kind {
                0 => ("contentBlockStart", json!({"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": text, "name": text}}})),
                1 => ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": {"toolUse": {"input": text}}})),
                2 => ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": {"text": text}})),
                3 => ("contentBlockStop", json!({"contentBlockIndex": index})),
                4 => ("metadata", json!({"usage": {"inputTokens": u64::MAX, "cacheReadInputTokens": index}})),
                _ => ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": {"reasoningContent": {"text": text, "signature": text}}})),
            };
            stream.event(name, data.to_string());
        }
        prop_assert_eq!(stream.end().status, common::E_TRUNCATED);
    }

    #[test]
    fn no_request_panics(body in proptest::collection::vec(any::<u8>(), 0..80), model in "[a-z0-9:/. -]{0,30}") {
        let harness = created(json!({"aws_region_name": "us-east-1"}), &[]).unwrap();
        let input = RequestIn { dialect: Dialect::OpenAiChat, model: &model, body: &body, ..RequestIn::default() };
        if let Err(refused) = harness.request(&input) {
            prop_assert!(!refused.why.is_empty());
        }
    }
}
