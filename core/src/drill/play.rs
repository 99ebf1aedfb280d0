//! Plays one cell: its configuration into force, its fault, its client, and then what is left over.

use std::sync::Arc;
use std::time::Duration;

use tidegate_sim::strict::{Answer, Told, client, judge};
use tidegate_sim::{Expect, Mode};
use tokio::time::{Instant, sleep};

use super::client_fault::Place;
use super::fault::Fault;
use super::link::Broken;
use super::outcome::{Outcome, broken_words, loosely, words};
use super::plan::Cell;
use super::stage::Stage;
use crate::routing::{Deployment, Routes};

/// An answer that is not over this long after the request's last deadline never is. A machine may be busy.
const SLACK: Duration = Duration::from_secs(30);
/// How soon nothing may be left of a request.
const LEFT_OVER: Duration = Duration::from_secs(10);
/// A judge's sentence may quote the answer, which may be megabytes.
const SENTENCE: usize = 400;
const LOOK: Duration = Duration::from_millis(2);

/// Plays a fault of the upstream. `number` is the cell's own.
pub(super) async fn upstream(stage: &Stage, cell: &Cell, number: usize) -> Outcome {
    let tag = format!("c{number}");
    let mut outcome =
        Outcome { client: String::new(), attempts: 0, took: Duration::ZERO, broken: Vec::new() };
    let scene = match Scene::set(stage, cell).await {
        Ok(scene) => scene,
        Err(why) => {
            outcome.broken.push(format!("the cell could not be set up: {why}"));
            return outcome;
        }
    };
    let stream = cell.mode == Mode::Stream;
    let marker = match (cell.fault, &cell.setup.struck) {
        (Fault::Answer(scenario), Some(groups)) => {
            format!("{}@{}#{tag}", scenario.name, cell.setup.simulated.places(groups))
        }
        (Fault::Answer(scenario), None) => format!("{}#{tag}", scenario.name),
        _ => format!("fast#{tag}"),
    };
    let request = client::chat_with(&cell.setup.simulated.headers, &cell.setup.model, &marker, stream);
    let began = Instant::now();
    for (ask, expected) in cell.promise.asks.iter().enumerate() {
        let answer = scene.ask(stage, &request).await;
        let (said, wrong) = read(&answer, expected, cell);
        outcome.client = said;
        if let Some(wrong) = wrong {
            let which =
                if cell.promise.asks.len() > 1 { format!("request {}: ", ask + 1) } else { String::new() };
            outcome.broken.push(format!("{which}{wrong}"));
        }
    }
    outcome.took = began.elapsed();
    let most = scene.limit * u32::try_from(cell.promise.asks.len()).unwrap_or(1);
    if outcome.took > most {
        outcome.broken.push(format!("it took {:.1?}, and its clocks add up to {most:.1?}", outcome.took));
    }
    let released = scene.released(stage, &tag).await;
    outcome.broken.extend(released.err());
    outcome.attempts = scene.attempts_of(stage, cell, &tag);
    outcome.broken.extend(beyond(cell, outcome.attempts));
    outcome
}

/// Plays a client's fault. The cell's configuration is in force.
pub(super) async fn from_client(stage: &Stage, cell: &Cell, number: usize) -> Outcome {
    let tag = format!("c{number}");
    let setup = &cell.setup;
    let limits = &setup.simulated.config.tidegate.limits;
    let place = Place {
        data: stage.data,
        sim: &stage.sim,
        model: &setup.model,
        headers: &setup.simulated.headers,
        tag: &tag,
        header: limits.header,
        body: limits.body,
    };
    let began = Instant::now();
    let played = match cell.fault {
        Fault::Client(fault) => fault.play(&place).await,
        _ => Err("it is no fault of a client".into()),
    };
    let took = began.elapsed();
    let (client, mut broken) = match played {
        Ok(words) => (words, Vec::new()),
        Err(why) => ("BROKEN".to_owned(), vec![why]),
    };
    if !stage.sim.wait_until(LEFT_OVER, |sim| sim.tagged(&tag).active() == 0).await {
        broken.push("an upstream call outlived its client".into());
    }
    let attempts = u32::try_from(stage.sim.tagged(&tag).started).unwrap_or(u32::MAX);
    broken.extend(beyond(cell, attempts));
    Outcome { client, attempts, took, broken }
}

fn beyond(cell: &Cell, attempts: u32) -> Option<String> {
    let promised = &cell.promise.attempts;
    let expected = if promised.start() == promised.end() {
        promised.end().to_string()
    } else {
        format!("{} to {}", promised.start(), promised.end())
    };
    (!promised.contains(&attempts)).then(|| format!("expected attempts: {expected}; made: {attempts}"))
}

