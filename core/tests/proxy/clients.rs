//! Clients that stall, leave or ask for odd things.

use std::io::{Read, Write};
use std::time::Duration;

use crate::harness::{FINISH, Proxy, SSE, answering, chunk, eventually, pause, read_all, upstream};

fn idle(limits: &str) -> Proxy {
    Proxy::before(answering(""), limits)
}

#[test]
fn a_client_that_says_nothing_is_cut() {
    let proxy = idle("  clocks: {client_idle: 1s}");
    for said in ["", "PRI * HTTP"] {
        // A server of HTTP/2 says its settings first.
        let closed = proxy.send(said).read_to_end(&mut Vec::new());
        assert!(closed.is_ok(), "{said:?}: {closed:?}");
    }
}

#[test]
fn a_request_after_a_pause_is_served() {
    let proxy = idle("  clocks: {client_idle: 1s}");
    let mut client = proxy.send("G");
    pause(Duration::from_millis(1500));
    client.write_all(b"ET /health/liveness HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").unwrap();
    assert!(read_all(&mut client).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_full_house_can_be_stopped() {
    let mut proxy = idle("  limits: {connections: 2}\n  clocks: {drain: 1s}");
    let _guests = [proxy.send("P"), proxy.send("P")];
    assert!(eventually(|| proxy.gateway.metrics.connections.get() == 2));
    pause(Duration::from_millis(100));
    proxy.stop();
    assert!(proxy.ends(), "it waits for a seat and not for the signal");
}

#[test]
fn a_body_that_trickles_ends_with_the_request() {
    let proxy = idle("  clocks: {total: 1s}");
    let mut client =
        proxy.send("POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: 1000\r\n\r\n");
    let mut sender = client.try_clone().unwrap();
    let trickle = std::thread::spawn(move || {
        for _ in 0..100 {
            pause(Duration::from_millis(100));
            if sender.write_all(b" ").is_err() {
                return;
            }
        }
    });
    let mut head = [0; 12];
    client.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 408");
    assert!(!trickle.is_finished(), "the answer came while the body was still coming");
    drop(client);
    trickle.join().unwrap();
}

#[test]
fn each_path_says_what_it_takes() {
    let proxy = idle("");
    for (line, status, allow) in [
        ("HEAD /health/liveliness", "200", None),
        ("HEAD /v1/models", "200", None),
        ("GET /v1/models?x=1", "200", None),
        ("POST /health/readiness", "405", Some("GET, HEAD")),
        ("DELETE /v1/models", "405", Some("GET, HEAD")),
        ("OPTIONS /v1/chat/completions", "405", Some("POST")),
        ("GET /", "404", None),
    ] {
        let mut client = proxy.send(&format!("{line} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"));
        let response = read_all(&mut client);
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {response}");
        let found = response.lines().find_map(|line| line.strip_prefix("allow: "));
        assert_eq!(found, allow, "{line}");
        assert!(!line.starts_with("HEAD") || response.ends_with("\r\n\r\n"), "{line}: {response}");
    }
}

#[test]
fn the_admin_port_outlives_clients_that_do_not_read() {
    let proxy = idle("");
    let ask = |times: usize| {
        let mut client = std::net::TcpStream::connect(proxy.admin).unwrap();
        client.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
        client.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        // What does not fit any more shows that the server waits for this client.
        let _ = client.write_all("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(times).as_bytes());
        client
    };
    let _deaf: Vec<_> = (0..64).map(|_| ask(3000)).collect();
    let mut head = [0; 12];
    ask(1).read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

/// A whole request on a connection that is to stay, and what may come behind it.
fn request(behind: &str) -> String {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n{body}{behind}",
        body.len()
    )
}

#[test]
fn a_client_that_leaves_is_noticed_whatever_it_sent_behind_its_request() {
    let silent = upstream(|mut client| {
        let _ = client.write_all(format!("{SSE}{}", chunk("a")).as_bytes());
        let _ = client.read(&mut [0; 64]);
    });
    let proxy = Proxy::before(silent, "");
    let active = || proxy.gateway.metrics.active.get();
    for behind in ["", "\r\n", "GET /health/liveliness HTTP/1.1\r\nhost: t\r\n\r\n"] {
        let mut client = proxy.send(&request(behind));
        // The answer has begun, so the whole request was read.
        client.read_exact(&mut [0; 12]).unwrap();
        assert_eq!(active(), 1, "{behind:?}");
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(eventually(|| active() == 0), "{behind:?}: its request goes on without it");
    }
}

#[test]
fn a_request_behind_another_is_served_after_it() {
    let slow = upstream(|mut client| {
        let _ = client.write_all(format!("{SSE}{}", chunk("a")).as_bytes());
        pause(Duration::from_millis(300));
        let _ = client.write_all(format!("{FINISH}data: [DONE]\n\n").as_bytes());
    });
    let proxy = Proxy::before(slow, "");
    let next = "GET /health/liveliness HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n";
    let answers = read_all(&mut proxy.send(&request(next)));
    let at = |part: &str| answers.find(part).unwrap_or_else(|| panic!("no {part} in {answers}"));
    assert!(at("[DONE]") < answers.rfind("HTTP/1.1 200").unwrap(), "{answers}");
}
