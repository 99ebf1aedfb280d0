//! BerriAI/litellm#26015, at the level of events: three good chunks, then a fault. Never a finish that was not sent,
//! never an error swallowed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{
    E_PROTOCOL, E_TRUNCATED, E_UPSTREAM, ERROR_429, OK, check_chunks, classed, finish, gemini, head, text,
};
use tidegate_plugin_sdk::ErrorKind;
use tidegate_plugin_sdk::harness::{Step, sse};

/// Plays a body whose end is clean: the steps up to the first that failed, and `stream_end` when none did.
fn play(tail: &str) -> Vec<Step> {
    let good: String = ["a", "b", "c"].iter().map(|word| format!("data: {}\r\n\r\n", text(word))).collect();
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    let mut steps = Vec::new();
    for event in sse(&(good + tail)) {
        let step = stream.recorded(&event);
        let failed = step.status < 0;
        steps.push(step);
        if failed {
            return steps;
        }
    }
    steps.push(stream.end());
    steps
}

#[test]
fn every_row_ends_as_it_must() {
    let rows = [
        ("error event", format!("data: {ERROR_429}\r\n\r\n"), E_UPSTREAM),
        ("named error event", format!("event: error\r\ndata: {ERROR_429}\r\n\r\n"), E_UPSTREAM),
        // The host gives out what it holds at the end, and tells of a document that broke off as truncated.
        ("error without its end", format!("data: {}", &ERROR_429[..40]), E_PROTOCOL),
        ("error cut, dispatched", format!("data: {}\r\n\r\n", &ERROR_429[..40]), E_PROTOCOL),
        ("text without its end", format!("data: {}", &text("d")[..50]), E_PROTOCOL),
        ("text cut, dispatched", format!("data: {}\r\n\r\n", &text("d")[..50]), E_PROTOCOL),
        ("array tail", format!(",{ERROR_429}\r\n]\r\n"), E_UPSTREAM),
        ("array of one", format!("data: [{ERROR_429}]\r\n\r\n"), E_UPSTREAM),
        ("bare object", format!("{ERROR_429}\r\n"), E_UPSTREAM),
        ("after a middlebox's words", format!("HTTP/1.1 429 {ERROR_429}\r\n"), E_UPSTREAM),
        (
            "chunk with an error",
            r#"data: {"candidates":[],"error":{"code":503}}"#.to_owned() + "\r\n\r\n",
            E_UPSTREAM,
        ),
        ("plain text", "upstream connect error or disconnect\r\n".to_owned(), E_PROTOCOL),
        ("plain text as data", "data: upstream connect error\r\n\r\n".to_owned(), E_PROTOCOL),
        ("no finish", String::new(), E_TRUNCATED),
        ("[DONE] without a finish", "data: [DONE]\r\n\r\n".to_owned(), E_TRUNCATED),
        (
            "comment, then good",
            format!(": keep-alive\r\n\r\ndata: {}\r\n\r\ndata: {}\r\n\r\n", text("d"), finish("STOP")),
            OK,
        ),
        ("good tail outside the framing", format!(",{}\r\n,{}\r\n]\r\n", text("d"), finish("STOP")), OK),
    ];
    for (name, tail, want) in rows {
        let steps = play(&tail);
        assert_eq!(steps.last().map(|step| step.status), Some(want), "{name}");
        let finishes: Vec<String> = steps.iter().flat_map(check_chunks).collect();
        assert_eq!(finishes.len(), usize::from(want == OK), "{name}: {finishes:?}");
        let said: String = steps
            .iter()
            .flat_map(Step::json)
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(said, if want == OK { "abcd" } else { "abc" }, "{name}");
    }
}

#[test]
fn an_error_as_the_first_event_is_an_error() {
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    let step = stream.event("", ERROR_429);
    assert_eq!((step.status, step.events.len()), (E_UPSTREAM, 0));
}

#[test]
fn the_error_keeps_its_status_in_every_form() {
    let forms = [
        ERROR_429.to_owned(),
        format!("[{ERROR_429}\n]"),
        format!(",{ERROR_429}\n]"),
        format!("429 {ERROR_429}"),
    ];
    for body in forms {
        let class = classed(200, vec![], &body);
        assert_eq!(
            (class.error, class.http_status, class.retryable),
            (ErrorKind::RateLimit, 429, true),
            "{body}"
        );
        assert_eq!(class.code.as_deref(), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(class.message.as_deref(), Some("Resource exhausted. Please try again later."));
    }
}
