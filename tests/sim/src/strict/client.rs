//! A raw HTTP/1.1 client: what arrived, in which pieces, when, and how it ended. It forgives nothing.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// How much is asked for at once.
const READ: usize = 16 * 1024;

/// The longest chunk that is believed.
const MAX_CHUNK: usize = 1 << 30;

/// How an answer stood when reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the end that HTTP gives it: the last chunk, the length, or FIN where it has neither.
    Complete,
    /// FIN before that.
    Fin,
    /// RST before that.
    Rst,
    /// It was still open at the time limit.
    Open,
    /// What came is not HTTP.
    Garbled,
}

/// An answer, or as much of it as came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; 0 where no head came.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body without its transfer coding.
    pub body: Vec<u8>,
    /// When each read brought body bytes, and how many were there then.
    pub times: Vec<(Instant, usize)>,
    /// How it ended.
    pub end: End,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The silences between reads that brought body bytes.
    pub fn gaps(&self) -> Vec<Duration> {
        self.times.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

/// A connection, with one answer at a time being read from it.
#[derive(Debug)]
pub struct Conn {
    /// The socket, for tests that do with it what no client library does.
    pub stream: TcpStream,
    unread: BytesMut,
    state: State,
    now: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Chunk,
    Length(usize),
    ToEnd,
    Over,
}

impl Conn {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: BytesMut::new(), state: State::Head, now: empty() })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The other side is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// What has come so far of the answer being read.
    pub fn so_far(&self) -> &Answer {
        &self.now
    }

    /// Reads until `enough` of the current answer, its end, or `limit` from now. False at the latter.
    pub async fn read_until(&mut self, limit: Duration, enough: impl Fn(&Answer) -> bool) -> bool {
        let until = Instant::now() + limit;
        loop {
            self.decode();
            if self.state == State::Over || enough(&self.now) {
                return true;
            }
            let before = self.unread.len();
            self.unread.reserve(READ);
            match timeout_at(until, self.stream.read_buf(&mut self.unread)).await {
                Err(_) => return false,
                Ok(Ok(_)) if self.unread.len() > before => {}
                Ok(Ok(_)) => self.over(if self.state == State::ToEnd { End::Complete } else { End::Fin }),
                Ok(Err(_)) => self.over(End::Rst),
            }
        }
    }

    /// The whole next answer; [`End::Open`] where it is not over at the limit.
    pub async fn answer(&mut self, limit: Duration) -> Answer {
        self.read_until(limit, |_| false).await;
        self.state = State::Head;
        std::mem::replace(&mut self.now, empty())
    }

    fn over(&mut self, end: End) {
        self.now.end = end;
        self.state = State::Over;
    }

    fn decode(&mut self) {
        let had = self.now.body.len();
        while self.step() {}
        if self.now.body.len() > had {
            self.now.times.push((Instant::now(), self.now.body.len()));
        }
    }

    /// Takes one part out of the unread bytes; false where a part is not there yet.
    fn step(&mut self) -> bool {
        match self.state {
            State::Over => false,
            State::Head => {
                let Some(at) = find(&self.unread, b"\r\n\r\n") else { return false };
                let head = self.unread.split_to(at + 4);
                self.head(&String::from_utf8_lossy(&head));
                true
            }
            State::Length(left) => {
                let n = left.min(self.unread.len());
                self.now.body.extend_from_slice(&self.unread.split_to(n));
                if n == left {
                    self.over(End::Complete);
                } else {
                    self.state = State::Length(left - n);
                }
                false
            }
            State::ToEnd => {
                self.now.body.extend_from_slice(&self.unread.split());
                false
            }
            State::Chunk => {
                let Some(at) = find(&self.unread, b"\r\n") else { return false };
                let size = std::str::from_utf8(&self.unread[..at])
                    .ok()
                    .and_then(|hex| usize::from_str_radix(hex, 16).ok());
                let Some(size) = size.filter(|size| *size <= MAX_CHUNK) else {
                    self.over(End::Garbled);
                    return false;
                };
                let whole = at + 2 + size + 2;
                if self.unread.len() < whole {
                    return false;
                }
                self.now.body.extend_from_slice(&self.unread[at + 2..at + 2 + size]);
                self.unread.advance(whole);
                if size == 0 {
                    self.over(End::Complete);
                }
                true
            }
        }
    }

    fn head(&mut self, head: &str) {
        let mut lines = head.split("\r\n");
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let Some(status) = status else { return self.over(End::Garbled) };
        self.now.status = status;
        self.now.headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = self.now.header("content-length").map(|length| length.parse().map_err(|_| ()));
        self.state = match length {
            _ if self.now.status == 100 => State::Head,
            Some(Ok(length)) => State::Length(length),
            Some(Err(())) => return self.over(End::Garbled),
            None if self.now.header("transfer-encoding") == Some("chunked") => State::Chunk,
            None => State::ToEnd,
        };
    }
}

fn empty() -> Answer {
    Answer { status: 0, headers: Vec::new(), body: Vec::new(), times: Vec::new(), end: End::Open }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A request without a body. `headers`: whole lines.
pub fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n").into_bytes()
}

/// A request with a body. `headers`: whole lines.
pub fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The body of a chat request that asks the simulator for a scenario. A stream asks for its usage.
pub fn body(model: &str, scenario: &str, stream: bool) -> Value {
    let message = format!("sim:{scenario}");
    let mut body =
        json!({"model": model, "messages": [{"role": "user", "content": message}], "stream": stream});
    if stream {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

/// A chat request for a scenario.
pub fn chat(model: &str, scenario: &str, stream: bool) -> Vec<u8> {
    chat_with("", model, scenario, stream)
}

/// The same with more headers.
pub fn chat_with(headers: &str, model: &str, scenario: &str, stream: bool) -> Vec<u8> {
    post("/v1/chat/completions", headers, body(model, scenario, stream).to_string().as_bytes())
}

/// Asks on a connection of its own, and reads the answer until it ends, at most `limit`. Where nobody listens, the
/// answer has no status and ended with RST.
pub async fn ask(addr: SocketAddr, request: &[u8], limit: Duration) -> Answer {
    let refused = Answer { end: End::Rst, ..empty() };
    let Ok(mut conn) = Conn::open(addr).await else { return refused };
    // An answer may come, and the connection be closed, before the whole request is taken.
    let _ = conn.send(request).await;
    conn.answer(limit).await
}
