//! The client's socket: a clock for a client that does not read, and a handle by which the watchdog can shut it.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::socket::{Shutdown, shutdown};
use parking_lot::Mutex;
use prometheus::IntCounter;
use tidegate_watchdog::Kill;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::LAST_WORDS;

/// Shuts the socket from another thread. The number is taken back before the socket is closed, so that it never means
/// another one.
#[derive(Debug)]
pub struct Shutter {
    socket: Mutex<Option<RawFd>>,
    shut: IntCounter,
    idle: Patience,
}

impl Kill for Shutter {
    fn shut(&self) {
        if let Some(socket) = *self.socket.lock()
            && shutdown(socket, Shutdown::Both).is_ok()
        {
            self.shut.inc();
        }
    }

    /// Of a connection that carries one stream at a time.
    fn hurry(&self) {
        self.idle.0.hurried.store(true, Relaxed);
    }
}

/// A client's connection. A write that makes no headway for `idle` fails, which ends the connection, its request and
/// the upstream call behind it: while a client does not read, nothing above this is polled, so no other clock could.
pub struct ClientIo {
    stream: TcpStream,
    shutter: Arc<Shutter>,
    idle: Patience,
    opening: Option<Opening>,
    blocked: Option<Pin<Box<Sleep>>>,
    /// Until when the last words of a stream that was ended may be taken.
    until: Option<Instant>,
    /// hyper has read since its last flush: then it sees by itself when the client leaves.
    reading: bool,
    cut: IntCounter,
}

/// How long a client may not read, and whether it waits for an answer. Its requests may lengthen or shorten the time: each
/// model group has a clock of its own.
#[derive(Clone, Debug)]
pub struct Patience(Arc<Waits>);

#[derive(Debug, Default)]
struct Waits {
    millis: AtomicU64,
    /// The request's stream was ended, and waits for nothing but its client.
    hurried: AtomicBool,
    answering: AtomicBool,
}

impl Patience {
    fn new(time: Duration) -> Self {
        let patience = Self(Arc::default());
        patience.set(time);
        patience
    }

    /// From the next write on that does not go through at once: for a new request.
    pub fn set(&self, time: Duration) {
        self.0.millis.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Relaxed);
        self.0.hurried.store(false, Relaxed);
    }

    /// Whether a whole request of HTTP/1.1 was read and is being answered. A client that closes its side then has left.
    pub fn answers(&self, answering: bool) {
        self.0.answering.store(answering, Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_millis(self.0.millis.load(Relaxed))
    }
}

/// What HTTP/2 clients say first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that has not said yet what it speaks. hyper waits for the rest of an HTTP/2 preface without a clock.
struct Opening {
    /// What is missing of the preface.
    missing: &'static [u8],
    clock: Pin<Box<Sleep>>,
}

impl ClientIo {
    /// Wraps an accepted connection. `shut` and `cut` count its two unnatural ends.
    pub fn new(stream: TcpStream, idle: Duration, shut: IntCounter, cut: IntCounter) -> Self {
        let opening = Some(Opening { missing: PREFACE, clock: Box::pin(sleep(idle)) });
        let idle = Patience::new(idle);
        let socket = Mutex::new(Some(stream.as_raw_fd()));
        let shutter = Arc::new(Shutter { socket, shut, idle: idle.clone() });
        Self { stream, shutter, idle, opening, blocked: None, until: None, reading: false, cut }
    }

    /// The socket, to look at.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// How long its client may not read.
    pub fn patience(&self) -> Patience {
        self.idle.clone()
    }

    /// The handle for the watchdog.
    pub fn shutter(&self) -> Arc<Shutter> {
        self.shutter.clone()
    }

    /// Whether the client closed its side while its answer is under way. hyper looks for that by reading, and does not read
    /// while it has bytes that came behind the request, such as a line end or the next request.
    fn has_left(&mut self, cx: &mut Context<'_>) -> bool {
        if std::mem::take(&mut self.reading) || !self.idle.0.answering.load(Relaxed) {
            return false;
        }
        let mut next = [0];
        // Asks to be woken, where nothing is there yet; and looks, because what was read last may have been all.
        let Poll::Ready(seen) = self.stream.poll_peek(cx, &mut ReadBuf::new(&mut next)) else { return false };
        let now = pin!(self.stream.ready(Interest::READABLE)).poll(cx);
        seen.is_err() || matches!(now, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    /// Looks at what was just read until it tells the protocol.
    fn heard(
        &mut self,
        cx: &mut Context<'_>,
        said: &[u8],
        read: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let Some(opening) = &mut self.opening else { return read };
        if read.is_ready() {
            opening.missing = opening.missing.strip_prefix(said).unwrap_or_default();
            if said.is_empty() || opening.missing.is_empty() {
                self.opening = None;
            }
            return read;
        }
        if opening.clock.as_mut().poll(cx).is_ready() {
            self.cut.inc();
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client says nothing")));
        }
        Poll::Pending
    }

    fn clock<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.blocked = None;
            return written;
        }
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(sleep(self.idle.get())));
        if self.idle.0.hurried.load(Relaxed) {
            let until = *self.until.get_or_insert_with(|| Instant::now() + LAST_WORDS);
            if until < blocked.deadline() {
                blocked.as_mut().reset(until);
            }
        } else {
            self.until = None;
        }
        if blocked.as_mut().poll(cx).is_ready() {
            self.cut.inc();
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")));
        }
        Poll::Pending
    }
}

impl Drop for ClientIo {
    fn drop(&mut self) {
        *self.shutter.socket.lock() = None;
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reading = true;
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.heard(cx, &buf.filled()[before..], read)
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.clock(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.clock(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_left(cx) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client has left")));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
