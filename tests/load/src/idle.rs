//! Memory per idle open stream: opens many streams that fall silent after one event, and weighs the target before
//! and after.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::client::{Check, Connection, Url};
use crate::meter;
use crate::sample::Sample;
use crate::sse::Events;

/// Time for the target to finish what it does after an answer before it is weighed.
const SETTLE: Duration = Duration::from_millis(500);
/// Longest wait for one stream to open.
const OPEN: Duration = Duration::from_secs(10);

/// Weighs process `pid` (descendants included) behind `url`, which should have just been started: memory that an
/// earlier load has freed would be used again and not show.
pub(crate) async fn measure(url: &Url, connections: usize, pid: u32) -> Result<Sample, String> {
    // First answers, so that what is set up once, at the first request, is not counted as a stream's.
    for _ in 0..4 {
        whole(url, false, Check::Json(Vec::new())).await?;
        whole(url, true, Check::Stream(Events::default(), 12)).await?;
    }
    sleep(SETTLE).await;
    let before = meter::resident_kib(pid)?;
    let request = url.chat(true, "idle");
    let mut streams = Vec::with_capacity(connections);
    for number in 1..=connections {
        let stream = timeout(OPEN, first_event(url, &request)).await;
        let stream = stream.unwrap_or_else(|_| Err(format!("no event within {OPEN:?}")));
        streams.push(stream.map_err(|sentence| format!("idle stream {number}: {sentence}"))?);
    }
    sleep(SETTLE).await;
    let after = meter::resident_kib(pid)?;
    Ok(Sample {
        connections,
        resident_kib: Some(before),
        stream_kib: Some(after.saturating_sub(before) as f64 / connections as f64),
        answers: streams.len() as u64,
        ..Sample::default()
    })
}

async fn whole(url: &Url, stream: bool, mut check: Check) -> Result<(), String> {
    let mut connection = Connection::open(url).await?;
    connection.send(&url.chat(stream, "events=12")).await?;
    while !connection.receive(&mut check).await? {}
    Ok(())
}

async fn first_event(url: &Url, request: &[u8]) -> Result<Connection, String> {
    let mut connection = Connection::open(url).await?;
    connection.send(request).await?;
    let mut check = Check::Stream(Events::default(), 1);
    while check.events() == 0 {
        if connection.receive(&mut check).await? {
            return Err("it ended at once".to_owned());
        }
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn opens_all_streams_and_weighs_the_process() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        tokio::task::LocalSet::new()
            .run_until(async {
                tokio::task::spawn_local(crate::upstream::serve(listener));
                let sample = measure(&url, 20, std::process::id()).await.unwrap();
                assert_eq!(sample.answers, 20);
                assert!(sample.resident_kib > Some(100));
            })
            .await;
    }
}
