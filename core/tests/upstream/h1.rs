//! Good HTTP/1.1 responses, whatever their framing and however they are cut into packets.

use http::header::{HeaderName, HeaderValue};
use http_body_util::BodyExt;
use tidegate::upstream::SendError;

use crate::server::{Server, frames, send, text, upstream, within};

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn the_request_is_what_was_asked_for() {
    let (server, upstream) = (Server::bind().await, upstream());
    let mut call = server.call();
    call.headers.insert("x-api-key", HeaderValue::from_static("k"));
    for (name, value) in
        [("connection", "close"), ("host", "evil"), ("content-length", "99"), ("te", "trailers")]
    {
        call.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let (response, request) = tokio::join!(send(&upstream, call), async {
        let mut peer = server.accept().await;
        let request = peer.request().await;
        peer.write(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno").await;
        request
    });
    let response = response.unwrap();
    assert_eq!(
        (response.status.as_u16(), &response.headers["retry-after"]),
        (429, &HeaderValue::from_static("7"))
    );
    assert_eq!(text(response).await.unwrap(), "no");
    let port = server.port();
    let expected = format!(
        "POST /v1/chat HTTP/1.1\r\nx-api-key: k\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    assert_eq!(request, expected);
}

#[tokio::test]
async fn many_chunks_in_one_packet_come_out_one_by_one() {
    let (server, upstream) = (Server::bind().await, upstream());
    let mut answer = CHUNKED.to_vec();
    for n in 0..50 {
        answer.extend(format!("9\r\ndata: {n:02}\n\r\n").as_bytes());
    }
    answer.extend(b"0\r\n\r\n");
    let (response, _peer) = tokio::join!(send(&upstream, server.call()), server.answer(&answer));
    let (frames, end) = frames(&mut response.unwrap().body).await;
    end.unwrap();
    assert_eq!(frames.len(), 50);
    assert_eq!(frames[49], "data: 49\n");
}

#[tokio::test]
async fn a_body_may_be_split_anywhere() {
    let upstream = upstream();
    let good = [CHUNKED, b"5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nx-t: 1\r\n\r\n"].concat();
    for cut in 1..good.len() {
        let server = Server::bind().await;
        let (response, _peer) = tokio::join!(send(&upstream, server.call()), async {
            let mut peer = server.answer(&good[..cut]).await;
            peer.0.set_nodelay(true).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            peer.write(&good[cut..]).await;
            peer
        });
        assert_eq!(text(response.unwrap()).await.unwrap(), "hello world", "cut at {cut}");
    }
}

#[tokio::test]
async fn a_known_length_ends_without_being_polled_to_the_end() {
    let (server, upstream) = (Server::bind().await, upstream());
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let (response, _peer) = tokio::join!(send(&upstream, server.call()), server.answer(answer));
    let mut body = response.unwrap().body;
    let frame = within(body.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "hello");
    assert!(http_body::Body::is_end_stream(&body));
    assert_eq!(upstream.pooled().0, 1, "the connection is back before the body is dropped");
}

#[tokio::test]
async fn a_body_without_framing_ends_with_the_connection() {
    let (server, upstream) = (Server::bind().await, upstream());
    let (response, ()) = tokio::join!(send(&upstream, server.call()), async {
        server.answer(b"HTTP/1.1 200 OK\r\n\r\nto the end").await.finish().await;
    });
    assert_eq!(text(response.unwrap()).await.unwrap(), "to the end");
    assert_eq!(upstream.pooled().0, 0);
}

#[tokio::test]
async fn informational_responses_are_passed_over() {
    let (server, upstream) = (Server::bind().await, upstream());
    let answer =
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (response, _peer) = tokio::join!(send(&upstream, server.call()), server.answer(answer));
    assert_eq!(text(response.unwrap()).await.unwrap(), "ok");
}

#[tokio::test]
async fn a_large_body_is_pulled_not_pushed() {
    let (server, upstream) = (Server::bind().await, upstream());
    let mut peer = None;
    let (response, ()) = tokio::join!(send(&upstream, server.call()), async {
        peer = Some(server.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 200000000\r\n\r\n").await);
    });
    let mut response = response.unwrap();
    let peer = peer.unwrap();
    let block = vec![b'x'; 1 << 20];
    let mut sent = 0;
    // Kernel buffers take some megabytes; a client that read ahead without being polled would take all.
    while sent < 200_000_000 {
        let ready = tokio::time::timeout(std::time::Duration::from_millis(300), peer.0.writable()).await;
        match ready.map(|_| peer.0.try_write(&block)) {
            Ok(Ok(n)) => sent += n,
            Ok(Err(_)) => {}
            Err(_) => break,
        }
    }
    assert!(sent < 50_000_000, "{sent} bytes were taken although nobody reads");
    assert!(!within(response.body.frame()).await.unwrap().unwrap().into_data().unwrap().is_empty());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (server, upstream) = (Server::bind().await, upstream());
    let answer = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    let (response, _peer) = tokio::join!(send(&upstream, server.call()), async {
        let mut peer = server.accept().await;
        peer.request().await;
        // The client stops reading and closes, so the rest cannot be written.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.0, answer.as_bytes()).await;
        peer
    });
    assert!(matches!(response, Err(SendError::Protocol { .. })), "{response:?}");
}
