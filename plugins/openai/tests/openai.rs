//! The plugin through its C table.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_plugin_openai::OpenAi;
use tidegate_plugin_sdk::harness::{Harness, sse};
use tidegate_plugin_sdk::{Class, Dialect, ErrorKind, FailureIn, HeadIn, Headers, Phase, RequestIn};

const PASS: i32 = 1;
const OK: i32 = 0;
const E_PROTOCOL: i32 = -4;
const E_TRUNCATED: i32 = -6;
const E_UNSUPPORTED: i32 = -7;
const E_UPSTREAM: i32 = -8;

const CHUNK: &str = r#"{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}],"error":null}"#;

fn openai(secrets: Value) -> Harness {
    Harness::new::<OpenAi>(&json!({
        "provider": "groq", "model": "llama", "params": {"api_base": "http://h/v1"}, "secrets": secrets,
    }))
    .unwrap()
}

#[test]
fn only_the_model_changes() {
    let body = br#"{ "messages":[{"role":"user","content":"\u00fc"}],"model" :"mine", "temperature":1.0, "x":1e400 }"#;
    let input = RequestIn {
        stream: true,
        dialect: Dialect::OpenAiChat,
        model: "llama",
        body,
        headers: Headers(vec![("x-trace", "t")]),
        ..RequestIn::default()
    };
    let sent = openai(json!(["api_key"])).request(&input).unwrap();
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "http://h/v1/chat/completions"));
    let want = String::from_utf8_lossy(body).replace("\"mine\"", "\"llama\"");
    assert_eq!(String::from_utf8_lossy(&sent.body), want);
    assert_eq!(sent.dialect, Some(Dialect::OpenAiChat));
    assert!(sent.headers.contains(&("x-trace".to_owned(), "t".to_owned())));
    assert_eq!(sent.auth.unwrap().secret, "api_key");
    assert_eq!(openai(json!([])).request(&input).unwrap().auth, None);
}

