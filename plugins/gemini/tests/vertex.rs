//! Vertex AI's models of other makers: Claude, and those that speak OpenAI's dialect.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{E_UPSTREAM, classed};
use serde_json::{Value, json};
use tidegate_plugin_gemini::Gemini;
use tidegate_plugin_sdk::harness::{Harness, Sent};
use tidegate_plugin_sdk::{Dialect, ErrorKind, HeadIn, Headers, RequestIn};

const PLACE: &str = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5";

fn vertex(model: &str) -> Harness {
    let params = json!({"vertex_project": "p", "vertex_location": "us-east5"});
    Harness::new::<Gemini>(&json!({"provider": "vertex_ai", "model": model, "params": params})).unwrap()
}

fn ask(model: &str, dialect: Dialect, stream: bool, body: &Value) -> Sent {
    let body = body.to_string();
    let headers = Headers(vec![("anthropic-version", "2023-06-01"), ("anthropic-beta", "b")]);
    let input = RequestIn { stream, dialect, model, body: body.as_bytes(), headers, ..RequestIn::default() };
    vertex(model).request(&input).unwrap()
}

fn chat() -> Value {
    json!({"model": "mine", "stream": true, "messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn claude_is_asked_raw() {
    let claude = "claude-sonnet-4@20250514";
    let sent = ask(claude, Dialect::OpenAiChat, true, &chat());
    assert_eq!(sent.url, format!("{PLACE}/publishers/anthropic/models/{claude}:streamRawPredict"));
    assert_eq!(sent.dialect, Some(Dialect::AnthropicMessages));
    assert_eq!(sent.auth.as_ref().map(|auth| auth.scheme), Some(3));
    assert!(!sent.headers.iter().any(|(name, _)| name == "anthropic-version"), "{:?}", sent.headers);
    assert!(sent.headers.iter().any(|(name, _)| name == "anthropic-beta"), "{:?}", sent.headers);
    let body = sent.json();
    assert_eq!((&body["anthropic_version"], body.get("model")), (&json!("vertex-2023-10-16"), None));
    assert_eq!(body["messages"][0]["role"], "user");

    let own = json!({"model": "mine", "max_tokens": 7, "messages": [], "ofTomorrow": 1});
    let sent = ask(claude, Dialect::AnthropicMessages, false, &own);
    assert!(sent.url.ends_with(&format!("{claude}:rawPredict")), "{}", sent.url);
    let body = sent.json();
    assert_eq!((&body["ofTomorrow"], &body["max_tokens"], body.get("model")), (&json!(1), &json!(7), None));

    let sent = ask(claude, Dialect::AnthropicCountTokens, false, &own);
    assert_eq!(sent.url, format!("{PLACE}/publishers/anthropic/models/count-tokens:rawPredict"));
    assert_eq!(
        (sent.json()["model"].as_str(), sent.dialect),
        (Some(claude), Some(Dialect::AnthropicCountTokens))
    );
}

/// It refuses them.
#[test]
fn calls_have_no_ids() {
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let body = json!({"messages": [
        {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "a", "content": "x"}]});
    let made = json!([
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"content": "x"}}}]},
    ]);
    assert_eq!(ask("gemini-2.5-pro", Dialect::OpenAiChat, false, &body).json()["contents"], made);
    let express = json!({"provider": "gemini", "model": "gemini-2.5-pro", "secrets": ["api_key"],
        "params": {"api_base": "https://aiplatform.googleapis.com/v1/publishers/google"}});
    let body = body.to_string();
    let input = RequestIn {
        dialect: Dialect::OpenAiChat,
        model: "gemini-2.5-pro",
        body: body.as_bytes(),
        ..RequestIn::default()
    };
    let sent = Harness::new::<Gemini>(&express).unwrap().request(&input).unwrap();
    assert_eq!(sent.json()["contents"], made);
}

#[test]
fn others_are_asked_in_openais_dialect() {
    for (model, url) in [
        ("meta/llama-4-maverick", "/endpoints/openapi/chat/completions"),
        ("mistral-large-2411", "/publishers/mistralai/models/mistral-large-2411:streamRawPredict"),
    ] {
        let sent = ask(model, Dialect::OpenAiChat, true, &chat());
        assert_eq!(sent.url, format!("{PLACE}{url}"));
        assert_eq!((sent.json()["model"].as_str(), sent.dialect), (Some(model), Some(Dialect::OpenAiChat)));
        let input =
            RequestIn { dialect: Dialect::GeminiGenerate, model, body: b"{}", ..RequestIn::default() };
        assert!(vertex(model).request(&input).unwrap_err().why.contains("is not served in the dialect"));
    }
}

