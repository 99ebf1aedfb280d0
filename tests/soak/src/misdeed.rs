//! What clients do wrong, on a connection of their own.

use std::time::Duration;

use tidegate_tests::client::{body, chat, post};
use tidegate_tests::{Conn, End};
use tokio::io::AsyncWriteExt;

use crate::job::Job;
use crate::load::{HANG, Load};
use crate::rng::Rng;
use crate::tally::Tally;

/// The longest that a client stays before it leaves.
const WHILE: Duration = Duration::from_millis(1500);

/// One misdeed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Misdeed {
    /// Connects, says nothing, leaves.
    LeaveAtOnce,
    /// Leaves inside the request's head.
    LeaveInHead,
    /// Leaves inside the request's body.
    LeaveInBody,
    /// Leaves at some moment after the request.
    LeaveLater,
    /// Leaves after the first piece of the answer, with a RST.
    ResetMidStream,
    /// Shuts its writing side after the request, and reads on.
    HalfClose,
    /// Reads a healthy answer in slow gulps.
    ReadSlowly,
    /// Asks for more than the sockets hold and does not read it.
    StopReading,
    /// Sends what is not HTTP.
    Garbage,
    /// A proper head, and a body that is not JSON.
    NotJson,
    /// A model that is not there.
    NoSuchModel,
    /// The head byte by byte, for a while.
    Slowloris,
}

const ALL: [Misdeed; 12] = [
    Misdeed::LeaveAtOnce,
    Misdeed::LeaveInHead,
    Misdeed::LeaveInBody,
    Misdeed::LeaveLater,
    Misdeed::ResetMidStream,
    Misdeed::HalfClose,
    Misdeed::ReadSlowly,
    Misdeed::StopReading,
    Misdeed::Garbage,
    Misdeed::NotJson,
    Misdeed::NoSuchModel,
    Misdeed::Slowloris,
];

impl Misdeed {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        // Most clients that do wrong just leave.
        if rng.chance(40) { *rng.pick(&[Self::LeaveLater, Self::ResetMidStream]) } else { *rng.pick(&ALL) }
    }

    /// Does it.
    ///
    /// # Errors
    /// The proxy answered what it must not.
    pub(crate) async fn commit(self, load: &Load, rng: &mut Rng) -> Result<(), String> {
        let mut conn = Conn::open(load.proxy).await.map_err(|error| format!("no connection: {error}"))?;
        let (job, _seat) = load.job(rng);
        let request = chat(&job.model, job.scenario.name, job.stream);
        let head = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0) + 4;
        let sent = || Tally::add(&load.tally.sent);
        match self {
            Self::LeaveAtOnce => load.rest(rng.pause(WHILE)).await,
            Self::LeaveInHead => {
                let _ = conn.send(&request[..1 + rng.below(head - 2)]).await;
                load.rest(rng.pause(WHILE)).await;
            }
            Self::LeaveInBody => {
                sent();
                let _ = conn.send(&request[..head + rng.below(request.len() - head)]).await;
                load.rest(rng.pause(WHILE)).await;
            }
            Self::LeaveLater => {
                sent();
                let _ = conn.send(&request).await;
                conn.read_until(rng.pause(WHILE), |_| false).await;
            }
            Self::ResetMidStream => {
                sent();
                let _ = conn.send(&request).await;
                conn.read_until(WHILE, |answer| !answer.body.is_empty()).await;
                let _ = conn.stream.set_zero_linger();
            }
            Self::HalfClose => {
                sent();
                let _ = conn.send(&request).await;
                let _ = conn.stream.shutdown().await;
                return self.half_closed(load, &mut conn, &job).await;
            }
            Self::ReadSlowly => {
                sent();
                return self.slowly(load, &mut conn, rng).await;
            }
            Self::StopReading => {
                sent();
                let job = Job::stream_of("text-flood", rng);
                let _ = conn.send(&chat(&job.model, job.scenario.name, true)).await;
                load.rest(Duration::from_secs(20)).await;
            }
            Self::Garbage => {
                let garbage: Vec<u8> = (0..1 + rng.below(4000)).map(|_| rng.next() as u8).collect();
                let _ = conn.send(&garbage).await;
                let _ = conn.send(b"\r\n\r\n").await;
                return refused(&mut conn, None).await;
            }
            Self::NotJson => {
                sent();
                let _ = conn.send(&post("/v1/chat/completions", "", b"{\"model\": \"openai\", ")).await;
                return refused(&mut conn, Some(load)).await;
            }
            Self::NoSuchModel => {
                sent();
                let body = body("nobody", "healthy", true).to_string();
                let _ = conn.send(&post("/v1/chat/completions", "", body.as_bytes())).await;
                return refused(&mut conn, Some(load)).await;
            }
            Self::Slowloris => {
                for byte in &request[..head.min(24)] {
                    if load.stopping() || conn.send(&[*byte]).await.is_err() {
                        break;
                    }
                    load.rest(Duration::from_millis(150)).await;
                }
            }
        }
        Ok(())
    }

    /// It may be taken for a client that left; else the answer must be right.
    async fn half_closed(self, load: &Load, conn: &mut Conn, job: &Job) -> Result<(), String> {
        let answer = conn.answer(HANG).await;
        if matches!(answer.end, End::Fin | End::Rst) {
            return Ok(());
        }
        let told = job.read(&answer)?;
        load.tally.answered(&told);
        Ok(())
    }

    async fn slowly(self, load: &Load, conn: &mut Conn, rng: &mut Rng) -> Result<(), String> {
        let job = Job::stream_of("healthy", rng);
        let request = chat(&job.model, job.scenario.name, true);
        conn.send(&request).await.map_err(|error| format!("the request was not taken: {error}"))?;
        for _ in 0..4 {
            conn.read_until(Duration::from_millis(50), |_| false).await;
            load.rest(Duration::from_millis(500)).await;
        }
        let told = job.read(&conn.answer(HANG).await)?;
        load.tally.answered(&told);
        Ok(())
    }
}

/// An error before anything was asked of an upstream, or a connection that is closed without one. `counted`: it is a
/// request, so it must be an error.
async fn refused(conn: &mut Conn, counted: Option<&Load>) -> Result<(), String> {
    let answer = conn.answer(HANG).await;
    match (answer.end, counted) {
        (End::Open, _) => Err("it hangs".into()),
        (End::Fin | End::Rst, None) => Ok(()),
        (End::Complete, _) if (400..500).contains(&answer.status) => {
            if let Some(load) = counted {
                Tally::add(&load.tally.error);
            }
            Ok(())
        }
        (end, _) => Err(format!("{end:?}, {}: {:.200}", answer.status, answer.text())),
    }
}