#[test]
fn each_of_openais_dialects_has_its_place_and_passes() {
    for (dialect, url, body) in [
        (Dialect::OpenAiCompletions, "http://h/v1/completions", r#"{"prompt":"p","model":"mine"}"#),
        (Dialect::OpenAiEmbeddings, "http://h/v1/embeddings", r#"{"input":["a"],"model":"mine"}"#),
    ] {
        let input = RequestIn { dialect, model: "llama", body: body.as_bytes(), ..RequestIn::default() };
        let sent = openai(json!([])).request(&input).unwrap();
        assert_eq!((sent.url.as_str(), sent.dialect), (url, Some(dialect)));
        assert_eq!(String::from_utf8_lossy(&sent.body), body.replace("mine", "llama"));
    }
    let config =
        json!({"provider": "text-completion-openai", "model": "m", "params": {"api_base": "http://h"}});
    let completes = Harness::new::<OpenAi>(&config).unwrap();
    let input = |dialect| RequestIn { dialect, model: "m", body: b"{}", ..RequestIn::default() };
    assert_eq!(completes.request(&input(Dialect::OpenAiCompletions)).unwrap().url, "http://h/completions");
    let refused = completes.request(&input(Dialect::OpenAiChat)).unwrap_err();
    assert!(refused.why.contains("write openai/ for chat"), "{}", refused.why);
}

#[test]
fn another_dialect_is_refused() {
    let input = RequestIn { dialect: Dialect::AnthropicMessages, body: b"{}", ..RequestIn::default() };
    assert_eq!(openai(json!([])).request(&input).unwrap_err().status, E_UNSUPPORTED);
}

#[test]
fn events_are_told_apart() {
    let rows = [
        ("", CHUNK, PASS),
        ("message", CHUNK, PASS),
        ("", "", OK),
        ("", r#"{"error":{"message":"x","code":429}}"#, E_UPSTREAM),
        ("", r#"{"error":"x"}"#, E_UPSTREAM),
        ("", r#"{"object":"error","message":"x","code":400}"#, E_UPSTREAM),
        ("", r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#, E_UPSTREAM),
        ("", r#"[{"error":{"code":429}}]"#, E_UPSTREAM),
        ("", r#"{"choices":[],"x_groq":{"error":"down"}}"#, E_UPSTREAM),
        ("", r#"{"choices":[],"x_groq":{"usage":{}}}"#, PASS),
        ("error", "overloaded", E_UPSTREAM),
        ("error", "", E_UPSTREAM),
        ("", &CHUNK[..40], E_PROTOCOL),
        ("", "7", E_PROTOCOL),
        ("", "upstream connect error", E_PROTOCOL),
    ];
    let harness = openai(json!([]));
    for (name, data, want) in rows {
        let mut stream = harness.stream(&HeadIn::default()).unwrap();
        assert_eq!(stream.event(name, data).status, want, "{name} {data}");
        assert_eq!(stream.end().status, E_TRUNCATED);
    }
}

#[test]
fn strays_are_errors_chunks_or_malformed() {
    let harness = openai(json!([]));
    let mut stream = harness.stream(&HeadIn::default()).unwrap();
    assert_eq!(stream.stray("{\n \"error\": {\"code\": 429}\n}").status, E_UPSTREAM);
    assert_eq!(stream.stray("502 Bad Gateway").status, E_PROTOCOL);
    assert_eq!(stream.stray("{}").status, E_PROTOCOL);
    let step = stream.stray("{\"choices\":\n[]}");
    assert_eq!((step.status, step.events), (OK, vec![(String::new(), br#"{"choices":[]}"#.to_vec())]));
}

#[test]
fn done_is_the_end() {
    let harness = openai(json!([]));
    let mut stream = harness.stream(&HeadIn::default()).unwrap();
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":2}}}"#;
    assert_eq!(stream.event("", usage).notes, [(1, 3), (2, 5), (4, 2)]);
    let step = stream.event("", "[DONE]");
    assert_eq!((step.status, step.notes, step.events.len()), (OK, vec![(5, 0)], 0));
    assert_eq!(stream.event("", "junk").status, OK);
    assert_eq!(stream.end().status, OK);
}

#[test]
fn bodies_pass_or_fail() {
    let harness = openai(json!([]));
    for (body, want) in [
        (r#"{"choices":[{"index":0}]}"#, PASS),
        (r#"{"error":{"message":"x"}}"#, E_UPSTREAM),
        (r#"{"choices":[{"index":0}],"error":{"code":502}}"#, E_UPSTREAM),
        ("{}", E_PROTOCOL),
        (r#"{"choices":[{"#, E_PROTOCOL),
        ("", E_PROTOCOL),
    ] {
        assert_eq!(harness.response(&HeadIn::default(), body.as_bytes()), (want, vec![]), "{body}");
    }
    let embeddings = HeadIn { dialect: Dialect::OpenAiEmbeddings, ..HeadIn::default() };
    assert_eq!(harness.response(&embeddings, br#"{"object":"list","data":[]}"#), (PASS, vec![]));
    assert_eq!(harness.response(&embeddings, br#"{"choices":[]}"#), (E_PROTOCOL, vec![]));
}

fn classed(status: u32, headers: Vec<(&str, &str)>, body: &str) -> Class {
    let failure = FailureIn {
        phase: if status == 200 { Phase::Stream } else { Phase::Status },
        http_status: status,
        headers: Headers(headers),
        body: body.as_bytes(),
        ..FailureIn::default()
    };
    openai(json!([])).classify(&failure).unwrap()
}

#[test]
fn failures_are_classified() {
    let limited = classed(
        429,
        vec![("retry-after", "2"), ("retry-after-ms", "1500")],
        r#"{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
    );
    assert_eq!((limited.error, limited.http_status, limited.retryable), (ErrorKind::RateLimit, 429, true));
    assert_eq!((limited.retry_after_ms, limited.code.as_deref()), (Some(1500), Some("rate_limit_exceeded")));
    assert_eq!(limited.message.as_deref(), Some("Rate limit reached"));

    let quota = classed(
        429,
        vec![],
        r#"{"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"}}"#,
    );
    assert!(quota.quota && !quota.retryable);

    let router = classed(
        200,
        vec![],
        r#"{"error":{"code":502,"message":"Provider returned error"},"choices":[{"finish_reason":"error"}]}"#,
    );
    assert_eq!((router.error, router.http_status, router.code), (ErrorKind::Server, 502, None));

    let groq = classed(200, vec![], r#"{"choices":[],"x_groq":{"error":"over capacity"}}"#);
    assert_eq!((groq.http_status, groq.message.as_deref()), (500, Some("over capacity")));

    let google = r#"[{"error":{"code":429,"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7.5s"}]}}]"#;
    assert_eq!(classed(429, vec![], google).retry_after_ms, Some(7500));
    assert_eq!(classed(429, vec![("retry-after", "9")], google).retry_after_ms, Some(9000));
    // The same in mid-stream, where the head was a 200's.
    assert_eq!(classed(200, vec![], google).retry_after_ms, Some(7500));
    let daily = google.replace(
        "RetryInfo\",\"retryDelay\":\"7.5s\"",
        "QuotaFailure\",\"violations\":[{\"quotaId\":\"RequestsPerDay\"}]",
    );
    let daily = classed(429, vec![], &daily);
    assert!(daily.quota && !daily.retryable);
    let words = r#"{"error":{"message":"Rate limit reached. Please try again in 1m2.5s.","type":"tokens","code":"rate_limit_exceeded"}}"#;
    assert_eq!(classed(429, vec![], words).retry_after_ms, Some(62_500));
    let reset = vec![("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")];
    assert_eq!(classed(429, reset.clone(), "{}").retry_after_ms, Some(360_000));
    assert_eq!(classed(500, reset, "{}").retry_after_ms, None);
    assert_eq!(
        classed(503, vec![], r#"{"error":{"message":"m","retry_after":3}}"#).retry_after_ms,
        Some(3000)
    );
    let unpaid = classed(402, vec![], r#"{"error":{"message":"Insufficient Balance"}}"#);
    assert!(unpaid.quota && !unpaid.retryable);

    let page = classed(502, vec![("retry-after", "-1")], "<html>bad gateway</html>");
    assert_eq!((page.error, page.message, page.retry_after_ms), (ErrorKind::Server, None, None));
    assert_eq!(classed(529, vec![], "").http_status, 503);
    assert_eq!(classed(200, vec![], "overloaded").message.as_deref(), Some("overloaded"));
}

proptest! {
    #[test]
    fn garbage_never_panics_and_never_ends_a_stream(
        events in prop::collection::vec((any::<bool>(), "[a-z]{0,5}", prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            (0..CHUNK.len()).prop_map(|cut| CHUNK.as_bytes()[..cut].to_vec()),
        ]), 0..8)
    ) {
        let harness = openai(json!([]));
        let mut stream = harness.stream(&HeadIn::default()).unwrap();
        let mut done = false;
        for (stray, name, data) in &events {
            let event = tidegate_plugin_sdk::EventIn { stray: *stray, name, data };
            let step = stream.play(&event);
            prop_assert_ne!(step.status, -1);
            done |= std::str::from_utf8(data).is_ok_and(|text| text.trim().starts_with("[DONE]"));
        }
        prop_assert_eq!(stream.end().status, if done { OK } else { E_TRUNCATED });
    }
}

#[test]
fn a_recorded_stream_passes() {
    let body = format!(": OPENROUTER PROCESSING\n\ndata: {CHUNK}\n\ndata: {CHUNK}\n\ndata: [DONE]\n\n");
    let harness = openai(json!([]));
    let mut stream = harness.stream(&HeadIn::default()).unwrap();
    let statuses: Vec<i32> = sse(&body).iter().map(|event| stream.recorded(event).status).collect();
    assert_eq!((statuses, stream.end().status), (vec![PASS, PASS, OK], OK));
}
