//! Plays a plan: upstream faults many at a time, then the clients' own, setup by setup, all beside a healthy neighbour.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::canary::{Canary, Seen};
use super::fault::Fault;
use super::outcome::Outcome;
use super::plan::{Cell, Setup};
use super::play;
use super::progress::Progress;
use super::stage::Stage;
use crate::demo::scrape::{Scraper, Scrapes};

/// Cells at once.
const ABREAST: usize = 24;
/// The seats that a heavy one takes.
const HEAVY: u32 = 10;
/// Cells at once, beside those, that wait for a clock: they cost nothing meanwhile.
const WAITING: usize = 96;
/// An admin thread that is not blind answers in milliseconds; the drill itself may have taken the processor.
const SCRAPE: Duration = Duration::from_secs(10);
/// How soon the proxy must be empty after the last cell.
const EMPTY: Duration = Duration::from_secs(20);

/// What all cells came to.
pub(super) struct Played {
    /// In the order of the plan.
    pub(super) cells: Vec<(Cell, Outcome)>,
    /// The neighbours.
    pub(super) beside: Seen,
    /// `/metrics` meanwhile.
    pub(super) scrapes: Scrapes,
    /// Promises that belong to no cell, a sentence each.
    pub(super) broken: Vec<String>,
    pub(super) took: Duration,
}

impl Played {
    /// Every promise was kept.
    pub(super) fn kept(&self) -> bool {
        self.broken.is_empty() && self.cells.iter().all(|(_, outcome)| outcome.kept())
    }

    /// Cells whose every promise was kept.
    pub(super) fn good(&self) -> usize {
        self.cells.iter().filter(|(_, outcome)| outcome.kept()).count()
    }
}

/// Plays all of `cells`.
pub(super) async fn all(stage: &Arc<Stage>, cells: Vec<Cell>, progress: &Progress) -> Played {
    let began = Instant::now();
    let headers = cells.first().map(|cell| cell.setup.simulated.headers.clone()).unwrap_or_default();
    let canary = Canary::start(stage.data, headers);
    let scraper = Scraper::start(stage.admin, SCRAPE);
    let (clients, upstreams): (Vec<_>, Vec<_>) =
        cells.into_iter().enumerate().partition(|(_, cell)| matches!(cell.fault, Fault::Client(_)));
    let mut played = abreast(stage, upstreams, progress, false).await;
    let mut rest = clients.into_iter().peekable();
    while let Some((_, cell)) = rest.peek() {
        let setup = cell.setup.clone();
        let mut phase = Vec::new();
        while let Some(next) = rest.next_if(|(_, cell)| Arc::ptr_eq(&cell.setup, &setup)) {
            phase.push(next);
        }
        played.extend(match in_force(stage, &setup) {
            Ok(()) => abreast(stage, phase, progress, true).await,
            Err(why) => phase.into_iter().map(|(at, cell)| (at, cell, lost(&why))).collect(),
        });
    }
    played.sort_by_key(|(at, ..)| *at);
    let beside = canary.stop().await;
    let mut broken = beside.broken.clone();
    let scrapes = scraper.take();
    if !scrapes.all_answered() {
        broken.push(format!("/metrics answered {} of {} times", scrapes.answered, scrapes.asked));
    }
    broken.extend(left_over(stage).await);
    let cells = played.into_iter().map(|(_, cell, outcome)| (cell, outcome)).collect();
    Played { cells, beside, scrapes, broken, took: began.elapsed() }
}

async fn abreast(
    stage: &Arc<Stage>,
    cells: Vec<(usize, Cell)>,
    progress: &Progress,
    clients: bool,
) -> Vec<(usize, Cell, Outcome)> {
    let (seats, benches) = (Arc::new(Semaphore::new(ABREAST)), Arc::new(Semaphore::new(WAITING)));
    let mut playing = JoinSet::new();
    let mut lost_cells: std::collections::BTreeMap<usize, Cell> = cells.iter().cloned().collect();
    for (at, cell) in cells {
        let waits = cell.fault.waits(cell.mode);
        let (stage, seats) = (stage.clone(), if waits { benches.clone() } else { seats.clone() });
        playing.spawn(async move {
            // The semaphore is never closed.
            let _seats = seats.acquire_many(if cell.fault.is_heavy() { HEAVY } else { 1 }).await;
            let outcome = if clients {
                play::from_client(&stage, &cell, at).await
            } else {
                play::upstream(&stage, &cell, at).await
            };
            (at, cell, outcome)
        });
    }
    let mut played = Vec::new();
    while let Some(joined) = playing.join_next().await {
        if let Ok((at, cell, outcome)) = joined {
            progress.played(&cell, &outcome);
            lost_cells.remove(&at);
            played.push((at, cell, outcome));
        }
    }
    // Of a cell whose task panicked.
    played.extend(lost_cells.into_iter().map(|(at, cell)| (at, cell, lost("the drill itself failed"))));
    played
}

fn lost(why: &str) -> Outcome {
    Outcome { client: "-".into(), attempts: 0, took: Duration::ZERO, broken: vec![why.to_owned()] }
}

/// Puts a setup's configuration in force.
fn in_force(stage: &Stage, setup: &Setup) -> Result<(), String> {
    let routes = stage.routes(setup.simulated.config.clone())?;
    stage.gateway.routes.store(routes);
    Ok(())
}

/// Nothing is left in the proxy: no request, no upstream call.
async fn left_over(stage: &Stage) -> Option<String> {
    let until = Instant::now() + EMPTY;
    loop {
        let active = stage.gateway.metrics.active.get();
        let calls: u64 = stage.sim.all_counts().values().map(tidegate_sim::Counts::active).sum();
        if active == 0 && calls == 0 {
            return None;
        }
        if Instant::now() > until {
            return Some(format!("{active} requests and {calls} upstream calls are left over"));
        }
        sleep(Duration::from_millis(20)).await;
    }
}
