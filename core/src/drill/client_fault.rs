//! Clients that leave, stall or send what is no request. Each goes to the real socket of the proxy.

use std::net::SocketAddr;
use std::time::Duration;

use tidegate_sim::strict::client::{self, Conn};
use tidegate_sim::strict::{Terminal, Told};
use tidegate_sim::{Sim, healthy_text};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientFault {
    NoRequest,
    LeaveInBody,
    LeaveWaiting,
    LeaveAfterHead,
    LeaveMidStream,
    LeaveByReset,
    LeaveInBackoff,
    HalfClose,
    SlowReader,
    SlowHead,
    SlowBody,
    Garbage,
    TlsHello,
    HugeHead,
    HugeBody,
    BrokenChunks,
    NotJson,
    UnknownModel,
    Pipelined,
}

/// The longest wait for something that must happen. A machine may be busy.
const LONG: Duration = Duration::from_secs(20);
/// Between two bytes of a slow client.
const DRIP: Duration = Duration::from_millis(2);

impl ClientFault {
    pub(super) const ALL: [Self; 19] = [
        Self::NoRequest,
        Self::LeaveInBody,
        Self::LeaveWaiting,
        Self::LeaveAfterHead,
        Self::LeaveMidStream,
        Self::LeaveByReset,
        Self::LeaveInBackoff,
        Self::HalfClose,
        Self::SlowReader,
        Self::SlowHead,
        Self::SlowBody,
        Self::Garbage,
        Self::TlsHello,
        Self::HugeHead,
        Self::HugeBody,
        Self::BrokenChunks,
        Self::NotJson,
        Self::UnknownModel,
        Self::Pipelined,
    ];

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::NoRequest => ("client-no-request", "connects, and leaves without a byte"),
            Self::LeaveInBody => ("client-leaves-body", "leaves with half of its body sent"),
            Self::LeaveWaiting => ("client-leaves-wait", "leaves before the upstream answers"),
            Self::LeaveAfterHead => {
                ("client-leaves-head", "leaves between the upstream's head and its first content")
            }
            Self::LeaveMidStream => ("client-leaves-mid", "leaves in mid-stream"),
            Self::LeaveByReset => ("client-resets-mid", "leaves in mid-stream with RST"),
            Self::LeaveInBackoff => ("client-leaves-retry", "leaves between two attempts"),
            Self::HalfClose => ("client-half-close", "closes its own half in mid-stream"),
            Self::SlowReader => ("client-no-reading", "does not read what it asked for"),
            Self::SlowHead => ("client-slow-head", "sends its head one byte at a time"),
            Self::SlowBody => ("client-slow-body", "sends its body one byte at a time"),
            Self::Garbage => ("client-garbage", "sends what is not HTTP"),
            Self::TlsHello => ("client-tls-hello", "speaks TLS to the plain port"),
            Self::HugeHead => ("client-huge-head", "a head beyond the limit"),
            Self::HugeBody => ("client-huge-body", "a body beyond the limit"),
            Self::BrokenChunks => ("client-bad-chunks", "a chunked body whose sizes are no numbers"),
            Self::NotJson => ("client-not-json", "a body that is not JSON"),
            Self::UnknownModel => ("client-no-model", "a model that is not configured"),
            Self::Pipelined => ("client-pipelines", "three requests at once on one connection"),
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.row().0
    }

    pub(super) fn about(self) -> &'static str {
        self.row().1
    }

    /// Upstream calls that it may come to.
    pub(super) fn attempts(self) -> u32 {
        match self {
            Self::Pipelined => 3,
            Self::LeaveWaiting
            | Self::LeaveAfterHead
            | Self::LeaveMidStream
            | Self::LeaveByReset
            | Self::LeaveInBackoff
            | Self::HalfClose
            | Self::SlowReader
            | Self::SlowHead
            | Self::SlowBody => 1,
            _ => 0,
        }
    }
}

