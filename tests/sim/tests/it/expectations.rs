//! What a scenario promises fits the bytes it sends.

use serde_json::Value;
use tidegate_sim::{Dialect, Expect, Mode, Scenario, fault_text};

use crate::answers::said;
use crate::client::{End, ask, sim};

/// Those whose streams are text.
fn text_dialects() -> impl Iterator<Item = Dialect> {
    Dialect::ALL.iter().copied().filter(|dialect| *dialect != Dialect::Bedrock)
}

/// The text of the good events, read leniently: whatever is not an event of JSON is passed over.
fn good_text(text: &str) -> (String, Vec<String>) {
    let documents: Vec<Value> = text
        .split(['\r', '\n'])
        .filter_map(|line| {
            line.strip_prefix("data: ").or_else(|| Some(line).filter(|line| line.starts_with('{')))
        })
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    said(&documents)
}

#[tokio::test]
async fn faults_follow_three_good_chunks_and_never_finish() {
    let sim = sim().await;
    let mut faults = 0;
    // Chunks that are none cannot be read as chunks; and one fault stands within an answer that then ends well.
    let plain = |scenario: &&Scenario| !matches!(scenario.name, "chunk-garbage" | "bad-utf8");
    for scenario in Scenario::all().iter().filter(plain) {
        for dialect in text_dialects() {
            let expect = scenario.expect(dialect, Mode::Stream);
            let committed = match expect {
                Expect::Error { committed, .. }
                | Expect::Stalled { committed }
                | Expect::Failed { committed } => committed,
                Expect::Truncated | Expect::Malformed => true,
                _ => continue,
            };
            let got = ask(&sim, scenario.name, dialect, "stream").await;
            let text = String::from_utf8_lossy(&got.content()).into_owned();
            let (said, finish) = good_text(&text);
            let case = format!("{} {dialect:?}", scenario.name);
            if committed {
                assert!(said.starts_with(&fault_text()), "{case}: {said:.100}");
                faults += 1;
            } else {
                assert_eq!(said, "", "{case}");
            }
            let stop = finish.iter().any(|reason| reason != "error");
            assert_eq!(stop, scenario.name == "finish-no-done", "{case}");
            let done = text.contains("[DONE]");
            let openai = matches!(dialect, Dialect::OpenAiChat | Dialect::Azure);
            let form_with_done = matches!(scenario.name, "429-then-done" | "done-no-finish") && openai;
            assert_eq!(done, form_with_done, "{case}");
            if let Expect::Error { status: 429, .. } = expect {
                let signs = [
                    "429",
                    "rate_limit_exceeded",
                    "rate_limit_error",
                    "RESOURCE_EXHAUSTED",
                    "insufficient_quota",
                    "token rate limit",
                    "too many requests",
                ];
                assert!(signs.iter().any(|sign| text.contains(sign)), "{case}: {text}");
            }
        }
    }
    assert!(faults > 40, "{faults}");
}

#[tokio::test]
async fn http_errors_are_sent_as_such_or_hidden_in_a_200() {
    let sim = sim().await;
    for scenario in Scenario::all().iter().filter(|scenario| scenario.name.starts_with("http-4")) {
        for dialect in text_dialects() {
            let Expect::Http { status, retry_after } = scenario.expect(dialect, Mode::Stream) else {
                continue;
            };
            let got = ask(&sim, scenario.name, dialect, "stream").await;
            assert_eq!(got.status(), status, "{}", scenario.name);
            let hint = got.head.contains("retry-after") || got.text().contains("retryDelay");
            assert_eq!(hint, retry_after, "{} {dialect:?}", scenario.name);
        }
    }
    let array = ask(&sim, "http-429-array", Dialect::Gemini, "stream").await.text();
    let array: Value = serde_json::from_str(&array).unwrap();
    assert_eq!(array[0]["error"]["details"][1]["retryDelay"], "7s");
}

#[tokio::test]
async fn the_named_endings_are_the_real_ones() {
    let sim = sim().await;
    for (name, end) in [
        ("429-frame-end", End::Fin),
        ("429-frame-open", End::Open),
        ("text-cut-end", End::Fin),
        ("text-cut-fin", End::Fin),
        ("text-cut-rst", End::Rst),
        ("stall-headers", End::Open),
        ("stall-first", End::Open),
        ("stall-mid", End::Open),
        ("fin-headers", End::Fin),
        ("rst-headers", End::Rst),
    ] {
        for (dialect, how) in
            [(Dialect::OpenAiChat, "stream"), (Dialect::OpenAiChat, "whole"), (Dialect::Gemini, "array")]
        {
            assert_eq!(ask(&sim, name, dialect, how).await.end, end, "{name} {dialect:?} {how}");
        }
    }
    // A proper end of the body is one thing, the connection's end another.
    assert!(ask(&sim, "text-cut-end", Dialect::Gemini, "stream").await.chunks().1);
    assert!(!ask(&sim, "text-cut-fin", Dialect::Gemini, "stream").await.chunks().1);
}

#[tokio::test]
async fn the_error_frames_are_exact() {
    let sim = sim().await;
    let gemini = r#"{"error":{"code":429,"message":"Resource exhausted. Please try again later.","status":"RESOURCE_EXHAUSTED"}}"#;
    for (name, tail) in [
        ("429-frame-end", format!("data: {gemini}\r\n\r\n")),
        ("429-event-line", format!("event: error\r\ndata: {gemini}\r\n\r\n")),
        ("array-tail", format!(",{gemini}\n]\n")),
        ("plain-text-line", "no healthy upstream\n".into()),
    ] {
        let text = ask(&sim, name, Dialect::Gemini, "stream").await.text();
        assert!(text.ends_with(&format!("}}\r\n\r\n{tail}")), "{name}: {text}");
    }
    let limited = r#"{"type":"error","error":{"details":null,"type":"rate_limit_error","message":"Resource exhausted. Please try again later."},"request_id":"req_sim"}"#;
    for (name, tail) in [
        ("429-frame-end", format!("event: error\ndata: {limited}\n\n")),
        ("429-flat", format!("data: {limited}\n\n")),
    ] {
        let text = ask(&sim, name, Dialect::Anthropic, "stream").await.text();
        assert!(text.ends_with(&format!("}}}}\n\n{tail}")), "{name}: {text}");
    }
    let cut = ask(&sim, "text-cut-end", Dialect::OpenAiChat, "stream").await.content();
    assert_eq!(std::str::from_utf8(&cut).unwrap_err().error_len(), None, "the cut is inside a character");
    let first = ask(&sim, "429-first", Dialect::Gemini, "stream").await.text();
    assert_eq!(first, format!("data: {gemini}\r\n\r\n"));
}

#[test]
fn names_are_short_kebab_case_and_unique() {
    let mut names: Vec<&str> = Scenario::all().iter().map(|scenario| scenario.name).collect();
    let fits = |name: &&str| {
        name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    assert!(names.iter().all(fits));
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    assert_eq!(Scenario::founding().count(), 13);
    assert_eq!(Scenario::all()[0].name, "healthy");
}