#[test]
fn tokens_are_counted_in_either_form() {
    let contents = json!([{"role": "user", "parts": [{"text": "a"}]}]);
    let wrapped =
        json!({"generateContentRequest": {"model": "models/mine", "contents": contents, "tools": []}});
    let bare = json!({"contents": contents, "tools": []});
    let sent = ask("gemini-2.5-pro", Dialect::GeminiCountTokens, false, &wrapped);
    assert!(sent.url.ends_with("gemini-2.5-pro:countTokens"), "{}", sent.url);
    assert_eq!((sent.json(), sent.dialect), (bare.clone(), Some(Dialect::GeminiCountTokens)));
    let api = |body: &Value| {
        let body = body.to_string();
        let input = RequestIn {
            dialect: Dialect::GeminiCountTokens,
            model: "gemini-2.5-pro",
            body: body.as_bytes(),
            ..RequestIn::default()
        };
        common::gemini().request(&input).map(|sent| sent.json())
    };
    let named = json!({"generateContentRequest": {"model": "models/gemini-2.5-pro", "contents": contents, "tools": []}});
    assert_eq!(api(&bare).unwrap(), named);
    assert_eq!(api(&wrapped).unwrap(), named);
    assert_eq!(api(&json!({"contents": contents})).unwrap(), json!({"contents": contents}));
    assert!(api(&json!({"generateContentRequest": 7})).is_err());
}

/// The two makers' events are told apart though the configuration names no model.
#[test]
fn a_wildcard_reads_either_answer() {
    let claude = [
        (
            "message_start",
            json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        ),
        (
            "content_block_start",
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        (
            "content_block_delta",
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Ebbe"}}),
        ),
        ("content_block_stop", json!({"type": "content_block_stop", "index": 0})),
        (
            "message_delta",
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        ),
        ("message_stop", json!({"type": "message_stop"})),
    ];
    let gemini = [
        ("", serde_json::from_str(&common::text("Ebbe")).unwrap()),
        ("", serde_json::from_str(&common::finish("STOP")).unwrap()),
    ];
    for events in [&claude[..], &gemini[..]] {
        for model in ["*", if events.len() == 2 { "gemini-2.5-pro" } else { "claude-x" }] {
            let harness = vertex(model);
            let mut stream = harness.stream(&common::head()).unwrap();
            let mut told = String::new();
            let mut finish = None;
            let steps: Vec<_> =
                events.iter().map(|(name, data)| stream.event(name, data.to_string())).collect();
            let end = stream.end();
            for step in steps.iter().chain([&end]) {
                for chunk in step.json() {
                    told.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
                    finish = chunk["choices"][0]["finish_reason"].as_str().map(str::to_owned).or(finish);
                }
            }
            assert_eq!((told.as_str(), finish.as_deref()), ("Ebbe", Some("stop")), "{model}");
            assert_eq!(end.status, common::OK, "{model}");
        }
    }
    let harness = vertex("*");
    assert_eq!(harness.stream(&common::head()).unwrap().end().status, common::E_TRUNCATED);
}

#[test]
fn whole_answers_and_failures_of_either_are_known() {
    let harness = vertex("*");
    let whole = |body: &str| harness.response(&HeadIn { model: "mine", ..common::head() }, body.as_bytes());
    let claude = r#"{"type":"message","id":"m","role":"assistant","content":[{"type":"text","text":"Flut"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#;
    for body in
        [claude, &common::text("Flut").replace("\"index\":0", "\"index\":0,\"finishReason\":\"STOP\"")]
    {
        let (status, answer) = whole(body);
        assert_eq!(status, common::OK, "{body}");
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], "Flut", "{answer}");
    }
    assert_eq!(whole(r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#).0, E_UPSTREAM);
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let failure = tidegate_plugin_sdk::FailureIn {
        http_status: 529,
        body: overloaded.as_bytes(),
        ..Default::default()
    };
    assert_eq!(harness.classify(&failure).unwrap().error, ErrorKind::Overloaded);
    assert_eq!(classed(429, vec![], common::ERROR_429).error, ErrorKind::RateLimit);
}

#[test]
fn schemas_keep_the_clients_order() {
    for model in ["gemini-2.5-pro", "claude-sonnet-4@20250514", "claude-3-7-sonnet", "meta/llama-4-maverick"]
    {
        vertex(model).keeps_order(model).unwrap();
    }
}

/// What is said of a model by its name is said of the same names in each list.
#[test]
fn a_model_of_another_maker_gets_what_its_api_takes() {
    let manifest: Value = serde_json::from_str(include_str!("../src/manifest.json")).unwrap();
    let offers = manifest["providers"].as_array().unwrap();
    for offer in offers.iter().filter(|offer| offer["prefix"].as_str().unwrap().starts_with("vertex_ai")) {
        let keys = |list: &str| -> Vec<String> {
            let mut keys: Vec<String> = offer[list].as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys
        };
        assert_eq!(keys("dialects_by_model"), keys("extensions_by_model"));
        // Claude goes on as Gemini does.
        let others: Vec<String> =
            keys("dialects_by_model").into_iter().filter(|name| name != "claude-*").collect();
        assert_eq!(others, keys("prefill_by_model"));
        assert_eq!(offer["extensions_by_model"]["meta/*"], json!([]));
    }
}
