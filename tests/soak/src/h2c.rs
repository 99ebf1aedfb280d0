//! Clients on HTTP/2 without TLS: several requests at once on one connection, some of them reset in the middle.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidegate_tests::client::body;
use tidegate_tests::{Answer, End};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::job::Job;
use crate::load::{HANG, Load};
use crate::rng::Rng;
use crate::tally::Tally;

/// Requests at once on one connection.
pub(crate) const ABREAST: usize = 5;

/// Requests that each of them makes before the connection is replaced.
const TURNS: usize = 6;

/// A connection after the other.
pub(crate) async fn client(load: Arc<Load>, mut rng: Rng) {
    while !load.stopping() {
        let connected = async {
            let tcp = TcpStream::connect(load.proxy).await.map_err(|error| error.to_string())?;
            handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.map_err(|error| error.to_string())
        };
        let (send, connection) = match connected.await {
            Ok(connected) => connected,
            Err(why) => {
                load.tally.broken(format!("h2c: no connection: {why}"));
                load.rest(Duration::from_secs(1)).await;
                continue;
            }
        };
        // It ends with the last sender; some end abruptly, under the requests in flight.
        let connection = tokio::spawn(connection);
        let mut lanes = JoinSet::new();
        let abrupt = rng.chance(20);
        for _ in 0..ABREAST {
            lanes.spawn(lane(load.clone(), send.clone(), Rng::new(rng.next(), 0), abrupt));
        }
        drop(send);
        if abrupt {
            load.rest(rng.pause(Duration::from_secs(8))).await;
            connection.abort();
            Tally::add(&load.tally.misdeeds);
        }
        while lanes.join_next().await.is_some() {}
        connection.abort();
        let _ = connection.await;
    }
}

async fn lane(load: Arc<Load>, mut send: SendRequest<Full<Bytes>>, mut rng: Rng, abrupt: bool) {
    for _ in 0..TURNS {
        if load.stopping() || send.is_closed() {
            return;
        }
        let (job, _seat) = load.job(&mut rng);
        let asked = timeout(HANG, ask(&load, &mut send, &job, rng.chance(20), &mut rng)).await;
        let result = asked.unwrap_or_else(|_| Err("it hangs".into()));
        if let Err(why) = result
            && !abrupt
        {
            let Job { model, scenario, stream, .. } = &job;
            load.tally.broken(format!("h2c {model} {} (stream: {stream}): {why}", scenario.name));
        }
        load.rest(rng.pause(Duration::from_millis(300))).await;
    }
}

/// `leaves`: the stream is reset before its answer is whole, most often.
async fn ask(
    load: &Load,
    send: &mut SendRequest<Full<Bytes>>,
    job: &Job,
    leaves: bool,
    rng: &mut Rng,
) -> Result<(), String> {
    let text = |error: hyper::Error| format!("{error:?}");
    send.ready().await.map_err(text)?;
    let body = body(&job.model, job.scenario.name, job.stream).to_string();
    let request = hyper::Request::post("http://tidegate/v1/chat/completions")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    Tally::add(&load.tally.sent);
    let answering = send.send_request(request);
    let reading = async {
        let (head, body) = answering.await.map_err(text)?.into_parts();
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = body.collect().await.map_err(text)?.to_bytes().to_vec();
        let status = head.status.as_u16();
        Ok::<_, String>(Answer { status, headers, body, times: Vec::new(), end: End::Complete })
    };
    let answer: Answer = if leaves {
        Tally::add(&load.tally.misdeeds);
        match timeout(rng.pause(Duration::from_millis(1500)), reading).await {
            Err(_) => return Ok(()),
            Ok(answer) => answer?,
        }
    } else {
        reading.await?
    };
    let told = job.read(&answer)?;
    load.tally.answered(&told);
    Ok(())
}
