//! Which connections carry a second call, and what happens when one has died in between.

use std::time::Duration;

use tidegate::upstream::{SendError, Settings, Upstream};

use crate::server::{Peer, Server, send, text, upstream};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

async fn first(upstream: &Upstream, server: &Server, answer: &[u8]) -> Peer {
    let (response, peer) = tokio::join!(send(upstream, server.call()), server.answer(answer));
    assert_eq!(text(response.unwrap()).await.unwrap(), "ok");
    peer
}

#[tokio::test]
async fn a_complete_body_leaves_a_connection_for_the_next_call() {
    for answer in [OK, CHUNKED, b"HTTP/1.1 204 No Content\r\n\r\n"] {
        let (server, upstream) = (Server::bind().await, upstream());
        let mut peer = server.accept_first(&upstream, answer).await;
        for _ in 0..3 {
            assert_eq!(upstream.pooled().0, 1);
            let (response, ()) = tokio::join!(send(&upstream, server.call()), async {
                peer.request().await;
                peer.write(answer).await;
            });
            text(response.unwrap()).await.unwrap();
        }
    }
}

impl Server {
    async fn accept_first(&self, upstream: &Upstream, answer: &[u8]) -> Peer {
        let (response, peer) = tokio::join!(send(upstream, self.call()), self.answer(answer));
        text(response.unwrap()).await.unwrap();
        peer
    }
}

#[tokio::test]
async fn connection_close_is_obeyed() {
    let (server, upstream) = (Server::bind().await, upstream());
    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    first(&upstream, &server, answer).await.closed().await;
    assert_eq!(upstream.pooled().0, 0);
}

#[tokio::test]
async fn bytes_after_the_body_spoil_the_connection() {
    let (server, upstream) = (Server::bind().await, upstream());
    let answer = [OK, b"HTTP/1.1 200 OK\r\n"].concat();
    first(&upstream, &server, &answer).await.closed().await;
    assert_eq!(upstream.pooled().0, 0);
}

#[tokio::test]
async fn a_connection_closed_in_the_pool_is_noticed_at_checkout() {
    let (server, upstream) = (Server::bind().await, upstream());
    first(&upstream, &server, OK).await.finish().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    first(&upstream, &server, OK).await;
}

/// Some servers say goodbye to an idle connection with a response that nobody asked for.
#[tokio::test]
async fn a_408_on_an_idle_connection_is_not_the_answer_to_the_next_call() {
    let (server, upstream) = (Server::bind().await, upstream());
    let mut peer = first(&upstream, &server, OK).await;
    peer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n").await;
    peer.finish().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    first(&upstream, &server, OK).await;
}

#[tokio::test]
async fn a_connection_that_dies_under_a_call_is_replaced_once() {
    for reset in [false, true] {
        let (server, upstream) = (Server::bind().await, upstream());
        let mut old = first(&upstream, &server, OK).await;
        let (response, ()) = tokio::join!(send(&upstream, server.call()), async {
            // Only when the request is there does the peer turn out to be dead: checkout cannot have seen it.
            old.request().await;
            if reset {
                old.reset();
            } else {
                old.finish().await;
            }
            server.answer(OK).await;
        });
        assert_eq!(text(response.unwrap()).await.unwrap(), "ok");
    }
}

#[tokio::test]
async fn a_second_death_is_an_error() {
    let (server, upstream) = (Server::bind().await, upstream());
    let mut old = first(&upstream, &server, OK).await;
    let (response, ()) = tokio::join!(send(&upstream, server.call()), async {
        old.request().await;
        old.finish().await;
        server.answer(b"").await.finish().await;
    });
    assert!(matches!(response, Err(SendError::Closed { .. })), "{response:?}");
}

#[tokio::test]
async fn a_call_that_was_answered_in_part_is_not_sent_again() {
    let (server, upstream) = (Server::bind().await, upstream());
    let mut old = first(&upstream, &server, OK).await;
    let (response, ()) = tokio::join!(send(&upstream, server.call()), async {
        old.request().await;
        old.write(b"HTTP/1.1 200").await;
        old.finish().await;
    });
    assert!(matches!(response, Err(SendError::Closed { .. })), "{response:?}");
}

#[tokio::test]
async fn a_call_that_died_late_is_not_sent_again() {
    let (server, upstream) = (Server::bind().await, upstream());
    let mut old = first(&upstream, &server, OK).await;
    let (response, ()) = tokio::join!(send(&upstream, server.call()), async {
        old.request().await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        old.finish().await;
    });
    assert!(matches!(response, Err(SendError::Closed { .. })), "{response:?}");
}

#[tokio::test]
async fn the_reaper_closes_what_lies_too_long() {
    let server = Server::bind().await;
    let settings = Settings { idle_timeout: Duration::from_millis(100), ..Settings::default() };
    let upstream = Upstream::new(settings).unwrap();
    let mut peer = first(&upstream, &server, OK).await;
    upstream.reap();
    assert_eq!(upstream.pooled().0, 1, "too young to be reaped");
    assert!(peer.stays_open().await);
    upstream.reap();
    assert_eq!(upstream.pooled().0, 0);
    peer.closed().await;
}

#[tokio::test]
async fn an_old_connection_is_not_used_even_before_the_reaper_comes() {
    let server = Server::bind().await;
    let settings = Settings { idle_timeout: Duration::from_millis(50), ..Settings::default() };
    let upstream = Upstream::new(settings).unwrap();
    let old = first(&upstream, &server, OK).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    first(&upstream, &server, OK).await;
    old.closed().await;
}

#[tokio::test]
async fn the_pool_is_bounded_and_the_oldest_goes() {
    let server = Server::bind().await;
    let settings = Settings { max_idle_per_host: 1, ..Settings::default() };
    let upstream = Upstream::new(settings).unwrap();
    let (one, two, mut peers) =
        tokio::join!(send(&upstream, server.call()), send(&upstream, server.call()), async {
            vec![server.answer(OK).await, server.answer(OK).await]
        });
    for response in [one, two] {
        text(response.unwrap()).await.unwrap();
    }
    assert_eq!(upstream.pooled().0, 1);
    let (a, b) = (peers[0].stays_open().await, peers[1].stays_open().await);
    assert!(a != b, "one of two is closed");
}

#[tokio::test]
async fn finish_keeps_a_connection_whose_end_has_arrived_and_drops_another() {
    let upstream = upstream();
    for (answer, kept) in [(CHUNKED, 1), (&CHUNKED[..CHUNKED.len() - 5], 0)] {
        let server = Server::bind().await;
        let (response, _peer) = tokio::join!(send(&upstream, server.call()), server.answer(answer));
        let mut body = response.unwrap().body;
        let frame = crate::server::within(http_body_util::BodyExt::frame(&mut body)).await;
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "ok");
        let before = upstream.pooled().0;
        body.finish();
        assert_eq!(upstream.pooled().0 - before, kept);
    }
}
