//! Each request, attempt and loop is counted once, under the name of what happened.

use crate::harness::{FINISH, Proxy, SSE, answering, chunk, deployment, eventually, read_all, upstream};
use std::io::{Read, Write};

fn attempts(proxy: &Proxy, outcome: &str) -> u64 {
    let routes = proxy.gateway.routes.load();
    proxy.gateway.metrics.attempts.with_label_values(&[&*routes.deployments[0].name, outcome]).get()
}

fn endings(proxy: &Proxy) -> [u64; 4] {
    ["complete", "error", "stream_error", "client_gone"]
        .map(|kind| proxy.gateway.metrics.endings.with_label_values(&[kind]).get())
}

fn looped(proxy: &Proxy, kind: &str) -> u64 {
    proxy.gateway.metrics.loops.with_label_values(&[kind]).get()
}

#[test]
fn a_request_that_is_refused_again_and_again_is_a_loop_once() {
    let refusing = answering(
        "HTTP/1.1 429 No\r\nretry-after-ms: 20\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
    );
    let proxy = Proxy::start(&deployment("m", "openai/x", refusing, "num_retries: 3"), "");
    assert!(read_all(&mut proxy.ask(true)).starts_with("HTTP/1.1 429"));
    assert_eq!((attempts(&proxy, "rate_limit"), attempts(&proxy, "ok")), (4, 0));
    assert_eq!((looped(&proxy, "request"), looped(&proxy, "client"), looped(&proxy, "chain")), (1, 0, 0));
    assert_eq!(endings(&proxy), [0, 1, 0, 0]);
}

#[test]
fn a_client_that_comes_back_too_soon_is_a_loop() {
    let refusing =
        answering("HTTP/1.1 429 No\r\nretry-after: 30\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    let proxy = Proxy::start(&deployment("m", "openai/x", refusing, ""), "");
    for come in 0..3 {
        let response = read_all(&mut proxy.ask(true));
        assert!(response.starts_with("HTTP/1.1 429") && response.contains("retry-after: "), "{response}");
        assert_eq!(looped(&proxy, "client"), come);
    }
    assert_eq!(looped(&proxy, "request"), 0);
}

#[test]
fn every_ending_is_counted_once() {
    let good = format!("{SSE}{}{FINISH}data: [DONE]\n\n", chunk("a"));
    let proxy = Proxy::before(answering(good), "");
    proxy.stream();
    assert!(eventually(|| endings(&proxy) == [1, 0, 0, 0] && attempts(&proxy, "ok") == 1));

    let proxy = Proxy::before(answering(format!("{SSE}{}", chunk("a"))), "");
    proxy.stream();
    assert!(eventually(|| endings(&proxy) == [0, 0, 1, 0] && attempts(&proxy, "truncated") == 1));

    for begun in [true, false] {
        let open = upstream(move |mut client| {
            if begun {
                let _ = client.write_all(format!("{SSE}{}", chunk("a")).as_bytes());
            }
            let _ = client.read(&mut [0; 64]);
        });
        let proxy = Proxy::before(open, "");
        let mut client = proxy.ask(true);
        if begun {
            assert!(client.read(&mut [0; 64]).unwrap() > 0);
        }
        assert!(eventually(|| proxy.gateway.metrics.active.get() == 1));
        drop(client);
        assert!(eventually(|| proxy.gateway.metrics.active.get() == 0));
        assert_eq!((endings(&proxy), attempts(&proxy, "cancelled")), ([0, 0, 0, 1], 1), "begun: {begun}");
    }
}
