//! Responses that end wrongly, or not at all: an error each time, never a clean end and never a hang.

use std::time::Duration;

use http_body_util::BodyExt;
use tidegate::upstream::{BodyError, SendError};

use crate::server::{CONNECT, Server, call, frames, send, upstream, within};

const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_fin_in_the_middle_is_incomplete_wherever_it_falls() {
    let upstream = upstream();
    let partial: [&[u8]; 8] = [
        LENGTH,
        &[LENGTH, b"half"].concat(),
        CHUNKED,
        &[CHUNKED, b"5"].concat(),
        &[CHUNKED, b"5\r\nhel"].concat(),
        &[CHUNKED, b"5\r\nhello\r\n"].concat(),
        &[CHUNKED, b"5\r\nhello\r\n0"].concat(),
        &[CHUNKED, b"5\r\nhello\r\n0\r\n"].concat(),
    ];
    for bytes in partial {
        let server = Server::bind().await;
        let (response, ()) = tokio::join!(send(&upstream, server.call()), async {
            server.answer(bytes).await.finish().await;
        });
        let (_, end) = frames(&mut response.unwrap().body).await;
        let sent = String::from_utf8_lossy(bytes).into_owned();
        assert!(matches!(end, Err(BodyError::Incomplete)), "{end:?} after {sent:?}");
        assert_eq!(upstream.pooled().0, 0, "a broken connection was kept after {sent:?}");
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_is_an_io_error() {
    let upstream = upstream();
    for head in [LENGTH, CHUNKED, b"HTTP/1.1 200 OK\r\n\r\n"] {
        let server = Server::bind().await;
        let (response, peer) = tokio::join!(send(&upstream, server.call()), server.answer(head));
        let mut body = response.unwrap().body;
        let (end, ()) = tokio::join!(frames(&mut body), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            peer.reset();
        });
        assert!(matches!(end.1, Err(BodyError::Io(_))), "{:?}", end.1);
        assert!(within(body.frame()).await.is_none(), "an error is the last thing a body says");
    }
}

#[tokio::test]
async fn broken_chunking_is_a_protocol_error() {
    let (server, upstream) = (Server::bind().await, upstream());
    let answer = [CHUNKED, b"zz\r\nhello\r\n"].concat();
    let (response, _peer) = tokio::join!(send(&upstream, server.call()), server.answer(&answer));
    let (_, end) = frames(&mut response.unwrap().body).await;
    assert!(matches!(end, Err(BodyError::Protocol(_))), "{end:?}");
    assert_eq!(upstream.pooled().0, 0);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_protocol_error() {
    let (server, upstream) = (Server::bind().await, upstream());
    let answer = b"SSH-2.0-OpenSSH_9.6\r\n\r\n";
    let (response, _peer) = tokio::join!(send(&upstream, server.call()), server.answer(answer));
    let error = response.unwrap_err();
    assert!(matches!(error, SendError::Protocol { .. }), "{error:?}");
    assert!(error.to_string().contains("did not answer in valid HTTP"), "{error}");
}

#[tokio::test]
async fn an_end_before_the_head_is_not_sent_again_on_a_new_connection() {
    let upstream = upstream();
    for cut in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-le"] {
        let server = Server::bind().await;
        let (response, ()) = tokio::join!(send(&upstream, server.call()), async {
            server.answer(cut).await.finish().await;
        });
        let error = response.unwrap_err();
        assert!(matches!(error, SendError::Closed { .. }), "{error:?}");
        let port = server.port();
        assert_eq!(
            error.to_string(),
            format!("127.0.0.1:{port} closed the connection before it sent a response")
        );
    }
}

#[tokio::test]
async fn silence_after_the_head_is_pending() {
    let (server, upstream) = (Server::bind().await, upstream());
    let (response, mut peer) = tokio::join!(send(&upstream, server.call()), server.answer(CHUNKED));
    let mut body = response.unwrap().body;
    let silent = tokio::time::timeout(Duration::from_millis(200), body.frame()).await;
    assert!(silent.is_err(), "{silent:?}");
    peer.write(b"2\r\nhi\r\n0\r\n\r\n").await;
    let (frames, end) = frames(&mut body).await;
    end.unwrap();
    assert_eq!(frames.concat(), b"hi");
}

#[tokio::test]
async fn a_body_dropped_early_closes_the_upstream_socket() {
    let (server, upstream) = (Server::bind().await, upstream());
    let answer = [CHUNKED, b"2\r\nhi\r\n"].concat();
    let (response, mut peer) = tokio::join!(send(&upstream, server.call()), server.answer(&answer));
    let mut body = response.unwrap().body;
    within(body.frame()).await.unwrap().unwrap();
    assert!(peer.stays_open().await, "the guard: an unread body keeps the socket");
    drop(body);
    peer.closed().await;
    assert_eq!(upstream.pooled().0, 0);
}

#[tokio::test]
async fn a_call_dropped_before_its_head_closes_the_upstream_socket() {
    let (server, upstream) = (Server::bind().await, upstream());
    let mut peer = None;
    tokio::select! {
        _ = send(&upstream, server.call()) => panic!("there is no answer"),
        () = async {
            let mut accepted = server.accept().await;
            accepted.request().await;
            peer = Some(accepted);
        } => {}
    }
    peer.unwrap().closed().await;
}

#[tokio::test]
async fn a_refused_connection_says_so_and_shows_no_key() {
    let port = Server::bind().await.port();
    let error = within(upstream().send(call(&format!("http://127.0.0.1:{port}/?key=hunter2")), CONNECT))
        .await
        .unwrap_err();
    assert!(matches!(error, SendError::Connect { .. }), "{error:?}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("refused") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn the_connect_clock_covers_a_handshake_that_never_ends() {
    let (server, upstream) = (Server::bind().await, upstream());
    let call = call(&format!("https://127.0.0.1:{}/", server.port()));
    let (response, _peer) =
        tokio::join!(within(upstream.send(call, Duration::from_millis(200))), server.accept());
    let error = response.unwrap_err();
    assert!(matches!(error, SendError::Timeout { .. }), "{error:?}");
    assert!(error.to_string().ends_with("within 200ms"), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_says_so() {
    let error = within(upstream().send(call("http://no-such-host.invalid/"), CONNECT)).await.unwrap_err();
    assert!(matches!(error, SendError::Dns { .. } | SendError::Timeout { .. }), "{error:?}");
}
