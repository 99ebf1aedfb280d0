//! A server under byte-exact control, and what the tests do with a response.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use tidegate::upstream::{Body, BodyError, Call, Response, SendError, Settings, Target, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// Every wait in these tests has an end.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it must not hang")
}

pub(crate) fn upstream() -> Upstream {
    Upstream::new(Settings::default()).unwrap()
}

/// Sends a call; a head that never comes fails the test.
pub(crate) async fn send(upstream: &Upstream, call: Call) -> Result<Response, SendError> {
    within(upstream.send(call, CONNECT)).await
}

pub(crate) fn call(url: &str) -> Call {
    let url: Target = url.parse().unwrap();
    Call { method: Method::POST, url, headers: HeaderMap::new(), body: Bytes::from_static(b"{}") }
}

pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(crate) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(crate) fn call(&self) -> Call {
        call(&format!("http://127.0.0.1:{}/v1/chat", self.port()))
    }

    pub(crate) async fn accept(&self) -> Peer {
        Peer(within(self.listener.accept()).await.unwrap().0)
    }

    /// The next connection, however long it takes; `None` when the listener fails.
    pub(crate) async fn try_accept(&self) -> Option<Peer> {
        self.listener.accept().await.ok().map(|(tcp, _)| Peer(tcp))
    }

    /// Accepts, reads a request and answers with `bytes`.
    pub(crate) async fn answer(&self, bytes: &[u8]) -> Peer {
        let mut peer = self.accept().await;
        peer.request().await;
        peer.write(bytes).await;
        peer
    }
}

pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    /// One whole request, head and body.
    pub(crate) async fn request(&mut self) -> String {
        let mut seen = Vec::new();
        within(async {
            loop {
                let text = String::from_utf8_lossy(&seen).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                    if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                        return text;
                    }
                }
                assert_ne!(self.0.read_buf(&mut seen).await.unwrap(), 0, "the request was cut: {text}");
            }
        })
        .await
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Ends with a FIN.
    pub(crate) async fn finish(mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Ends with an RST.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.0).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Returns when the client has closed its side.
    pub(crate) async fn closed(mut self) {
        let mut sink = [0; 1024];
        within(async { while matches!(self.0.read(&mut sink).await, Ok(1..)) {} }).await;
    }

    /// Whether the client's side is still open after a while.
    pub(crate) async fn stays_open(&mut self) -> bool {
        let mut byte = [0];
        tokio::time::timeout(Duration::from_millis(200), self.0.read(&mut byte)).await.is_err()
    }
}

/// The frames up to the end, or up to the error.
pub(crate) async fn frames(body: &mut Body) -> (Vec<Bytes>, Result<(), BodyError>) {
    let mut frames = Vec::new();
    loop {
        match within(body.frame()).await {
            None => return (frames, Ok(())),
            Some(Err(error)) => return (frames, Err(error)),
            Some(Ok(frame)) => frames.extend(frame.into_data()),
        }
    }
}

pub(crate) async fn text(mut response: Response) -> Result<String, BodyError> {
    let (frames, end) = frames(&mut response.body).await;
    end.map(|()| String::from_utf8(frames.concat()).unwrap())
}
