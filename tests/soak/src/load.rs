//! The load: many clients at once, each one request after the other, until the time is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_sim::Scenario;
use tidegate_tests::client::chat;
use tidegate_tests::{Conn, End};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::h2c;
use crate::job::Job;
use crate::misdeed::Misdeed;
use crate::rng::Rng;
use crate::tally::Tally;

/// An answer that is not over by then hangs. Longer than every clock of the configuration together.
pub(crate) const HANG: Duration = Duration::from_secs(240);

/// Heavy scenarios at once.
const HEAVY: usize = 3;

/// Clients of the groups that only they use.
const CANARIES: usize = 6;

/// How long a kept connection may lie idle; the proxy closes it after 30 s.
const IDLE: Duration = Duration::from_secs(15);

/// The longest pause between two requests of a client.
const PAUSE: Duration = Duration::from_millis(300);

/// What all clients share.
pub(crate) struct Load {
    pub(crate) proxy: SocketAddr,
    pub(crate) tally: Tally,
    pub(crate) heavy: Semaphore,
    stop: watch::Sender<bool>,
}

impl Load {
    pub(crate) fn new(proxy: SocketAddr) -> Arc<Self> {
        let stop = watch::Sender::new(false);
        Arc::new(Self { proxy, tally: Tally::default(), heavy: Semaphore::new(HEAVY), stop })
    }

    /// Starts `streams` clients: one in five on HTTP/2, a few canaries, the rest on HTTP/1.1.
    pub(crate) fn start(self: &Arc<Self>, streams: usize, seed: u64) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let canaries = CANARIES.min(streams);
        for number in 0..canaries {
            clients.spawn(canary(self.clone(), number));
        }
        let h2 = (streams - canaries) / 5 / h2c::ABREAST;
        for number in 0..h2 {
            clients.spawn(h2c::client(self.clone(), Rng::new(seed, 1_000_000 + number as u64)));
        }
        for number in canaries + h2 * h2c::ABREAST..streams {
            clients.spawn(client(self.clone(), number, Rng::new(seed, number as u64)));
        }
        clients
    }

    /// Every client ends after the request that it is in.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// One of the mix, with its seat where it is heavy; with a healthy one in its place where there is no seat.
    pub(crate) fn job(&self, rng: &mut Rng) -> (Job, Option<SemaphorePermit<'_>>) {
        let job = Job::any(rng);
        if !job.is_heavy() {
            return (job, None);
        }
        match self.heavy.try_acquire() {
            Ok(seat) => (job, Some(seat)),
            Err(_) => (Job::stream_of("healthy", rng), None),
        }
    }

    /// Waits for `pause`, or for the end of the load.
    pub(crate) async fn rest(&self, pause: Duration) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            () = sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// On HTTP/1.1: most requests on connections that are kept, one in five with a misdeed of the client.
async fn client(load: Arc<Load>, number: usize, mut rng: Rng) {
    // Each scenario's turn comes at the start, so that the warm-up has met what is rare.
    let job = Job::stream_of(Scenario::all()[number % Scenario::all().len()].name, &mut rng);
    load.rest(rng.pause(PAUSE)).await;
    let mut kept = asked(&load, None, &job).await;
    while !load.stopping() {
        let before = Instant::now();
        if rng.chance(20) {
            let misdeed = Misdeed::any(&mut rng);
            Tally::add(&load.tally.misdeeds);
            if let Err(why) = misdeed.commit(&load, &mut rng).await {
                load.tally.broken(format!("{misdeed:?}: {why}"));
            }
        } else {
            let (job, _seat) = load.job(&mut rng);
            kept = ask(&load, kept, &job).await;
        }
        load.rest(rng.pause(PAUSE)).await;
        // A connection that was idle for long may just be being closed by the other side.
        if rng.chance(10) || before.elapsed() > IDLE {
            kept = None;
        }
    }
}

/// Asks, and waits for a seat before where the scenario is heavy.
async fn asked(load: &Load, kept: Option<Conn>, job: &Job) -> Option<Conn> {
    let _seat = if job.is_heavy() { load.heavy.acquire().await.ok() } else { None };
    ask(load, kept, job).await
}

/// A healthy stream after the other: whatever happens to all others, each comes whole.
async fn canary(load: Arc<Load>, number: usize) {
    let job = Job::canary(number);
    let mut kept = None;
    while !load.stopping() {
        let before = load.tally.wrong().0;
        kept = ask(&load, kept, &job).await;
        if load.tally.wrong().0 == before {
            Tally::add(&load.tally.canaries);
        }
    }
}

/// Asks on the kept connection or a new one, reads the whole answer, and gives the connection back where it can be
/// used again.
async fn ask(load: &Load, kept: Option<Conn>, job: &Job) -> Option<Conn> {
    let tally = &load.tally;
    let name = || format!("{} {} (stream: {})", job.model, job.scenario.name, job.stream);
    let mut conn = match kept {
        Some(conn) => conn,
        None => match Conn::open(load.proxy).await {
            Ok(conn) => conn,
            Err(error) => {
                tally.broken(format!("{}: no connection: {error}", name()));
                return None;
            }
        },
    };
    Tally::add(&tally.sent);
    if let Err(error) = conn.send(&chat(&job.model, job.scenario.name, job.stream)).await {
        tally.broken(format!("{}: the request was not taken: {error}", name()));
        return None;
    }
    let answer = conn.answer(HANG).await;
    if job.model.starts_with("canary") {
        tally.gap(answer.gaps().into_iter().max().unwrap_or_default());
    }
    match job.read(&answer) {
        Ok(told) => tally.answered(&told),
        Err(why) => tally.broken(format!("{}: {why}", name())),
    }
    let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    (answer.end == End::Complete && !closes).then_some(conn)
}
