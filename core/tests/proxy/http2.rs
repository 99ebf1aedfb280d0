//! HTTP/2 clients, which hyper polls otherwise than HTTP/1 ones.

use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};

use crate::harness::{FINISH, PATIENCE, Proxy, SSE, chunk, eventually, upstream};

/// Connects with a window of `window` bytes a stream and asks for a stream of `m`.
async fn ask(proxy: &Proxy, window: u32) -> (SendRequest<Bytes>, ResponseFuture) {
    let tcp = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
    let (send, connection) =
        h2::client::Builder::new().initial_window_size(window).handshake::<_, Bytes>(tcp).await.unwrap();
    tokio::spawn(connection);
    let mut send = send.ready().await.unwrap();
    let request = http::Request::post("http://t/v1/chat/completions").body(()).unwrap();
    let (response, mut body) = send.send_request(request, false).unwrap();
    let text = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    body.send_data(Bytes::from_static(text.as_bytes()), true).unwrap();
    (send, response)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_keeps_its_window_shut_is_cut() {
    let flood = upstream(|mut client| {
        let _ = client.write_all(SSE.as_bytes());
        while client.write_all(chunk("a").as_bytes()).is_ok() {}
    });
    let proxy = Proxy::before(flood, "  clocks: {client_idle: 1s}");
    for window in [100, 0] {
        let (_send, response) = ask(&proxy, window).await;
        let mut body = response.await.unwrap().into_body();
        let active = || proxy.gateway.metrics.active.get();
        assert_eq!(active(), 1);
        // It never gives back what it has taken of the window.
        let reset = async { while let Some(Ok(_)) = body.data().await {} };
        let reset = tokio::time::timeout(PATIENCE, reset).await;
        assert!(reset.is_ok(), "with a window of {window} its stream goes on for ever");
        assert!(eventually(|| active() == 0), "with a window of {window} its request goes on for ever");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_stream_is_not_taken_for_a_client_that_does_not_read() {
    let slow = upstream(|mut client| {
        let _ = client.write_all(format!("{SSE}{}", chunk("a")).as_bytes());
        crate::harness::pause(Duration::from_millis(2500));
        let _ = client.write_all(format!("{FINISH}data: [DONE]\n\n").as_bytes());
    });
    let proxy = Proxy::before(slow, "  clocks: {client_idle: 1s}");
    let (_send, response) = ask(&proxy, 1 << 20).await;
    let mut body = response.await.unwrap().into_body();
    let mut got = Vec::new();
    while let Some(data) = body.data().await {
        got.extend_from_slice(&data.unwrap());
    }
    assert!(got.ends_with(b"data: [DONE]\n\n"), "{}", String::from_utf8_lossy(&got));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_is_over_gives_each_stream_its_terminal() {
    let open = upstream(|mut client| {
        let _ = client.write_all(format!("{SSE}{}", chunk("a")).as_bytes());
        let _ = client.read(&mut [0; 64]);
    });
    let proxy = Proxy::before(open, "  clocks: {drain: 1s}");
    let (_send, response) = ask(&proxy, 1 << 20).await;
    let mut body = response.await.unwrap().into_body();
    let mut got = body.data().await.unwrap().unwrap().to_vec();
    proxy.stop();
    while let Some(Ok(data)) = body.data().await {
        got.extend_from_slice(&data);
    }
    let text = String::from_utf8_lossy(&got);
    assert!(text.contains("\"503\"") && !text.contains("[DONE]"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_answer_to_a_window_that_stays_shut_is_cut() {
    let proxy = Proxy::before(upstream(drop), "  clocks: {client_idle: 1s}");
    let tcp = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
    let (send, connection) =
        h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(tcp).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://t/v1/models").body(()).unwrap();
    let (response, _) = send.ready().await.unwrap().send_request(request, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let end = tokio::time::timeout(PATIENCE, body.data()).await.expect("its stream ends");
    assert!(matches!(end, Some(Err(_))), "{end:?}");
}
