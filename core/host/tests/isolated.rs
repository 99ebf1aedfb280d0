//! Plugins in processes of their own, end to end.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod common;

use serde_json::json;
use tidegate_host::{Class, FailureIn, Phase, abi};

#[test]
fn a_plugin_describes_itself_from_a_worker_and_answers() {
    let (_dir, path) = common::compiled(&[]);
    let plugin = common::isolated(&path, |_| {});
    assert_eq!((plugin.name(), plugin.version()), ("scripted", "1.0"));
    assert!(plugin.manifest().provider("scripted").is_some());
    let provider = plugin.provider().unwrap().create(&json!({})).unwrap();
    assert_eq!(provider.self_test(), Ok(()));
    let failure = FailureIn {
        phase: Phase::Status,
        http_status: 503,
        headers: &[],
        event: b"",
        body: b"slow",
        unix_ms: 0,
        bytes_to_client: 0,
    };
    let default = Class {
        error: abi::error::OVERLOADED,
        http_status: 503,
        retryable: true,
        quota: false,
        retry_after_ms: None,
    };
    let named = common::wait(provider.classify(&failure, default)).unwrap();
    assert_eq!(named.message.as_deref(), Some("slow down"));
}
