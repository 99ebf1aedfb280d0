//! The plugin through its C table: what it sends, what passes, where the end is, and what a failure means.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_plugin_azure::Azure;
use tidegate_plugin_sdk::harness::{Ending, Harness, Recording};
use tidegate_plugin_sdk::{Class, Dialect, ErrorKind, FailureIn, HeadIn, Headers, Phase, RequestIn};

const PASS: i32 = 1;
const OK: i32 = 0;
const E_PROTOCOL: i32 = -4;
const E_TRUNCATED: i32 = -6;
const E_UNSUPPORTED: i32 = -7;
const E_UPSTREAM: i32 = -8;

fn of(provider: &str, params: Value, secrets: Value) -> Harness {
    let config = json!({"provider": provider, "model": "gpt", "params": params, "secrets": secrets});
    Harness::new::<Azure>(&config).unwrap()
}

fn azure() -> Harness {
    let params = json!({"api_base": "https://n.openai.azure.com", "api_version": "2024-10-21"});
    of("azure", params, json!(["api_key", "azure_ad_token"]))
}

fn answer(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers").join(name);
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn only_the_model_changes() {
    let body = r#"{ "messages":[{"role":"user","content":"\u00fc"}],"model" :"mine", "temperature":1.0, "x":1e400 }"#;
    let input = RequestIn {
        stream: true,
        dialect: Dialect::OpenAiChat,
        model: "o_series/my-o3",
        body: body.as_bytes(),
        headers: Headers(vec![("x-trace", "t")]),
        ..RequestIn::default()
    };
    let sent = azure().request(&input).unwrap();
    let url = "https://n.openai.azure.com/openai/deployments/my-o3/chat/completions?api-version=2024-10-21";
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", url));
    assert_eq!(String::from_utf8_lossy(&sent.body), body.replace("mine", "my-o3"));
    assert_eq!(sent.dialect, Some(Dialect::OpenAiChat));
    assert!(sent.headers.contains(&("x-trace".to_owned(), "t".to_owned())));
}

#[test]
fn each_dialect_of_openais_passes_and_others_do_not() {
    for dialect in [Dialect::OpenAiCompletions, Dialect::OpenAiEmbeddings, Dialect::OpenAiResponses] {
        let input = RequestIn { dialect, model: "m", body: br#"{"model":"x"}"#, ..RequestIn::default() };
        let sent = azure().request(&input).unwrap();
        assert_eq!((sent.dialect, sent.body.as_slice()), (Some(dialect), &br#"{"model":"m"}"#[..]));
    }
    let marked = |dialect| RequestIn { dialect, model: "responses/m", body: b"{}", ..RequestIn::default() };
    let sent = azure().request(&marked(Dialect::OpenAiResponses)).unwrap();
    assert_eq!(sent.body, br#"{"model":"m"}"#);
    assert_eq!(azure().request(&marked(Dialect::OpenAiEmbeddings)).unwrap_err().status, E_UNSUPPORTED);
    let input = RequestIn { dialect: Dialect::GeminiGenerate, body: b"{}", ..RequestIn::default() };
    assert_eq!(azure().request(&input).unwrap_err().status, E_UNSUPPORTED);
}

/// Translated as for OpenAI (`plugins/openai/tests/chat_by_responses.rs`), at Azure's address.
#[test]
fn a_chat_for_a_model_of_responses_alone_goes_there() {
    for model in ["responses/prod", "gpt5_series/gpt-5.1-codex"] {
        let body = br#"{"messages":[{"role":"user","content":"hi","name":"ann"}],"stream":true}"#;
        let input =
            RequestIn { dialect: Dialect::OpenAiChat, stream: true, model, body, ..RequestIn::default() };
        let sent = azure().request(&input).unwrap();
        assert_eq!(sent.url, "https://n.openai.azure.com/openai/responses?api-version=2024-10-21");
        assert_eq!(sent.dialect, Some(Dialect::OpenAiResponses));
        assert!(sent.headers.contains(&("x-tidegate-dropped".to_owned(), "messages.name".to_owned())));
        let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(body["input"], json!([{"type": "message", "role": "user", "content": "hi"}]));
        assert_eq!((&body["stream"], &body["store"]), (&json!(true), &json!(false)));
    }
    let whole = r#"{"object":"response","status":"completed","error":null,"output":[]}"#;
    let chat = HeadIn { dialect: Dialect::OpenAiChat, ..HeadIn::default() };
    let (status, told) = azure().response(&chat, whole.as_bytes());
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    assert_eq!((status, &told["choices"][0]["finish_reason"]), (OK, &json!("stop")));

    let (status, told) = azure().response(&chat, answer("responses.json").as_bytes());
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    let message = &told["choices"][0]["message"];
    assert_eq!((status, &message["content"]), (OK, &json!("Paris")));
    assert_eq!(message["thinking_blocks"][0]["type"], "redacted_thinking");
    assert_eq!(told["usage"]["completion_tokens_details"]["reasoning_tokens"], 9);
}

#[test]
fn a_key_goes_before_a_token_and_each_has_its_header() {
    let rows = [
        ("azure", "https://n.openai.azure.com", json!(["api_key", "azure_ad_token"]), "api-key", "api_key"),
        ("azure", "https://n.openai.azure.com", json!(["azure_ad_token"]), "", "azure_ad_token"),
        ("azure_ai", "https://n.services.ai.azure.com", json!(["api_key"]), "api-key", "api_key"),
        ("azure_ai", "https://m.eastus2.models.ai.azure.com", json!(["api_key"]), "", "api_key"),
    ];
    for (provider, base, secrets, header, secret) in rows {
        let harness = of(provider, json!({"api_base": base}), secrets);
        let input =
            RequestIn { dialect: Dialect::OpenAiChat, model: "m", body: b"{}", ..RequestIn::default() };
        let auth = harness.request(&input).unwrap().auth.unwrap();
        assert_eq!((auth.header.as_str(), auth.secret.as_str()), (header, secret), "{base}");
    }
}

#[test]
fn recorded_streams_pass_and_end_at_done_alone() {
    for (name, finish) in
        [("chat.sse", "stop"), ("chat-2024-02-01.sse", "stop"), ("async-filter.sse", "content_filter")]
    {
        let recording =
            Recording::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers").join(name));
        let harness = azure();
        let replayed = harness.replay(&recording);
        assert_eq!((&replayed.ending, replayed.finish().as_deref()), (&Ending::Done, Some(finish)), "{name}");
        assert!(replayed.text().starts_with("High water"), "{name}: {}", replayed.text());
        assert!(harness.invented_ends(&recording).is_empty(), "{name}");
    }
}

#[test]
fn bodies_pass_or_fail() {
    for (body, want) in [
        (r#"{"choices":[{"index":0,"content_filter_results":{}}],"prompt_filter_results":[]}"#, PASS),
        (r#"{"error":{"message":"x"}}"#, E_UPSTREAM),
        ("{}", E_PROTOCOL),
        ("", E_PROTOCOL),
    ] {
        assert_eq!(azure().response(&HeadIn::default(), body.as_bytes()), (want, vec![]), "{body}");
    }
}

fn classed(status: u32, headers: Vec<(&str, &str)>, body: &str) -> Class {
    let failure = FailureIn {
        phase: if status == 200 { Phase::Stream } else { Phase::Status },
        http_status: status,
        headers: Headers(headers),
        body: body.as_bytes(),
        ..FailureIn::default()
    };
    azure().classify(&failure).unwrap()
}

#[test]
fn failures_are_classified() {
    let waits = vec![("retry-after", "27"), ("retry-after-ms", "26140")];
    let limited = classed(429, waits, &answer("rate-limit-429.json"));
    assert_eq!((limited.error, limited.http_status, limited.retryable), (ErrorKind::RateLimit, 429, true));
    assert_eq!(limited.retry_after_ms, Some(26_140));
    // Without the headers, by its sentence; and so for the gateway before it.
    assert_eq!(classed(429, vec![], &answer("rate-limit-429.json")).retry_after_ms, Some(26_000));
    let gateway = classed(429, vec![], &answer("gateway-429.json"));
    assert_eq!((gateway.error, gateway.retry_after_ms), (ErrorKind::RateLimit, Some(14_000)));

    let filtered = classed(400, vec![], &answer("content-filter-400.json"));
    assert_eq!((filtered.error, filtered.http_status), (ErrorKind::ContentFilter, 400));
    assert_eq!(filtered.code.as_deref(), Some("content_filter"));
    for inner in ["innererror", "inner_error"] {
        let body =
            format!(r#"{{"error":{{"code":null,"{inner}":{{"code":"ResponsibleAIPolicyViolation"}}}}}}"#);
        let class = classed(400, vec![], &body);
        assert_eq!((class.error, class.retryable), (ErrorKind::ContentFilter, false), "{inner}");
    }
    assert_eq!(classed(404, vec![], &answer("no-deployment-404.json")).error, ErrorKind::NotFound);
    assert_eq!(classed(401, vec![], &answer("no-key-401.json")).error, ErrorKind::Auth);
    let long = r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#;
    assert_eq!(classed(400, vec![], long).error, ErrorKind::ContextLength);
    let broken = classed(200, vec![], r#"{"error":{"code":"429","message":"slow"}}"#);
    assert_eq!((broken.error, broken.http_status), (ErrorKind::RateLimit, 429));
}

proptest! {
    #[test]
    fn garbage_never_panics_and_never_ends_a_stream(
        events in prop::collection::vec(("[a-z]{0,5}", prop::collection::vec(any::<u8>(), 0..60)), 0..8)
    ) {
        let harness = azure();
        let mut stream = harness.stream(&HeadIn::default()).unwrap();
        let mut done = false;
        for (name, data) in &events {
            let event = tidegate_plugin_sdk::EventIn { stray: false, name, data };
            prop_assert_ne!(stream.play(&event).status, -1);
            done |= std::str::from_utf8(data).is_ok_and(|text| text.trim().starts_with("[DONE]"));
        }
        prop_assert_eq!(stream.end().status, if done { OK } else { E_TRUNCATED });
    }
}

#[test]
fn schemas_keep_the_clients_order() {
    azure().keeps_order("gpt-4o").unwrap();
}
