//! Messages for a client that speaks them: bytes pass.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::{Value, json};
use tidegate_plugin_sdk::harness::Sent;
use tidegate_plugin_sdk::{Dialect, EventIn, Framing, HeadIn, Headers, RequestIn};

fn sent(dialect: Dialect, body: &str, headers: Vec<(&str, &str)>) -> Sent {
    let input = RequestIn {
        stream: true,
        dialect,
        model: "claude-up",
        body: body.as_bytes(),
        headers: Headers(headers),
        ..RequestIn::default()
    };
    anthropic().request(&input).unwrap()
}

fn native() -> HeadIn<'static> {
    HeadIn { dialect: Dialect::AnthropicMessages, ..head() }
}

#[test]
fn a_request_passes_but_for_the_model() {
    let body = r#"{ "model":"mine", "max_tokens":1e2,"stream" :true, "of_tomorrow":[1.0],"messages":[{"role":"user","content":"x"}] }"#;
    let made = sent(Dialect::AnthropicMessages, body, vec![]);
    assert_eq!((made.method.as_str(), made.url.as_str()), ("POST", "https://api.anthropic.com/v1/messages"));
    assert_eq!(String::from_utf8(made.body.clone()).unwrap(), body.replace("mine", "claude-up"));
    let auth = made.auth.as_ref().unwrap();
    let told = (auth.header.as_str(), auth.secret.as_str(), auth.prefix.as_str());
    assert_eq!(told, ("x-api-key", "api_key", ""));
    assert_eq!((made.dialect, made.framing), (Some(Dialect::AnthropicMessages), Some(Framing::Auto)));
    let header = |name: &str| made.headers.iter().filter(|(own, _)| own == name).count();
    assert_eq!(header("anthropic-version"), 1);
    assert!(made.headers.contains(&("anthropic-version".to_owned(), "2023-06-01".to_owned())));

    let count = sent(Dialect::AnthropicCountTokens, body, vec![]);
    assert_eq!(count.url, "https://api.anthropic.com/v1/messages/count_tokens");
    assert_eq!(count.dialect, Some(Dialect::AnthropicCountTokens));
}

#[test]
fn the_clients_version_and_betas_go_before() {
    let headers = vec![("anthropic-version", "2024-01-01"), ("anthropic-beta", "a,b")];
    for dialect in [Dialect::AnthropicMessages, Dialect::OpenAiChat] {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
        let made = sent(dialect, body, headers.clone());
        let of = |name: &str| -> Vec<String> {
            made.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect()
        };
        assert_eq!(of("anthropic-version"), ["2024-01-01"]);
        assert_eq!(of("anthropic-beta"), ["a,b"]);
    }
}

#[test]
fn other_dialects_are_refused() {
    let input = RequestIn { dialect: Dialect::OpenAiResponses, body: b"{}", ..RequestIn::default() };
    assert_eq!(anthropic().request(&input).unwrap_err().status, E_UNSUPPORTED);
}

#[test]
fn events_pass_and_are_counted() {
    let harness = anthropic();
    let mut stream = harness.stream(&native()).unwrap();
    let first = stream.event("message_start", start());
    assert_eq!((first.status, first.notes), (PASS, vec![(1, 137), (2, 1), (3, 100)]));
    for (name, data) in [
        ("content_block_start", begin(0, json!({"type": "of_tomorrow", "x": 1}))),
        ("content_block_delta", delta(0, json!({"type": "of_tomorrow_delta", "x": 1}))),
        ("ping", r#"{"type":"ping"}"#.to_owned()),
        ("event_of_tomorrow", r#"{"type":"event_of_tomorrow"}"#.to_owned()),
    ] {
        let step = stream.event(name, data);
        assert_eq!((step.status, step.events.len(), step.notes.len()), (PASS, 0, 0), "{name}");
    }
    assert_eq!(stream.end().status, E_TRUNCATED);
    assert_eq!(stream.event("message_delta", ended("end_turn")).notes, [(1, 137), (2, 15), (3, 100)]);
    let last = stream.event("message_stop", MESSAGE_STOP);
    assert_eq!((last.status, last.notes), (PASS, vec![NOTE_DONE]));
    assert_eq!(stream.end().status, OK);
}

#[test]
fn a_stop_without_a_reason_is_no_end() {
    let harness = anthropic();
    let mut stream = harness.stream(&native()).unwrap();
    stream.event("message_start", start());
    stream.event("content_block_delta", text("a"));
    stream.event("message_stop", MESSAGE_STOP);
    assert_eq!(stream.end().status, E_TRUNCATED);
}

#[test]
fn errors_end_it_and_strays_are_framed_again() {
    let harness = anthropic();
    let mut stream = harness.stream(&native()).unwrap();
    let stray = stream.play(&EventIn { stray: true, name: "", data: text("a").as_bytes() });
    let (name, data) = &stray.events[0];
    assert_eq!((stray.status, name.as_str()), (OK, "content_block_delta"));
    assert_eq!(serde_json::from_slice::<Value>(data).unwrap()["delta"]["text"], "a");
    assert_eq!(stream.event("error", OVERLOADED).status, E_UPSTREAM);
    assert_eq!(stream.event("", "<html>").status, E_PROTOCOL);
}

#[test]
fn whole_bodies_pass_or_are_told_off() {
    let harness = anthropic();
    let message = r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#;
    let count = HeadIn { dialect: Dialect::AnthropicCountTokens, ..head() };
    for (head, body, want) in [
        (native(), message, PASS),
        (native(), OVERLOADED, E_UPSTREAM),
        (native(), r#"{"input_tokens":3}"#, E_PROTOCOL),
        (count.clone(), r#"{"input_tokens":3}"#, PASS),
        (count, OVERLOADED, E_UPSTREAM),
    ] {
        assert_eq!(harness.response(&head, body.as_bytes()), (want, vec![]), "{body}");
    }
}