/// Where it happens.
pub(super) struct Place<'a> {
    pub(super) data: SocketAddr,
    pub(super) sim: &'a Sim,
    /// The model to ask for.
    pub(super) model: &'a str,
    /// Whole header lines.
    pub(super) headers: &'a str,
    pub(super) tag: &'a str,
    /// The proxy's limits on heads and bodies, in bytes.
    pub(super) header: u64,
    pub(super) body: u64,
}

impl Place<'_> {
    fn request(&self, scenario: &str, stream: bool) -> Vec<u8> {
        let scenario = format!("{scenario}#{}", self.tag);
        client::chat_with(self.headers, self.model, &scenario, stream)
    }

    async fn open(&self) -> Result<Conn, String> {
        Conn::open(self.data).await.map_err(|error| format!("the proxy cannot be reached: {error}"))
    }

    async fn sent(&self, bytes: &[u8]) -> Result<Conn, String> {
        let mut conn = self.open().await?;
        conn.send(bytes).await.map_err(|error| format!("the proxy does not take a request: {error}"))?;
        Ok(conn)
    }

    /// Waits until the upstream was called.
    async fn called(&self) -> Result<(), String> {
        let called = self.sim.wait_until(LONG, |sim| sim.tagged(self.tag).started > 0).await;
        if called { Ok(()) } else { Err("no upstream was called".into()) }
    }

    async fn content(&self, conn: &mut Conn) -> Result<(), String> {
        let came = conn.read_until(LONG, |answer| !answer.body.is_empty()).await;
        if came && !conn.so_far().body.is_empty() { Ok(()) } else { Err("no content came".into()) }
    }

    /// A whole answer, which says all that was asked for.
    async fn whole(&self, conn: &mut Conn, stream: bool) -> Result<String, String> {
        let told = Told::of(&conn.answer(LONG).await, stream)?;
        if (told.status, &told.terminal, told.text == healthy_text()) == (200, &Terminal::Done, true) {
            Ok("whole text".into())
        } else {
            Err(format!("the answer is not whole: {} {:?}", told.status, told.terminal))
        }
    }

    /// A refusal; or, where `cut`, a connection that is closed without a word.
    async fn refused(&self, bytes: &[u8], statuses: &[u16]) -> Result<String, String> {
        let answer = client::ask(self.data, bytes, LONG).await;
        if !statuses.contains(&answer.status) {
            return Err(format!("status {} and {:?}, not one of {statuses:?}", answer.status, answer.end));
        }
        if answer.status == 0 {
            return Ok("closed".into());
        }
        Ok(format!("HTTP {}", answer.status))
    }

    /// The upstream's connection is given up, because the client is gone.
    async fn released(&self) -> Result<String, String> {
        let cut = self.sim.wait_until(LONG, |sim| sim.tagged(self.tag).cut > 0).await;
        if cut { Ok("upstream released".into()) } else { Err("the upstream call outlived its client".into()) }
    }
}

