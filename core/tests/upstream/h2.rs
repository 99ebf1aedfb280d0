//! HTTP/2: calls share a connection, and end alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{Request, Response};
use http_body_util::BodyExt;
use tidegate::upstream::{BodyError, Call, Response as Answer, Upstream};
use tokio::sync::{Notify, mpsc};

use crate::server::{frames, send, text, within};
use crate::tls::Tls;

type Received = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// A server that hands every request to the test, on as many connections as the client makes.
struct H2 {
    call: Call,
    upstream: Upstream,
    requests: mpsc::UnboundedReceiver<Received>,
    connections: Arc<AtomicUsize>,
    go_away: Arc<Notify>,
}

impl H2 {
    async fn start() -> Self {
        let tls = Tls::bind(b"h2").await;
        let (call, upstream) = (tls.call(), tls.upstream());
        let (sender, requests) = mpsc::unbounded_channel();
        let (connections, go_away) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counted, leave) = (Arc::clone(&connections), Arc::clone(&go_away));
        tokio::spawn(async move {
            loop {
                let stream = tls.accept().await;
                counted.fetch_add(1, Ordering::SeqCst);
                let (sender, leave) = (sender.clone(), Arc::clone(&leave));
                tokio::spawn(async move {
                    let mut builder = h2::server::Builder::new();
                    let Ok(mut conn) = builder.max_concurrent_streams(500).handshake(stream).await else {
                        return;
                    };
                    loop {
                        tokio::select! {
                            accepted = conn.accept() => match accepted {
                                Some(Ok(received)) => drop(sender.send(received)),
                                _ => return,
                            },
                            () = leave.notified() => conn.graceful_shutdown(),
                        }
                    }
                });
            }
        });
        Self { call, upstream, requests, connections, go_away }
    }

    /// Sends a call and begins its response.
    async fn open(&mut self) -> (Answer, SendStream<Bytes>) {
        let Self { call, upstream, requests, .. } = self;
        let (answer, stream) = within(async {
            tokio::join!(send(upstream, call.clone()), async {
                let (_, mut respond) = requests.recv().await.unwrap();
                respond.send_response(Response::new(()), false).unwrap()
            })
        })
        .await;
        (answer.unwrap(), stream)
    }
}

#[tokio::test]
async fn a_request_has_its_pseudo_headers_and_a_response_its_end() {
    let mut server = H2::start().await;
    let mut call = server.call.clone();
    call.headers.insert("connection", http::HeaderValue::from_static("close"));
    call.headers.insert("x-api-key", http::HeaderValue::from_static("k"));
    let (answer, request) = within(async {
        tokio::join!(send(&server.upstream, call), async {
            let (request, mut respond) = server.requests.recv().await.unwrap();
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data("hello".into(), true).unwrap();
            request
        })
    })
    .await;
    assert_eq!(text(answer.unwrap()).await.unwrap(), "hello");
    assert_eq!(request.uri().to_string(), server.call.url.to_string());
    assert_eq!(request.headers()["x-api-key"], "k");
    assert!(!request.headers().contains_key("host") && !request.headers().contains_key("connection"));
}

#[tokio::test]
async fn calls_share_a_connection_and_one_dropped_resets_its_own_stream() {
    let mut server = H2::start().await;
    let (one, mut to_one) = server.open().await;
    let (two, mut to_two) = server.open().await;
    drop(one);
    let reset = within(std::future::poll_fn(|cx| to_one.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, Reason::CANCEL);
    to_two.send_data("still here".into(), true).unwrap();
    assert_eq!(text(two).await.unwrap(), "still here");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert_eq!(server.upstream.pooled(), (0, 1));
}

#[tokio::test]
async fn a_reset_stream_never_ends_cleanly() {
    let mut server = H2::start().await;
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR] {
        let (mut answer, mut stream) = server.open().await;
        stream.send_data("half".into(), false).unwrap();
        assert_eq!(within(answer.body.frame()).await.unwrap().unwrap().into_data().unwrap(), "half");
        stream.send_reset(reason);
        let (_, end) = frames(&mut answer.body).await;
        assert!(matches!(end, Err(BodyError::Io(_) | BodyError::Incomplete)), "{reason:?}: {end:?}");
        assert!(within(answer.body.frame()).await.is_none());
    }
}

#[tokio::test]
async fn trailers_are_an_end() {
    let mut server = H2::start().await;
    let (answer, mut stream) = server.open().await;
    stream.send_data("all".into(), false).unwrap();
    stream.send_trailers(http::HeaderMap::new()).unwrap();
    assert_eq!(text(answer).await.unwrap(), "all");
}

#[tokio::test]
async fn a_refused_call_is_sent_once_more() {
    let mut server = H2::start().await;
    let (first, mut stream) = server.open().await;
    stream.send_data(Bytes::new(), true).unwrap();
    text(first).await.unwrap();
    let H2 { call, upstream, requests, .. } = &mut server;
    let (answer, ()) = within(async {
        tokio::join!(send(upstream, call.clone()), async {
            requests.recv().await.unwrap().1.send_reset(Reason::REFUSED_STREAM);
            let mut respond = requests.recv().await.unwrap().1;
            respond.send_response(Response::new(()), true).unwrap();
        })
    })
    .await;
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn a_call_that_the_server_worked_on_is_not_sent_again() {
    let mut server = H2::start().await;
    let (first, mut stream) = server.open().await;
    stream.send_data(Bytes::new(), true).unwrap();
    text(first).await.unwrap();
    let H2 { call, upstream, requests, .. } = &mut server;
    let (answer, ()) = within(async {
        tokio::join!(send(upstream, call.clone()), async {
            requests.recv().await.unwrap().1.send_reset(Reason::INTERNAL_ERROR);
        })
    })
    .await;
    assert!(answer.is_err());
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn after_goaway_open_streams_finish_and_new_calls_go_elsewhere() {
    let mut server = H2::start().await;
    let (old, mut to_old) = server.open().await;
    server.go_away.notify_one();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (new, mut to_new) = server.open().await;
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
    to_old.send_data("old".into(), true).unwrap();
    to_new.send_data("new".into(), true).unwrap();
    assert_eq!(text(old).await.unwrap(), "old");
    assert_eq!(text(new).await.unwrap(), "new");
}

#[tokio::test]
async fn a_full_connection_is_joined_by_another() {
    let mut server = H2::start().await;
    let mut open = Vec::new();
    for _ in 0..101 {
        open.push(server.open().await);
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
    drop(open.drain(..50));
    let _again = server.open().await;
    assert_eq!(server.connections.load(Ordering::SeqCst), 2, "a place that was left is used again");
}

#[tokio::test]
async fn readers_that_sleep_do_not_stop_another() {
    let mut server = H2::start().await;
    let mut asleep = Vec::new();
    for _ in 0..60 {
        let (answer, mut stream) = server.open().await;
        stream.send_data(Bytes::from(vec![b'x'; 1 << 20]), false).unwrap();
        asleep.push((answer, stream));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (awake, mut stream) = server.open().await;
    stream.send_data(Bytes::from(vec![b'y'; 1 << 20]), true).unwrap();
    assert_eq!(text(awake).await.unwrap().len(), 1 << 20);
}
