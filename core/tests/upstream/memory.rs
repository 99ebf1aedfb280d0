//! What an open stream costs. A measurement, run by hand in release mode:
//! `cargo test --release -p tidegate --test upstream -- --ignored --nocapture memory`

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::server::{Server, send, upstream, within};
use crate::tls::Tls;

const STREAMS: usize = 400;

#[expect(clippy::print_stdout, reason = "the figure is what this is run for")]
fn report(what: &str, before: usize) {
    println!("{what}: {} bytes per open idle stream", resident().saturating_sub(before) / STREAMS);
}

/// Resident bytes of this process. Linux alone has the file.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
#[ignore = "a measurement"]
async fn of_plain_http_1() {
    let (server, upstream) = (Server::bind().await, upstream());
    let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n";
    let mut open = Vec::with_capacity(STREAMS);
    let mut before = 0;
    for n in 0..=STREAMS {
        if n == 1 {
            before = resident();
        }
        let (response, peer) = tokio::join!(send(&upstream, server.call()), server.answer(answer));
        let mut body = response.unwrap().body;
        within(body.frame()).await.unwrap().unwrap();
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), body.frame()).await.is_err());
        open.push((body, peer));
    }
    report("HTTP/1.1", before);
}

#[tokio::test]
#[ignore = "a measurement"]
async fn of_http_2_with_the_test_servers_side_included() {
    let tls = Tls::bind(b"h2").await;
    let (call, upstream) = (tls.call(), tls.upstream());
    let (sender, mut requests) = mpsc::unbounded_channel::<(Request<RecvStream>, SendResponse<Bytes>)>();
    tokio::spawn(async move {
        loop {
            let stream = tls.accept().await;
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut conn = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok(received)) = conn.accept().await {
                    sender.send(received).unwrap();
                }
            });
        }
    });
    let mut open: Vec<(_, SendStream<Bytes>)> = Vec::with_capacity(STREAMS);
    let mut before = 0;
    for n in 0..=STREAMS {
        if n == 1 {
            before = resident();
        }
        let (response, mut stream) = tokio::join!(send(&upstream, call.clone()), async {
            let (_, mut respond) = requests.recv().await.unwrap();
            respond.send_response(Response::new(()), false).unwrap()
        });
        stream.send_data("data: x\n\n".into(), false).unwrap();
        let mut body = response.unwrap().body;
        within(body.frame()).await.unwrap().unwrap();
        open.push((body, stream));
    }
    report("HTTP/2", before);
}
