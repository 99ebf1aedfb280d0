//! Plays a script onto a connection, while watching for the client to leave.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep, timeout};

use crate::http::Conn;
use crate::script::{Ending, Framing, Script, Step};

/// How a script's playing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// To its end.
    Played,
    /// The client left, or stopped taking bytes, before.
    Cut,
}

/// More than this from a client that pipelines is left in the kernel's buffer.
const MAX_PIPELINED: usize = 1024 * 1024;
/// How long to wait, after a FIN, for the client to close too.
const FIN_GRACE: Duration = Duration::from_secs(2);

/// Writes the whole script. [`Ending::Open`] returns when the client leaves, as [`Outcome::Cut`].
pub(crate) async fn play(script: &Script, conn: &mut Conn, close: bool) -> Outcome {
    let (mut reader, mut writer) = conn.stream.split();
    let unread = &mut conn.unread;
    let written = tokio::select! {
        biased;
        written = write_all(script, &mut writer, close) => written.is_ok(),
        () = client_left(&mut reader, unread) => false,
    };
    if !written {
        return Outcome::Cut;
    }
    if script.ending == Ending::Open {
        client_left(&mut reader, unread).await;
        return Outcome::Cut;
    }
    Outcome::Played
}

/// Ends the connection as the script says. Returns whether it can serve another request.
pub(crate) async fn end(script: &Script, conn: &mut Conn, close: bool) -> bool {
    match script.ending {
        Ending::Complete if !close && script.framing != Framing::Close => return true,
        Ending::Rst => {
            // Where this fails the client sees a FIN: the socket is already dead then.
            let _ = conn.stream.set_zero_linger();
        }
        Ending::Complete | Ending::Fin | Ending::Open => {
            // A close with unread bytes in the socket would turn the FIN into a RST: read them first.
            let _ = conn.stream.shutdown().await;
            let (mut reader, _) = conn.stream.split();
            let mut rest = [0; 4096];
            let drain = async { while matches!(reader.read(&mut rest).await, Ok(n) if n > 0) {} };
            let _ = timeout(FIN_GRACE, drain).await;
        }
    }
    false
}

async fn write_all(script: &Script, out: &mut WriteHalf<'_>, close: bool) -> io::Result<()> {
    let mut steps = script.steps.as_slice();
    if let Some(mut head) = script.head_bytes(close) {
        // A body of known length goes out with its head, as servers do.
        if let (Framing::Length(_), [Step::Write(bytes), rest @ ..]) = (script.framing, steps) {
            head.extend_from_slice(bytes);
            steps = rest;
        }
        out.write_all(&head).await?;
    }
    for step in steps {
        match step {
            Step::Write(bytes) => write_one(script.framing, bytes, out).await?,
            Step::Pause(pause) => sleep(*pause).await,
            Step::Wait(gate) => gate.passed().await,
            Step::Repeat { bytes, pause, max_bytes, max_time } => {
                let until = Instant::now() + *max_time;
                let mut written = 0;
                while written < *max_bytes && Instant::now() < until && !bytes.is_empty() {
                    write_one(script.framing, bytes, out).await?;
                    written += bytes.len() as u64;
                    if !pause.is_zero() {
                        sleep(*pause).await;
                    }
                }
            }
        }
    }
    if script.ending == Ending::Complete && script.framing == Framing::Chunked && script.head.is_some() {
        out.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}

async fn write_one(framing: Framing, bytes: &[u8], out: &mut WriteHalf<'_>) -> io::Result<()> {
    // An empty chunk would be the last one.
    if framing != Framing::Chunked || bytes.is_empty() {
        return out.write_all(bytes).await;
    }
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    out.write_all(&chunk).await
}

/// Returns when the client closes. What it pipelines meanwhile is kept.
async fn client_left(reader: &mut ReadHalf<'_>, unread: &mut BytesMut) {
    while unread.len() < MAX_PIPELINED {
        unread.reserve(4096);
        match reader.read_buf(unread).await {
            Ok(n) if n > 0 => {}
            _ => return,
        }
    }
    std::future::pending::<()>().await;
}
