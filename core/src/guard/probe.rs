//! One question to the serving port, and what came of it. The whole answer has to come in time: a body that never ends is
//! none.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::GuardProbe;

/// More than any health answer; it is read no further.
const LONGEST: usize = 1 << 20;

/// What came of one probe. The words are those of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The right status and the whole body, in time.
    Ok,
    /// Nobody listens, or the connection was refused or reset.
    Connect,
    /// Not all of the answer came in time.
    Timeout,
    /// Another status than a healthy one.
    Status(u16),
    /// Not HTTP, or a body that broke off or has no end.
    Broken,
    /// It timed out while this thread could not run either: nothing is known.
    Starved,
}

impl Answer {
    /// Every word.
    pub(crate) const WORDS: [&'static str; 6] = ["ok", "connect", "timeout", "status", "broken", "starved"];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
            Self::Broken => "broken",
            Self::Starved => "starved",
        }
    }

    /// For people.
    pub(super) fn say(self, probe: &GuardProbe) -> String {
        match self {
            Self::Ok => "answered".to_owned(),
            Self::Connect => "no connection".to_owned(),
            Self::Timeout => format!("no whole answer within {:?}", probe.timeout),
            Self::Status(status) => format!("answered {status}, not {}", probe.status),
            Self::Broken => "what came is no whole answer".to_owned(),
            Self::Starved => "no answer, but this machine had no CPU left: it does not count".to_owned(),
        }
    }
}

/// How late this thread may have been for a timeout to count. A healthy process needs the CPU several times to answer, and
/// waits for it as long as this thread does each time.
pub(super) fn tolerated(timeout: Duration) -> Duration {
    (timeout / 10).max(Duration::from_millis(100))
}

/// Asks once.
pub(super) async fn ask(probe: &GuardProbe) -> (Answer, Duration) {
    let began = Instant::now();
    let asked = tokio::time::timeout(probe.timeout, exchange(probe)).await;
    (asked.unwrap_or(Answer::Timeout), began.elapsed())
}

async fn exchange(probe: &GuardProbe) -> Answer {
    let Some((host, port)) = address(&probe.url) else { return Answer::Connect };
    let Ok(stream) = TcpStream::connect((host, port)).await else { return Answer::Connect };
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else {
        return Answer::Broken;
    };
    let Ok(request) = request(&probe.url) else { return Answer::Broken };
    let answer = async {
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return if error.is_parse() { Answer::Broken } else { Answer::Connect },
        };
        let status = response.status().as_u16();
        match Limited::new(response.into_body(), LONGEST).collect().await {
            Err(_) => Answer::Broken,
            Ok(_) if status == probe.status => Answer::Ok,
            Ok(_) => Answer::Status(status),
        }
    };
    // Both here and nowhere else, so that nothing of it outlives the probe.
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}

fn address(url: &Uri) -> Option<(&str, u16)> {
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
    Some((host, url.port_u16().unwrap_or(80)))
}

fn request(url: &Uri) -> http::Result<Request<Empty<Bytes>>> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let host = url.authority().map_or("", |authority| authority.as_str());
    Request::get(if path.is_empty() { "/" } else { path })
        .header(HOST, host)
        .header(USER_AGENT, concat!("tidegate-guard/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::new())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(700);

    /// What comes of an upstream that writes these parts, with a pause before each.
    async fn answered(parts: &'static [(u64, &'static str)], stays: bool) -> Answer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            for (pause, part) in parts {
                tokio::time::sleep(Duration::from_millis(*pause)).await;
                let _ = stream.write_all(part.as_bytes()).await;
            }
            if stays {
                std::future::pending::<()>().await;
            }
        });
        let (answer, took) = ask(&probe(&format!("http://{addr}/health"))).await;
        server.abort();
        assert!(took <= TIMEOUT * 4);
        answer
    }

    fn probe(url: &str) -> GuardProbe {
        GuardProbe { url: url.parse().unwrap(), status: 200, timeout: TIMEOUT, every: TIMEOUT, misses: 3 }
    }

    #[tokio::test]
    async fn every_kind_of_answer_has_its_word() {
        const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        assert_eq!(answered(&[(0, OK)], true).await, Answer::Ok);
        assert_eq!(answered(&[(0, "HTTP/1.0 200 OK\r\n\r\nto the end")], false).await, Answer::Ok);
        assert_eq!(
            answered(&[(0, "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")], false).await,
            Answer::Status(503)
        );
        assert_eq!(answered(&[], true).await, Answer::Timeout, "it accepts and says nothing");
        const ENDLESS: &[(u64, &str)] =
            &[(0, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")];
        assert_eq!(answered(ENDLESS, true).await, Answer::Timeout, "a body that never ends");
        assert_eq!(answered(ENDLESS, false).await, Answer::Broken, "a body that breaks off");
        assert_eq!(answered(&[(0, "SSH-2.0-x\r\n\r\n")], true).await, Answer::Broken);
        assert_eq!(answered(&[], false).await, Answer::Connect, "it hangs up");
        assert_eq!(answered(&[(400, OK)], true).await, Answer::Ok, "slow, and in time");
    }

    #[tokio::test]
    async fn nobody_listens() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(ask(&probe(&format!("http://{free}"))).await.0, Answer::Connect);
    }
}
