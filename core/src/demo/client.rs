//! The demo's client: HTTP/1.1 by hand, so that nothing between it and the proxy is forgiving.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::transcript::Reader;

/// More head than a proxy has reason to send.
const MAX_HEAD: usize = 64 * 1024;

/// How the body's end is known.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Chunked,
    Length(usize),
    Close,
}

/// Sends a chat request and reads the response with `reader`, which keeps what came when this is dropped.
///
/// # Errors
/// The connection failed, or what came is not HTTP.
pub(super) async fn chat(to: SocketAddr, body: &str, reader: &mut Reader) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    exchange(to, head + body, reader).await
}

/// `GET path`: the status and the body.
///
/// # Errors
/// As [`chat`], or the body was cut.
pub(super) async fn get(to: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(to).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = head_end(&answer).ok_or_else(|| bad("no head"))?;
    let (status, _, _) = parse_head(&answer[..end])?;
    Ok((status, String::from_utf8_lossy(&answer[end..]).into_owned()))
}

async fn exchange(to: SocketAddr, request: String, reader: &mut Reader) -> io::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes()).await?;
    let mut pending = Vec::new();
    let end = loop {
        if let Some(end) = head_end(&pending) {
            break end;
        }
        if pending.len() > MAX_HEAD || stream.read_buf(&mut pending).await? == 0 {
            return Err(bad("the connection ended within the head"));
        }
    };
    let (status, retry_after, framing) = parse_head(&pending[..end])?;
    (reader.seen.status, reader.seen.retry_after) = (status, retry_after);
    pending.drain(..end);
    loop {
        let over = take(&framing, &mut pending, reader)?;
        if over {
            reader.end();
            return Ok(());
        }
        if stream.read_buf(&mut pending).await? == 0 {
            if framing == Framing::Close {
                reader.end();
            }
            return Ok(());
        }
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn parse_head(head: &[u8]) -> io::Result<(u16, Option<String>, Framing)> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| bad("no HTTP/1.1 status line"))?;
    let (mut retry_after, mut framing) = (None, Framing::Close);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "retry-after" => retry_after = Some(value.to_owned()),
            "transfer-encoding" => framing = Framing::Chunked,
            "content-length" => {
                framing = Framing::Length(value.parse().map_err(|_| bad("content-length is no number"))?);
            }
            _ => {}
        }
    }
    Ok((status, retry_after, framing))
}

/// Moves what is complete from `pending` to the reader. True at the body's proper end.
fn take(framing: &Framing, pending: &mut Vec<u8>, reader: &mut Reader) -> io::Result<bool> {
    let now = Instant::now();
    match framing {
        Framing::Close => {
            reader.feed(pending, now);
            pending.clear();
            Ok(false)
        }
        Framing::Length(length) if pending.len() < *length => Ok(false),
        Framing::Length(length) => {
            reader.feed(&pending[..*length], now);
            Ok(true)
        }
        Framing::Chunked => {
            while let Some(line) = pending.windows(2).position(|window| window == b"\r\n") {
                let size = std::str::from_utf8(&pending[..line]).ok();
                let size = size.and_then(|digits| usize::from_str_radix(digits, 16).ok());
                let size = size.ok_or_else(|| bad("a chunk without a size"))?;
                let end = line + 2 + size;
                let Some(chunk) = pending.get(line + 2..end) else { return Ok(false) };
                match pending.get(end..end + 2) {
                    Some(b"\r\n") if size == 0 => return Ok(true),
                    Some(b"\r\n") => reader.feed(chunk, now),
                    Some(_) => return Err(bad("a chunk longer than its size")),
                    None => return Ok(false),
                }
                pending.drain(..end + 2);
            }
            Ok(false)
        }
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(body: &str, step: usize) -> io::Result<(bool, String)> {
        let mut reader = Reader::default();
        reader.seen.status = 200;
        let (mut pending, mut over) = (Vec::new(), false);
        for piece in body.as_bytes().chunks(step) {
            pending.extend_from_slice(piece);
            over |= take(&Framing::Chunked, &mut pending, &mut reader)?;
        }
        Ok((over, reader.seen.odd.unwrap_or_default()))
    }

    #[test]
    fn chunks_end_at_the_empty_one_alone() {
        for step in [1, 3, 100] {
            let (over, odd) = chunked("4\r\nabc\n\r\n0\r\n\r\n", step).unwrap();
            assert!(over && odd.contains("abc"), "{odd}");
            assert!(!chunked("4\r\nabc\n\r\n", step).unwrap().0);
        }
        assert!(chunked("x\r\n", 9).is_err());
        assert!(chunked("1\r\nabc\r\n", 9).is_err());
    }

    #[test]
    fn heads() {
        let head = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\ncontent-length: 12\r\n\r\n";
        assert_eq!(parse_head(head).unwrap(), (429, Some("7".into()), Framing::Length(12)));
        assert!(parse_head(b"SSH-2.0\r\n\r\n").is_err());
    }
}