/// One cell's own state of the proxy.
struct Scene {
    routes: Arc<Routes>,
    limit: Duration,
    /// What makes a connection fail, for as long as the cell is played.
    _broken: Option<Broken>,
}

impl Scene {
    async fn set(stage: &Stage, cell: &Cell) -> Result<Self, String> {
        let (setup, simulated) = (&cell.setup, &cell.setup.simulated);
        let (config, broken) = match cell.fault {
            Fault::Link(link) => {
                let broken = link.open().await.map_err(|error| error.to_string())?;
                (simulated.struck(&stage.plugins, setup.struck.as_deref(), &broken.base), Some(broken))
            }
            _ => (simulated.config.clone(), None),
        };
        let routes = stage.routes(config)?;
        let group = routes.group(&setup.model).ok_or("the model is not served")?;
        let limit = group.total(cell.mode == Mode::Stream) + SLACK;
        Ok(Self { routes, limit, _broken: broken })
    }

    fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.routes.deployments.iter().filter(|deployment| &*deployment.group != super::simulated::CANARY)
    }

    /// Attempts that came to an end, well or not.
    fn attempts(&self) -> u32 {
        self.deployments().map(|deployment| deployment.health.minute()).map(|(fails, oks)| fails + oks).sum()
    }

    fn in_flight(&self) -> u32 {
        self.deployments().map(|deployment| deployment.health.inflight()).sum()
    }

    /// One request, routed by this cell's own configuration.
    async fn ask(&self, stage: &Stage, request: &[u8]) -> Answer {
        let door = stage.door.lock().await;
        stage.gateway.routes.store(self.routes.clone());
        let (before, data, bytes, limit) = (self.attempts(), stage.data, request.to_vec(), self.limit);
        let asking = tokio::spawn(async move { client::ask(data, &bytes, limit).await });
        while !asking.is_finished() && self.in_flight() == 0 && self.attempts() == before {
            sleep(LOOK).await;
        }
        drop(door);
        asking.await.unwrap_or(Answer {
            status: 0,
            headers: Vec::new(),
            body: Vec::new(),
            times: Vec::new(),
            end: tidegate_sim::strict::End::Open,
        })
    }

    /// Nothing is left of the request: no call in the proxy, none at the simulator.
    async fn released(&self, stage: &Stage, tag: &str) -> Result<(), String> {
        let gone = |sim: &tidegate_sim::Sim| sim.tagged(tag).active() == 0 && self.in_flight() == 0;
        if stage.sim.wait_until(LEFT_OVER, gone).await {
            return Ok(());
        }
        let (held, calls) = (stage.sim.tagged(tag).active(), self.in_flight());
        Err(format!(
            "{LEFT_OVER:?} after its end, {held} upstream connections and {calls} calls are left of it"
        ))
    }

    /// Upstream calls: as the upstream counts them, where one was reached; else as the proxy does. A pooled connection
    /// that is found dead is replaced without spending an attempt, so there too.
    fn attempts_of(&self, stage: &Stage, cell: &Cell, tag: &str) -> u32 {
        match cell.fault {
            Fault::Answer(_) if !cell.fault.is_transport() => {
                u32::try_from(stage.sim.tagged(tag).started).unwrap_or(u32::MAX)
            }
            _ => self.attempts(),
        }
    }
}

/// What the client was told; and if that is none of what it may be told, why.
fn read(answer: &Answer, expected: &[Expect], cell: &Cell) -> (String, Option<String>) {
    let unmarked = cell.fault.ends_unmarked(&cell.setup.terms.own);
    let told = match Told::of(answer, cell.mode == Mode::Stream) {
        Ok(told) => told,
        Err(why) => return (broken_words(answer), Some(why)),
    };
    let said = words(&told);
    if matches!(told.status, 429 | 503) && told.retry_after.is_none() {
        return (said, Some(format!("an HTTP {} without Retry-After", told.status)));
    }
    let mut wrong = None;
    for expect in expected {
        let mut told = told.clone();
        if unmarked && *expect == Expect::Truncated {
            // The upstream did say it, and it had been passed on when the end turned out to be missing.
            told.finish = None;
        }
        match judge(expect, &told) {
            // Which limit or clock is met first depends on the machine.
            Ok(()) if matches!(expect, Expect::Failed { .. }) => return (loosely(&told), None),
            Ok(()) => return (said, None),
            Err(why) => wrong = wrong.or(Some(why)),
        }
    }
    let wrong = wrong.unwrap_or_else(|| "nothing was promised".into());
    (said, Some(wrong.chars().take(SENTENCE).collect()))
}
