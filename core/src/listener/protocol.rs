//! HTTP/1.1 or h2c, told by the client's first bytes, which are looked at and left where they are.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::streams::Streams;

/// A client that has not sent its whole head by then is cut.
const HEADER_TIME: Duration = Duration::from_secs(30);

/// hyper's smallest buffer.
const MIN_HEADER: usize = 8 * 1024;

/// Streams at once on one h2c connection.
const H2_STREAMS: u32 = 250;

/// What an h2c client with prior knowledge begins with (RFC 9113, section 3.4). No HTTP/1.1 method is named so.
const PREFACE: &[u8; 4] = b"PRI ";

/// The next look at a client that has sent less than that: the first, and the last of the doubled ones.
const AGAIN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(640));

/// How connections are served.
pub(super) struct Protocols {
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<Streams>,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Protocols {
    /// `streams` runs the streams of h2c connections; `header`: bytes of the longest head.
    pub(super) fn new(streams: Streams, header: usize) -> Self {
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(header.max(MIN_HEADER));
        let mut http2 = http2::Builder::new(streams);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(H2_STREAMS)
            .max_header_list_size(u32::try_from(header).unwrap_or(u32::MAX))
            .keep_alive_interval(HEADER_TIME)
            .keep_alive_timeout(HEADER_TIME);
        Self { http1, http2 }
    }
}

/// Waits for the first bytes of `stream`, at most `idle`. They are not consumed: a reader that puts them back in front would make
/// hyper's first buffer grow to 16 KiB, for as long as the connection lives.
pub(super) async fn detect(stream: &TcpStream, idle: Duration) -> Result<Protocol> {
    let look = async {
        let mut seen = [0; PREFACE.len()];
        let mut pause = AGAIN.0;
        loop {
            match stream.peek(&mut seen).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n if seen[..n] != PREFACE[..n] => return Ok(Protocol::Http1),
                n if n == PREFACE.len() => return Ok(Protocol::Http2),
                // Its bytes are still there to be read, and so is its end behind them.
                _ if stream.ready(Interest::READABLE).await?.is_read_closed() => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                _ => {
                    sleep(pause).await;
                    pause = (pause * 2).min(AGAIN.1);
                }
            }
        }
    };
    timeout(idle.min(HEADER_TIME), look).await.unwrap_or_else(|_| Err(Error::from(ErrorKind::TimedOut)))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn told(writes: &[&[u8]]) -> Result<Protocol> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        let writing = async {
            for write in writes {
                client.write_all(write).await?;
                sleep(Duration::from_millis(20)).await;
            }
            client.shutdown().await
        };
        let (told, written) = tokio::join!(detect(&server, HEADER_TIME), writing);
        written.and(told)
    }

    #[tokio::test]
    async fn the_first_bytes_tell() {
        assert_eq!(told(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]).await.expect("read"), Protocol::Http2);
        assert_eq!(told(&[b"P", b"RI", b" * "]).await.expect("read"), Protocol::Http2);
        assert_eq!(told(&[b"P", b"OST / HTTP/1.1\r\n"]).await.expect("read"), Protocol::Http1);
        assert_eq!(told(&[b"GET / HTTP/1.1\r\n"]).await.expect("read"), Protocol::Http1);
        let some: [&[&[u8]]; 3] = [&[], &[b"P"], &[b"P", b"RI"]];
        for left in some {
            let end = told(left).await.expect_err("it has left");
            assert_eq!(end.kind(), ErrorKind::UnexpectedEof, "{left:?}");
        }
    }
}
