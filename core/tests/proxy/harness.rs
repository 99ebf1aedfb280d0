//! A server with its plugins, an upstream under byte-exact control, and a client that sees bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidegate::config::{self, ProcessEnv};
use tidegate::gateway::Gateway;
use tidegate::serve::Server;
use tokio::sync::watch;

/// No read of these tests waits longer: a hang is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The head of a stream that ends with its connection.
pub(crate) const SSE: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// A running server; dropping it drains and ends it.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) gateway: Arc<Gateway>,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
}

impl Proxy {
    /// `models`: the entries of `model_list`; `tidegate`: more lines of that section, two spaces deep.
    pub(crate) fn start(models: &str, tidegate: &str) -> Self {
        let text = format!(
            "model_list:\n{models}\nrouter_settings: {{num_retries: 0}}\n\
             tidegate:\n  listen: 127.0.0.1:0\n  admin: 127.0.0.1:0\n{tidegate}\n"
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, text).unwrap();
        let config = config::load(&file, &ProcessEnv).unwrap_or_else(|report| panic!("{report}"));
        let server = Server::start(config).unwrap_or_else(|error| panic!("{error:?}"));
        let (addr, admin, gateway) = (server.data, server.admin, server.gateway().clone());
        let (stop, stopped) = watch::channel(false);
        let serving = std::thread::spawn(move || server.run(None, Some(stopped)).expect("it serves"));
        Self { addr, admin, gateway, stop, serving: Some(serving) }
    }

    /// One deployment of an OpenAI-compatible server at `upstream`.
    pub(crate) fn before(upstream: SocketAddr, tidegate: &str) -> Self {
        Self::start(&deployment("m", "openai/x", upstream, ""), tidegate)
    }

    /// Asks for a stream of the model `m` and reads to the end of the connection.
    pub(crate) fn stream(&self) -> String {
        let mut client = self.ask(true);
        read_all(&mut client)
    }

    /// Sends a request for `m`; the answer is to be read.
    pub(crate) fn ask(&self, stream: bool) -> TcpStream {
        let body =
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"stream":{stream}}}"#);
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(&(head + &body))
    }

    /// Opens a connection and sends `text`.
    pub(crate) fn send(&self, text: &str) -> TcpStream {
        let mut client = TcpStream::connect(self.addr).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(text.as_bytes()).unwrap();
        client
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether it ends within the patience of a test.
    pub(crate) fn ends(&mut self) -> bool {
        let serving = self.serving.take().unwrap();
        eventually(|| serving.is_finished())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

/// An entry of `model_list`; `more`: further parameters, each `key: value` on a line of its own.
pub(crate) fn deployment(group: &str, model: &str, upstream: SocketAddr, more: &str) -> String {
    let more: String = more.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "  - model_name: {group}\n    litellm_params:\n      model: {model}\n      \
         api_base: http://{upstream}/v1\n      api_key: sk-upstream-secret\n{more}"
    )
}

/// A server that reads one request a connection and leaves the rest to `answer`.
pub(crate) fn upstream(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, answer) = (connection.unwrap(), answer.clone());
            std::thread::spawn(move || {
                if read_request(&mut connection).is_some() {
                    answer(connection);
                }
            });
        }
    });
    addr
}

/// A server that answers each request with `bytes` and ends the connection.
pub(crate) fn answering(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    upstream(move |mut client| {
        let _ = client.write_all(&bytes);
        let _ = client.shutdown(std::net::Shutdown::Write);
        // Until the other side has read: a close with unread bytes would be a reset.
        let _ = client.read(&mut [0; 64]);
    })
}

/// A chunk with this text, framed.
pub(crate) fn chunk(text: &str) -> String {
    format!("data: {}\n\n", bare_chunk(text))
}

/// Why the answer ends.
pub(crate) const FINISH: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

pub(crate) fn bare_chunk(text: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#)
}

fn read_request(connection: &mut TcpStream) -> Option<()> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length = length.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok()?;
            if body.len() >= length {
                return Some(());
            }
        }
        let read = connection.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// Reads until the other side ends the connection.
pub(crate) fn read_all(client: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let result = client.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    result.unwrap_or_else(|error| panic!("{error} after {text:?}"));
    text
}

/// What a client of server-sent events takes from a response: the data of each event, joined as the standard says.
pub(crate) fn events(response: &str) -> Vec<String> {
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    let (mut events, mut data) = (Vec::new(), Vec::new());
    for line in unchunk(body).replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        match line.strip_prefix("data:") {
            Some(value) => data.push(value.strip_prefix(' ').unwrap_or(value).to_owned()),
            None if line.is_empty() && !data.is_empty() => {
                events.push(std::mem::take(&mut data).join("\n"));
            }
            None => {}
        }
    }
    events
}

/// The bytes of a chunked body.
pub(crate) fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    panic!("the body has no last chunk: {whole:?}");
}

/// Whether it becomes true within the patience of a test.
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let begin = std::time::Instant::now();
    while begin.elapsed() < PATIENCE {
        if condition() {
            return true;
        }
        pause(Duration::from_millis(20));
    }
    false
}

#[expect(clippy::disallowed_methods, reason = "these threads are the test's own")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