impl ClientFault {
    /// Does it. What the client saw, in a few words.
    ///
    /// # Errors
    /// A sentence: the promise that was broken.
    pub(super) async fn play(self, at: &Place<'_>) -> Result<String, String> {
        match self {
            Self::NoRequest => at.open().await.map(|_| "nothing".into()),
            Self::LeaveInBody => {
                let request = at.request("fast", true);
                at.sent(&request[..request.len() - 20]).await?;
                Ok("nothing".into())
            }
            Self::LeaveWaiting => {
                let conn = at.sent(&at.request("stall-headers", true)).await?;
                at.called().await?;
                drop(conn);
                at.released().await
            }
            Self::LeaveAfterHead => {
                let conn = at.sent(&at.request("stall-first", true)).await?;
                at.called().await?;
                sleep(Duration::from_millis(50)).await;
                drop(conn);
                at.released().await
            }
            Self::LeaveMidStream | Self::LeaveByReset | Self::HalfClose => {
                let mut conn = at.sent(&at.request("stall-mid", true)).await?;
                at.content(&mut conn).await?;
                match self {
                    Self::LeaveMidStream => drop(conn),
                    Self::LeaveByReset => {
                        conn.stream.set_zero_linger().map_err(|error| error.to_string())?;
                        drop(conn);
                    }
                    _ => {
                        conn.stream.shutdown().await.map_err(|error| error.to_string())?;
                        return at.released().await;
                    }
                }
                at.released().await
            }
            Self::LeaveInBackoff => {
                let conn = at.sent(&at.request("http-500", true)).await?;
                at.called().await?;
                sleep(Duration::from_millis(100)).await;
                drop(conn);
                // The longest back-off before a second attempt is 1.25 s.
                sleep(Duration::from_millis(1500)).await;
                Ok("nothing".into())
            }
            Self::SlowReader => {
                let mut conn = at.open().await?;
                // What the kernel takes for it is not what it reads.
                let small = socket2::SockRef::from(&conn.stream).set_recv_buffer_size(4096);
                small.map_err(|error| error.to_string())?;
                let request = at.request("text-flood", true);
                conn.send(&request).await.map_err(|error| error.to_string())?;
                at.called().await?;
                let cut = at.sim.wait_until(LONG, |sim| sim.tagged(at.tag).active() == 0).await;
                let counts = at.sim.tagged(at.tag);
                drop(conn);
                if cut && counts.cut == 1 {
                    Ok("cut, upstream released".into())
                } else {
                    Err(format!("the upstream was read on for nobody: {counts:?}"))
                }
            }
            Self::SlowHead | Self::SlowBody => {
                let request = at.request("fast", true);
                let head = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0) + 4;
                let slowly = if self == Self::SlowHead { 0..head } else { head..request.len() };
                let mut conn = at.sent(&request[..slowly.start]).await?;
                for byte in &request[slowly.clone()] {
                    conn.send(&[*byte]).await.map_err(|error| error.to_string())?;
                    sleep(DRIP).await;
                }
                conn.send(&request[slowly.end..]).await.map_err(|error| error.to_string())?;
                at.whole(&mut conn, true).await
            }
            Self::Garbage => at.refused(b"\x00\xffEHLO tidegate\r\n\r\n\r\n\r\n", &[400, 0]).await,
            Self::TlsHello => {
                at.refused(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", &[400, 0]).await
            }
            Self::HugeHead => {
                // A buffer may hold one read more than the limit.
                let filler = "y".repeat(usize::try_from(at.header).unwrap_or(1 << 16) * 3);
                let headers = format!("{}x-filler: {filler}\r\n", at.headers);
                at.refused(&client::chat_with(&headers, at.model, "fast", true), &[431, 0]).await
            }
            Self::HugeBody => {
                let request = format!(
                    "POST /v1/chat/completions HTTP/1.1\r\nhost: drill\r\n{}content-length: {}\r\n\r\n{{",
                    at.headers,
                    at.body + 1
                );
                at.refused(request.as_bytes(), &[413]).await
            }
            Self::BrokenChunks => {
                let request = format!(
                    "POST /v1/chat/completions HTTP/1.1\r\nhost: drill\r\n{}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n",
                    at.headers
                );
                at.refused(request.as_bytes(), &[400]).await
            }
            Self::NotJson => {
                at.refused(&client::post("/v1/chat/completions", at.headers, b"{not json}"), &[400]).await
            }
            Self::UnknownModel => {
                let request = client::chat_with(at.headers, "no-such-model-of-the-drill", "fast", true);
                at.refused(&request, &[404]).await
            }
            Self::Pipelined => {
                let three = [("fast", true), ("fast", false), ("fast", true)];
                let bytes: Vec<u8> =
                    three.iter().flat_map(|(name, stream)| at.request(name, *stream)).collect();
                let mut conn = at.sent(&bytes).await?;
                for (_, stream) in three {
                    at.whole(&mut conn, stream).await?;
                }
                Ok("three whole texts".into())
            }
        }
    }
}
