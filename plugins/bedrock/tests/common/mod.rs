//! What every test of the plugin shares.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tidegate_plugin_bedrock::Bedrock;
use tidegate_plugin_sdk::harness::{Harness, Recording, Refusal, Sent};
use tidegate_plugin_sdk::{Class, Dialect, FailureIn, HeadIn, Headers, Phase, RequestIn};

pub(crate) const OK: i32 = 0;
pub(crate) const E_INVALID: i32 = -2;
pub(crate) const E_PROTOCOL: i32 = -4;
pub(crate) const E_TRUNCATED: i32 = -6;
pub(crate) const E_UNSUPPORTED: i32 = -7;
pub(crate) const E_UPSTREAM: i32 = -8;
/// The note that nothing follows.
pub(crate) const NOTE_DONE: (u32, u64) = (5, 0);

pub(crate) const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
pub(crate) const NOVA: &str = "us.amazon.nova-pro-v1:0";
pub(crate) const LLAMA: &str = "meta.llama3-3-70b-instruct-v1:0";

pub(crate) fn created(params: Value, secrets: &[&str]) -> Result<Harness, Refusal> {
    let model = params.get("model").and_then(Value::as_str).unwrap_or(CLAUDE).to_owned();
    Harness::new::<Bedrock>(
        &json!({"provider": "bedrock", "model": model, "params": params, "secrets": secrets}),
    )
}

pub(crate) fn bedrock() -> Harness {
    created(json!({"aws_region_name": "us-east-1"}), &["aws_access_key_id", "aws_secret_access_key"]).unwrap()
}

pub(crate) fn recording(name: &str) -> Recording {
    Recording::read(format!("{}/tests/fixtures/{name}.eventstream", env!("CARGO_MANIFEST_DIR")))
}

pub(crate) fn head() -> HeadIn<'static> {
    HeadIn { http_status: 200, model: "mine", unix_ms: 1_700_000_000_999, seed: 0xabc, ..HeadIn::default() }
}

/// What is sent for an OpenAI body.
pub(crate) fn sent(harness: &Harness, model: &str, stream: bool, body: &Value) -> Result<Sent, Refusal> {
    let body = body.to_string();
    harness.request(&RequestIn {
        dialect: Dialect::OpenAiChat,
        stream,
        model,
        body: body.as_bytes(),
        ..RequestIn::default()
    })
}

/// The upstream body for an OpenAI body.
pub(crate) fn upstream(model: &str, body: &Value) -> Result<Value, (i32, String)> {
    let sent = sent(&bedrock(), model, false, body);
    sent.map(|sent| sent.json()).map_err(|refused| (refused.status, refused.why))
}

/// The same of parameters beside one message, which is not shown.
pub(crate) fn with(model: &str, params: Value) -> Result<Value, (i32, String)> {
    let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
    body.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    let mut out = upstream(model, &body)?;
    out.as_object_mut().unwrap().remove("messages");
    Ok(out)
}

pub(crate) fn classed(status: u32, headers: Vec<(&str, &str)>, body: &str) -> Class {
    let failure = FailureIn {
        phase: Phase::Status,
        http_status: status,
        headers: Headers(headers),
        body: body.as_bytes(),
        ..FailureIn::default()
    };
    bedrock().classify(&failure).unwrap()
}

/// Of a frame in a stream.
pub(crate) fn framed(event: &str, body: &str) -> Class {
    let failure = FailureIn {
        phase: Phase::Stream,
        http_status: 200,
        event,
        body: body.as_bytes(),
        ..FailureIn::default()
    };
    bedrock().classify(&failure).unwrap()
}
