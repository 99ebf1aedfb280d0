//! What a simulated upstream sends: a head, steps, and an ending. Nothing here knows a provider.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

/// One whole response, down to the write and the way the connection ends.
#[derive(Clone, Debug)]
pub struct Script {
    /// Status line and headers. `None` sends no head: the steps are then the raw bytes of the connection.
    pub head: Option<Head>,
    /// How the body is delimited, and so how each [`Step::Write`] is wrapped.
    pub framing: Framing,
    /// What is sent after the head, in order.
    pub steps: Vec<Step>,
    /// What happens to the connection after the last step.
    pub ending: Ending,
}

/// A response's status line and headers, without the framing header, which [`Framing`] adds.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Header names as they are written, and values.
    pub headers: Vec<(String, String)>,
}

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `Transfer-Encoding: chunked`: each write is one chunk.
    Chunked,
    /// No length: the body is over when the connection is. Sends `Connection: close`.
    Close,
    /// `Content-Length`: `None` declares what the steps write, `Some` declares that number whatever they write.
    Length(Option<u64>),
}

/// One thing done after the head.
#[derive(Clone, Debug)]
pub enum Step {
    /// One write call on a socket without Nagle's delay: one chunk, or bare bytes.
    Write(Bytes),
    /// Silence.
    Pause(Duration),
    /// Silence until a test opens the gate.
    Wait(Gate),
    /// The same bytes again and again, until either bound is reached. Each turn is one write.
    Repeat {
        /// What one turn writes.
        bytes: Bytes,
        /// Silence after each turn; zero for none.
        pause: Duration,
        /// Stop once this many bytes were written.
        max_bytes: u64,
        /// Stop once this much time has passed.
        max_time: Duration,
    },
}

/// What happens to the connection after the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The body's proper end: the last chunk, the last byte of the length, or FIN where the body is
    /// close-delimited. The connection is kept for the next request where HTTP allows.
    Complete,
    /// Silence, until the client leaves.
    Open,
    /// FIN without the body's proper end.
    Fin,
    /// RST (a close with SO_LINGER at zero).
    Rst,
}

impl Script {
    /// A response with `status` and no body yet, chunked, that ends properly.
    pub fn new(status: u16) -> Self {
        Self {
            head: Some(Head { status, headers: Vec::new() }),
            framing: Framing::Chunked,
            steps: Vec::new(),
            ending: Ending::Complete,
        }
    }

    /// A chunked 200 with `content-type: text/event-stream`.
    pub fn sse() -> Self {
        Self::new(200).header("content-type", "text/event-stream")
    }

    /// A whole JSON response with its length declared.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        let mut script =
            Self::new(status).header("content-type", "application/json; charset=UTF-8").write(body);
        script.framing = Framing::Length(None);
        script
    }

    /// No head: the steps are all the client gets, from the first byte of the connection's answer on.
    pub fn headless(ending: Ending) -> Self {
        Self { head: None, framing: Framing::Close, steps: Vec::new(), ending }
    }

    /// Adds a header. Without a head there is nothing to add to, and nothing happens.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Some(head) = &mut self.head {
            head.headers.push((name.into(), value.into()));
        }
        self
    }

    /// Adds one write.
    #[must_use]
    pub fn write(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Write(bytes.into()));
        self
    }

    /// Adds a silence.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.steps.push(Step::Pause(pause));
        self
    }

    /// Adds a wait for `gate`.
    #[must_use]
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// Sets the body's framing.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Sets the ending.
    #[must_use]
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// The bytes of the status line and headers, or `None` where the script sends no head.
    /// `close` says that the connection will not be kept.
    pub fn head_bytes(&self, close: bool) -> Option<Vec<u8>> {
        let head = self.head.as_ref()?;
        let mut out = format!("HTTP/1.1 {} {}\r\n", head.status, reason(head.status));
        for (name, value) in &head.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.framing {
            Framing::Chunked => out.push_str("transfer-encoding: chunked\r\n"),
            Framing::Length(Some(length)) => out.push_str(&format!("content-length: {length}\r\n")),
            Framing::Length(None) => out.push_str(&format!("content-length: {}\r\n", self.written())),
            Framing::Close => {}
        }
        if close || self.framing == Framing::Close {
            out.push_str("connection: close\r\n");
        }
        out.push_str("\r\n");
        Some(out.into_bytes())
    }

    /// Body bytes of all [`Step::Write`]s. Repeats are not counted: they need another framing.
    fn written(&self) -> usize {
        self.steps.iter().map(|step| if let Step::Write(bytes) = step { bytes.len() } else { 0 }).sum()
    }
}

/// Holds scripts back at [`Step::Wait`] until a test opens it. It stays open.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets through every script that waits, and every later one.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn passed(&self) {
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_declares_its_framing() {
        let text = |script: &Script, close| String::from_utf8(script.head_bytes(close).unwrap()).unwrap();
        let script = Script::new(200).header("x-a", "1").write("12345").write("678");
        assert_eq!(text(&script, false), "HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n");
        let script = script.framing(Framing::Length(None));
        assert_eq!(
            text(&script, true),
            "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 8\r\nconnection: close\r\n\r\n"
        );
        let script = script.framing(Framing::Length(Some(99)));
        assert!(text(&script, false).contains("content-length: 99\r\n"));
        assert!(text(&script.framing(Framing::Close), false).contains("connection: close\r\n"));
        assert_eq!(Script::headless(Ending::Open).head_bytes(false), None);
    }
}
