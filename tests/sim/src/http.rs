//! Reads HTTP/1.1 requests off a socket, with bounds. Only what a client of the simulator needs.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest request head, chunk-size line or trailer line accepted, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Longest request body accepted, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// The request target: path and query, as sent.
    pub target: String,
    /// Header names in lower case, and values, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, with any chunking removed.
    pub body: Bytes,
    /// Whether the connection may serve another request.
    pub keep_alive: bool,
}

impl Request {
    /// The first header called `name` (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The target before `?`.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The value of query parameter `name`, not percent-decoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

/// Why no request could be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The socket failed, or ended inside a request.
    Io,
    /// The bytes are not a request this server takes: the status and sentence to answer with.
    Bad(u16, String),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

fn bad<T>(sentence: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Bad(400, sentence.into()))
}

/// A client's connection, with what was read of it and not yet used.
pub(crate) struct Conn {
    pub(crate) stream: TcpStream,
    pub(crate) unread: BytesMut,
}

impl Conn {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, unread: BytesMut::new() }
    }

    /// The next request, or `None` where the client closed between requests.
    pub(crate) async fn request(&mut self) -> Result<Option<Request>, ReadError> {
        let Some(head) = self.head().await? else { return Ok(None) };
        let mut request = parse_head(&head)?;
        if request.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let chunked = request.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
        request.body = match request.header("content-length") {
            _ if chunked => self.chunked_body().await?,
            None => Bytes::new(),
            Some(length) => match length.trim().parse::<usize>() {
                Ok(length) if length <= MAX_BODY => self.take(length).await?,
                Ok(_) => return Err(too_large()),
                Err(_) => return bad(format!("content-length {length:?} is not a number")),
            },
        };
        Ok(Some(request))
    }

    /// Everything up to and without the blank line.
    async fn head(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                let head = self.unread.split_to(at).freeze();
                self.unread.advance(4);
                return Ok(Some(head));
            }
            if self.unread.len() > MAX_HEAD {
                return bad("the request head is longer than 64 KiB");
            }
            if !self.fill().await? {
                return if self.unread.is_empty() { Ok(None) } else { Err(ReadError::Io) };
            }
        }
    }

    async fn chunked_body(&mut self) -> Result<Bytes, ReadError> {
        let mut body = BytesMut::new();
        loop {
            let line = self.line().await?;
            let size = line.split(|b| *b == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size).ok().and_then(|s| usize::from_str_radix(s.trim(), 16).ok());
            let Some(size) = size else { return bad("a chunk size is not a hexadecimal number") };
            if size > MAX_BODY - body.len() {
                return Err(too_large());
            }
            if size == 0 {
                // Trailers, up to the blank line.
                while !self.line().await?.is_empty() {}
                return Ok(body.freeze());
            }
            body.extend_from_slice(&self.take(size).await?);
            if !self.line().await?.is_empty() {
                return bad("a chunk is longer than its size says");
            }
        }
    }

    async fn line(&mut self) -> Result<Bytes, ReadError> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                let line = self.unread.split_to(at).freeze();
                self.unread.advance(2);
                return Ok(line);
            }
            if self.unread.len() > MAX_HEAD {
                return bad("a line of the chunked body is longer than 64 KiB");
            }
            self.fill_or_fail().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Bytes, ReadError> {
        while self.unread.len() < length {
            self.fill_or_fail().await?;
        }
        Ok(self.unread.split_to(length).freeze())
    }

    async fn fill_or_fail(&mut self) -> Result<(), ReadError> {
        if self.fill().await? { Ok(()) } else { Err(ReadError::Io) }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        self.unread.reserve(8 * 1024);
        Ok(self.stream.read_buf(&mut self.unread).await? > 0)
    }
}

fn too_large() -> ReadError {
    ReadError::Bad(413, "the request body is longer than 64 MiB".into())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn parse_head(head: &[u8]) -> Result<Request, ReadError> {
    let Ok(head) = std::str::from_utf8(head) else { return bad("the request head is not UTF-8") };
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (first.next(), first.next(), first.next(), first.next())
    else {
        return bad("the request line is not `METHOD TARGET VERSION`");
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return bad(format!("the simulator speaks HTTP/1.1, not {version}"));
    }
    let mut headers = Vec::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            return bad(format!("header line {line:?} has no colon"));
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method: method.into(),
        target: target.into(),
        headers,
        body: Bytes::new(),
        keep_alive: true,
    };
    request.keep_alive = version == "HTTP/1.1"
        && !request.header("connection").is_some_and(|v| v.to_ascii_lowercase().contains("close"));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_parse_or_say_why_not() {
        let request = parse_head(b"POST /a?key=k&alt=sse HTTP/1.1\r\nHost: x\r\nX-Y:  z ").unwrap();
        assert_eq!((request.path(), request.query("alt"), request.query("a")), ("/a", Some("sse"), None));
        assert_eq!((request.header("x-y"), request.keep_alive), (Some("z"), true));
        assert!(!parse_head(b"GET / HTTP/1.1\r\nConnection: close").unwrap().keep_alive);
        assert!(!parse_head(b"GET / HTTP/1.0").unwrap().keep_alive);
        for wrong in [&b"GET /"[..], b"GET / HTTP/2.0", b"GET / HTTP/1.1\r\nnocolon", b"\xff\xfe"] {
            assert!(matches!(parse_head(wrong), Err(ReadError::Bad(400, _))), "{wrong:?}");
        }
    }
}
