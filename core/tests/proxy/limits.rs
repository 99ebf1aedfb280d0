//! What is bounded stays bounded: time, parallel calls, the watchdog's patience.

use std::io::{Read, Write};
use std::time::Duration;

use crate::harness::{
    Proxy, SSE, answering, chunk, deployment, events, eventually, pause, read_all, unchunk, upstream,
};

#[test]
fn a_stream_counts_as_in_flight_until_its_end() {
    let open = upstream(|mut client| {
        let _ = client.write_all(format!("{SSE}{}", chunk("a")).as_bytes());
        let _ = client.read(&mut [0; 64]);
    });
    let proxy = Proxy::before(open, "");
    let mut client = proxy.ask(true);
    assert!(client.read(&mut [0; 1024]).unwrap() > 0, "the stream has begun");
    let in_flight = || proxy.gateway.routes.load().deployments[0].health.inflight();
    assert_eq!(in_flight(), 1);
    drop(client);
    assert!(eventually(|| in_flight() == 0));
}

#[test]
fn a_stream_that_never_pauses_ends_at_its_total() {
    let flood = chunk("a").repeat(2000);
    let endless = upstream(move |mut client| {
        let _ = client.write_all(SSE.as_bytes());
        while client.write_all(flood.as_bytes()).is_ok() {}
    });
    let proxy = Proxy::before(endless, "  clocks: {total: 1s}");
    let (mut client, begin) = (proxy.ask(true), std::time::Instant::now());
    let (mut tail, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        // Slower than the upstream: there is always more to relay.
        pause(Duration::from_millis(10));
        let read = client.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        tail.extend_from_slice(&buffer[..read]);
        tail.drain(..tail.len().saturating_sub(1000));
        assert!(begin.elapsed() < Duration::from_secs(15), "it goes on for ever");
    }
    let tail = String::from_utf8_lossy(&tail);
    assert!(tail.contains("\"504\""), "{tail}");
}

#[test]
fn a_large_answer_in_small_pieces_is_no_spin() {
    let text = "x".repeat(3000);
    let body = format!(r#"{{"choices":[{{"message":{{"content":"{text}"}},"finish_reason":"stop"}}]}}"#);
    let slow = upstream(move |mut client| {
        client.set_nodelay(true).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = client.write_all(head.as_bytes());
        for piece in body.as_bytes().chunks(2) {
            let _ = client.write_all(piece);
            pause(Duration::from_millis(1));
        }
    });
    let proxy = Proxy::before(slow, "");
    let response = read_all(&mut proxy.ask(false));
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

#[test]
fn the_longest_timeout_of_a_group_bounds_its_requests() {
    let slow = upstream(|mut client| {
        pause(Duration::from_millis(1500));
        let body = r#"{"choices":[{"message":{"content":"late"},"finish_reason":"stop"}]}"#;
        let _ = write!(client, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    });
    let models = format!(
        "{}{}",
        deployment("m", "openai/x", slow, "timeout: 1\nweight: 0"),
        deployment("m", "openai/y", slow, "timeout: 30\nweight: 1")
    );
    let proxy = Proxy::start(&models, "");
    let response = read_all(&mut proxy.ask(false));
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

#[test]
fn a_key_that_the_upstream_repeats_is_not_shown() {
    let body = r#"{"error":{"message":"wrong key sk-upstream-secret","code":401}}"#;
    let head = format!("HTTP/1.1 401 No\r\ncontent-length: {}\r\n\r\n", body.len());
    let response = read_all(&mut Proxy::before(answering(head + body), "").ask(true));
    assert!(response.starts_with("HTTP/1.1 401"), "{response}");
    assert!(response.contains("wrong key") && !response.contains("sk-upstream-secret"), "{response}");
    let event = format!("{SSE}{}data: {body}\n\n", chunk("a"));
    let told = events(&Proxy::before(answering(event), "").stream());
    assert!(told[1].contains("wrong key") && !told[1].contains("sk-upstream-secret"), "{told:?}");
}

/// As Gemini 1.x and gateways say it.
#[test]
fn a_finish_in_every_event_ends_nothing_before_the_body() {
    let part = |text: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}},\"finishReason\":\"STOP\"}}],\
             \"usageMetadata\":{{\"promptTokenCount\":1,\"totalTokenCount\":2}}}}\n\n"
        )
    };
    let said = |body: String| {
        let upstream = answering(format!("{SSE}{body}"));
        events(&Proxy::start(&deployment("m", "gemini/x", upstream, ""), "").stream())
    };
    let whole = said(part("One ") + &part("two ") + &part("three"));
    let text = |events: &[String]| {
        let chunks = events.iter().filter_map(|event| serde_json::from_str::<serde_json::Value>(event).ok());
        chunks
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect::<String>()
    };
    assert_eq!((text(&whole).as_str(), whole.last().map(String::as_str)), ("One two three", Some("[DONE]")));
    let finishes = whole.iter().filter(|event| event.contains("\"finish_reason\":\"stop\"")).count();
    assert_eq!(finishes, 1, "{whole:?}");
    let open = part("three").replace(",\"finishReason\":\"STOP\"", "");
    let cut = said(part("One ") + &open);
    assert!(text(&cut) == "One three" && cut.last().is_some_and(|last| last.contains("\"502\"")), "{cut:?}");
}

#[test]
fn a_finished_answer_is_ended_though_its_upstream_stays() {
    let part = |body: &str| {
        format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"a\"}}]}}{body}}}]}}\n\n")
    };
    let stream = part(",\"finishReason\":\"STOP\"");
    let open = upstream(move |mut client| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let _ = client.write_all(format!("{head}{stream}").as_bytes());
        let _ = client.read(&mut [0; 64]);
    });
    let models = deployment("m", "gemini/x", open, "");
    let proxy = Proxy::start(&models, "  clocks: {content_idle: 1s, byte_idle: 1s}");
    let response = proxy.stream();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    let body = unchunk(response.split_once("\r\n\r\n").unwrap().1);
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
}

#[test]
fn a_body_that_is_still_coming_when_the_drain_is_over_is_refused() {
    let mut proxy = Proxy::before(answering(""), "  clocks: {drain: 1s}");
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: 1000\r\n\r\n{";
    let mut client = proxy.send(head);
    assert!(eventually(|| proxy.gateway.metrics.connections.get() == 1));
    proxy.stop();
    let answer = read_all(&mut client);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("shutting down"), "{answer}");
    assert!(proxy.ends());
}
