//! The load generator's HTTP/1.1 client: one keep-alive connection, each answer checked to be whole.

use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answers::WORD;
use crate::body::Body;
use crate::head;
use crate::sse::Events;

/// Where requests go: `http://ADDRESS:PORT/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// The address to connect to; names are not resolved.
    pub(crate) address: SocketAddr,
    /// The path, with its leading slash.
    pub(crate) path: String,
}

impl std::str::FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest =
            text.strip_prefix("http://").ok_or_else(|| format!("{text} does not start with http://"))?;
        let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let address = address.parse().map_err(|_| format!("{address} is not an address and port"))?;
        Ok(Self { address, path: if path.is_empty() { "/".to_owned() } else { path.to_owned() } })
    }
}

impl Url {
    /// The bytes of a chat completion request whose last message is `text`.
    pub(crate) fn chat(&self, stream: bool, text: &str) -> Bytes {
        let body = serde_json::json!({
            "model": "bench",
            "stream": stream,
            "temperature": 0.2,
            "max_tokens": 256,
            "messages": [
                {"role": "system", "content": "You are the keeper of a harbour and answer questions about tides, \
                    gates and boats. Answer in plain words and in no more than five sentences. Name a number with \
                    its unit, say which harbour it is true of, and say so when you do not know. Never give advice \
                    on going out in a storm: tell the asker to call the coast guard instead."},
                {"role": "user", "content": text},
            ],
        })
        .to_string();
        format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer sk-bench\r\nuser-agent: tidegate-load\r\n\
             accept: */*\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.path,
            self.address,
            body.len()
        )
        .into()
    }

    /// The bytes of a GET.
    pub(crate) fn get(&self) -> Bytes {
        format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", self.path, self.address).into()
    }
}

/// What the answer's body must be.
#[derive(Debug)]
pub(crate) enum Check {
    /// Any body.
    Any,
    /// The upstream's JSON answer.
    Json(Vec<u8>),
    /// A stream of so many content events and `[DONE]`.
    Stream(Events, u64),
}

impl Check {
    /// Content events so far.
    pub(crate) fn events(&self) -> u64 {
        if let Self::Stream(events, _) = self { events.content() } else { 0 }
    }

    fn feed(&mut self, payload: &[u8]) {
        match self {
            Self::Any => {}
            Self::Json(body) => body.extend_from_slice(payload),
            Self::Stream(events, _) => events.feed(payload),
        }
    }

    fn verdict(&self) -> Result<(), String> {
        match self {
            Self::Any => Ok(()),
            Self::Json(body) => {
                let whole = body.trim_ascii_end().ends_with(b"}")
                    && memchr::memmem::find(body, WORD.as_bytes()).is_some();
                if whole { Ok(()) } else { Err(format!("not the answer: {}", String::from_utf8_lossy(body))) }
            }
            Self::Stream(events, expected) => match events.fault() {
                Some(fault) => Err(fault.to_owned()),
                None if !events.is_whole() => Err("the stream ended without [DONE]".to_owned()),
                None if events.content() != *expected => {
                    Err(format!("{} of {expected} events came", events.content()))
                }
                None => Ok(()),
            },
        }
    }
}

/// An open connection. After an error it must not be used again.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    body: Body,
    close: bool,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(url: &Url) -> Result<Self, String> {
        let stream = TcpStream::connect(url.address).await.map_err(|error| format!("connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let body = Body::new(head::Framing::Absent);
        Ok(Self { stream, buffer: BytesMut::with_capacity(16 * 1024), body, close: false })
    }

    /// The server said that it closes the connection after this answer.
    pub(crate) fn closes(&self) -> bool {
        self.close
    }

    /// Sends a request and reads the answer's head, which must be a 200.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<(), String> {
        self.stream.write_all(request).await.map_err(|error| format!("write: {error}"))?;
        loop {
            if let Some(head) = head::parse(&self.buffer)? {
                let status = head.status()?;
                if status != 200 {
                    return Err(format!("status {status}: {}", String::from_utf8_lossy(&self.buffer)));
                }
                if head.framing == head::Framing::Absent {
                    return Err("an answer whose end cannot be told: no length, not chunked".to_owned());
                }
                (self.body, self.close) = (Body::new(head.framing), head.close);
                let len = head.len;
                self.buffer.advance(len);
                return Ok(());
            }
            self.fill("its head").await?;
        }
    }

    /// Takes in what has come of the body, reading once if nothing has; true when it is whole and right.
    pub(crate) async fn receive(&mut self, check: &mut Check) -> Result<bool, String> {
        let used = self.body.feed(&self.buffer, |part| check.feed(part))?;
        self.buffer.advance(used);
        if !self.body.is_done() && used == 0 {
            self.fill("its end").await?;
            let used = self.body.feed(&self.buffer, |part| check.feed(part))?;
            self.buffer.advance(used);
        }
        if self.body.is_done() {
            check.verdict()?;
        }
        Ok(self.body.is_done())
    }

    async fn fill(&mut self, before: &str) -> Result<(), String> {
        self.buffer.reserve(8 * 1024);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err(format!("the answer was cut before {before}")),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("read: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url: Url = "http://127.0.0.1:80/v1/x".parse().unwrap();
        assert_eq!((url.address.port(), url.path.as_str()), (80, "/v1/x"));
        assert_eq!("http://127.0.0.1:80".parse::<Url>().unwrap().path, "/");
        for bad in ["https://127.0.0.1:80/", "http://localhost:80/", "http://127.0.0.1/"] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }

    #[test]
    fn requests_are_of_a_real_size() {
        let url: Url = "http://127.0.0.1:80/v1/chat/completions".parse().unwrap();
        let request = url.chat(true, "events=12");
        let head = head::parse(&request).unwrap().expect("whole");
        let body = &request[head.len..];
        assert_eq!(head.framing, head::Framing::Length(body.len() as u64));
        assert!((450..650).contains(&body.len()), "{}", body.len());
        assert_eq!(crate::shape::Shape::of(body), Ok(crate::shape::Shape::Burst(12)));
    }

    #[test]
    fn a_wrong_body_is_told() {
        assert!(Check::Json(br#"{"content":"no"}"#.to_vec()).verdict().is_err());
        assert!(Check::Json(br#"{"content":"the tide"#.to_vec()).verdict().is_err());
        assert!(Check::Json(br#"{"content":"the tide"}"#.to_vec()).verdict().is_ok());
        let mut stream = Check::Stream(Events::default(), 2);
        stream.feed(b"data: {\"content\":\"tide\"}\n\ndata: [DONE]\n\n");
        assert_eq!(stream.verdict(), Err("1 of 2 events came".to_owned()));
    }
}
