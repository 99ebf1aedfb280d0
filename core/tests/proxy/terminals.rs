//! Exactly one terminal, and one that the client can read.

use crate::harness::{FINISH, Proxy, SSE, answering, chunk, events};

/// The events of a stream whose upstream sent `body` and ended.
fn told(body: &str) -> Vec<String> {
    let proxy = Proxy::before(answering(format!("{SSE}{body}")), "");
    events(&proxy.stream())
}

#[test]
fn a_tail_without_a_line_end_does_not_swallow_the_error() {
    for tail in
        ["]", ": comment", ": comment\n", "data: {\"choices\":[]}", "data: {\"choices\":[]}\n", "id: 7"]
    {
        let told = told(&format!("{}{tail}", chunk("a")));
        let last = told.last().unwrap();
        assert!(last.starts_with("{\"error\":") && last.contains("\"502\""), "{tail:?}: {told:?}");
        assert!(serde_json::from_str::<serde_json::Value>(last).is_ok(), "{tail:?}: {last}");
    }
}

#[test]
fn an_event_that_runs_into_an_error_stays_its_own() {
    for stray in ["plain text\n\n", "{\"error\":{\"code\":429,\"message\":\"m\"}}\n\n"] {
        let told = told(&format!("{}data: {{\"choices\":[]}}\n{stray}", chunk("a")));
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[2].starts_with("{\"error\":"), "{told:?}");
    }
}

#[test]
fn a_terminal_without_its_blank_line_is_given_whole() {
    for end in ["data: [DONE]", "data: [DONE]\n", "data: [DONE]\r\n"] {
        let told = told(&format!("{}{FINISH}{end}", chunk("a")));
        assert_eq!(told.last().map(String::as_str), Some("[DONE]"), "{end:?}: {told:?}");
    }
}

#[test]
fn nothing_follows_a_terminal() {
    let after_error =
        told(&format!("{}data: {{\"error\":{{\"code\":429}}}}\n\ndata: [DONE]\n\n", chunk("a")));
    assert_eq!(after_error.len(), 2, "{after_error:?}");
    assert!(after_error[1].contains("\"429\""), "{after_error:?}");
    let after_done = told(&format!("{0}{FINISH}data: [DONE]\n\n{0}data: {{\"error\":{{}}}}\n\n", chunk("a")));
    assert_eq!(after_done[2..], ["[DONE]"], "{after_done:?}");
}

/// A call with half its arguments, or a text, and the marker behind it: what made it did not know that it was cut.
#[test]
fn a_marker_without_a_reason_is_no_normal_end() {
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a"}}]}}]}"#;
    for cut in [chunk("a"), format!("data: {call}\n\n")] {
        let told = told(&format!("{cut}data: [DONE]\n\n"));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[1].starts_with("{\"error\":") && told[1].contains("does not say why it ends"),
            "{told:?}"
        );
    }
    // Of several choices the core does not know which has ended; each chunk may say a reason too.
    let each = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(told(&format!("{each}{each}data: [DONE]\n\n")).last().map(String::as_str), Some("[DONE]"));
}

#[test]
fn an_empty_answer_is_no_normal_end() {
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    for body in ["data: [DONE]\n\n".to_owned(), format!("{role}data: [DONE]\n\n")] {
        let proxy = Proxy::before(answering(format!("{SSE}{body}")), "");
        let response = proxy.stream();
        assert!(response.starts_with("HTTP/1.1 502"), "{response}");
    }
    for body in ["{}", "{\"choices\":[]}", "{\"message\":\"ok\"}"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let proxy = Proxy::before(answering(head + body), "");
        let response = crate::harness::read_all(&mut proxy.ask(false));
        assert!(response.starts_with("HTTP/1.1 502"), "{body}: {response}");
    }
    let silent = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    assert_eq!(told(silent).len(), 2, "a model may have nothing to say");
}

#[test]
fn an_error_event_without_data_is_an_error() {
    let told = told(&format!("{}event: error\n\ndata: [DONE]\n\n", chunk("a")));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].starts_with("{\"error\":"), "{told:?}");
}

#[test]
fn a_good_stream_passes_byte_for_byte() {
    use std::io::Write;
    let body = format!(": hello\r\n\r\n{}data: [DONE]\r\n\r\n", (chunk("é") + FINISH).replace('\n', "\r\n"));
    for step in 1..6 {
        let parts = body.clone();
        let proxy = Proxy::before(
            crate::harness::upstream(move |mut client| {
                client.set_nodelay(true).unwrap();
                client.write_all(SSE.as_bytes()).unwrap();
                for part in parts.as_bytes().chunks(step) {
                    client.write_all(part).unwrap();
                    crate::harness::pause(std::time::Duration::from_millis(2));
                }
            }),
            "",
        );
        let response = proxy.stream();
        let (_, got) = response.split_once("\r\n\r\n").unwrap();
        // What follows the line end that ends the terminal is nobody's.
        assert_eq!(crate::harness::unchunk(got).trim_end(), body.trim_end(), "in steps of {step}");
    }
}
