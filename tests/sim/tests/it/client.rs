//! A raw client: what arrived, in which reads, and how the connection ended.

use std::net::SocketAddr;
use std::time::Duration;

use tidegate_sim::{Dialect, Settings, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How a connection stood when reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fin,
    Rst,
    /// Nothing came for the given silence.
    Open,
}

pub(crate) struct Got {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// All bytes, as the reads brought them.
    pub(crate) reads: Vec<Vec<u8>>,
    pub(crate) end: End,
}

impl Got {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn raw(&self) -> Vec<u8> {
        self.reads.concat()
    }

    /// The chunks of a chunked body, and whether the last one (of size zero) came.
    pub(crate) fn chunks(&self) -> (Vec<Vec<u8>>, bool) {
        let mut rest = &self.body[..];
        let mut chunks = Vec::new();
        while let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
            if size == 0 {
                assert_eq!(&rest[at..], b"\r\n\r\n");
                return (chunks, true);
            }
            chunks.push(rest[at + 2..at + 2 + size].to_vec());
            assert_eq!(&rest[at + 2 + size..][..2], b"\r\n");
            rest = &rest[at + 4 + size..];
        }
        assert!(rest.is_empty(), "a chunk's size is cut");
        (chunks, false)
    }

    /// The body without its framing.
    pub(crate) fn content(&self) -> Vec<u8> {
        if self.head.contains("transfer-encoding: chunked") {
            self.chunks().0.concat()
        } else {
            self.body.clone()
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.content()).unwrap()
    }
}

/// A simulator without waiting.
pub(crate) async fn sim() -> Sim {
    let settings = Settings {
        pace: Duration::ZERO,
        flood_bytes: 1 << 20,
        flood_time: Duration::from_millis(300),
        drip: Duration::ZERO,
        ..Settings::default()
    };
    Sim::start(settings).await.unwrap()
}

pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: sim\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Sends a whole request and reads until the connection ends or is silent for `silence`.
pub(crate) async fn ask_for(addr: SocketAddr, request: &str, silence: Duration) -> Got {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read(&mut stream, silence).await
}

pub(crate) async fn read(stream: &mut TcpStream, silence: Duration) -> Got {
    let mut reads = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    let end = loop {
        match timeout(silence, stream.read(&mut buffer)).await {
            Err(_) => break End::Open,
            Ok(Ok(0)) => break End::Fin,
            Ok(Ok(n)) => reads.push(buffer[..n].to_vec()),
            Ok(Err(error)) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                break End::Rst;
            }
        }
    };
    let all = reads.concat();
    let split = all.windows(4).position(|w| w == b"\r\n\r\n").map_or(all.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&all[..split]).into_owned();
    Got { head, body: all[split..].to_vec(), reads, end }
}

/// Asks for a scenario by path, closing afterwards, so that a complete answer ends in FIN.
pub(crate) async fn ask(sim: &Sim, scenario: &str, dialect: Dialect, how: &str) -> Got {
    let (path, body) = match (dialect, how) {
        (Dialect::OpenAiChat, how) => (
            format!("/s/{scenario}/v1/chat/completions"),
            format!(r#"{{"model":"m","messages":[],"stream":{}}}"#, how == "stream"),
        ),
        (Dialect::Azure, how) => (
            format!("/s/{scenario}/openai/deployments/m/chat/completions?api-version=2024-10-21"),
            format!(r#"{{"messages":[],"stream":{}}}"#, how == "stream"),
        ),
        (Dialect::Ollama, how) => (
            format!("/s/{scenario}/api/chat"),
            format!(r#"{{"model":"m","messages":[],"stream":{}}}"#, how == "stream"),
        ),
        (Dialect::Responses, how) => (
            format!("/s/{scenario}/v1/responses"),
            format!(r#"{{"model":"m","input":[],"stream":{}}}"#, how == "stream"),
        ),
        (Dialect::Anthropic, how) => (
            format!("/s/{scenario}/v1/messages"),
            format!(r#"{{"model":"m","max_tokens":9,"messages":[],"stream":{}}}"#, how == "stream"),
        ),
        (Dialect::Bedrock, how) => (
            format!("/s/{scenario}/model/m/{}", if how == "stream" { "converse-stream" } else { "converse" }),
            r#"{"messages":[]}"#.into(),
        ),
        (Dialect::Gemini, "stream") => (
            format!("/s/{scenario}/v1beta/models/m:streamGenerateContent?alt=sse"),
            r#"{"contents":[]}"#.into(),
        ),
        (Dialect::Gemini, "array") => {
            (format!("/s/{scenario}/v1beta/models/m:streamGenerateContent"), r#"{"contents":[]}"#.into())
        }
        (Dialect::Gemini, _) => {
            (format!("/s/{scenario}/v1beta/models/m:generateContent"), r#"{"contents":[]}"#.into())
        }
    };
    // Long enough for a busy machine, where silence is not what is looked for.
    let open = scenario.contains("open") || scenario.starts_with("stall");
    let silence = Duration::from_millis(if open { 400 } else { 10_000 });
    ask_for(sim.addr(), &post(&path, "connection: close\r\n", &body), silence).await
}
