//! One request, from its decoded form to its one terminal: drives the engine, which alone decides what comes next.

mod attempt;
mod bill;
mod budget;
mod choice;
mod clocks;
mod continuation;
mod dropped;
mod headers;
mod journal;
mod keep_alive;
mod loops;
mod mocked;
mod options;
pub mod outlet;
mod policy;
mod quarantine;
mod reply;
mod report;
mod spoken;
mod stops;
mod stream;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tidegate_engine::{Command, Engine, ErrorClass, Event, Reason, Terminal};
use tidegate_watchdog::{Phase, Probe, Rule};
use tokio::time::Instant;

use crate::access::Visit;
use crate::dialects::Request;
use crate::failure::{Clock, Failure};
use crate::gateway::Gateway;
use crate::metrics::Ending;
use crate::routing::{Deployment, Group, Passes, Routes, health::InFlight};
use crate::service::seats::Seat;

pub use clocks::Asked;
pub use headers::call_id_alone;
pub use reply::{Body, error, error_of, request_id};
pub use stream::Streaming;

use attempt::{OpenStream, Opened};
use bill::Bill;
use budget::Spending;
use policy::Record;

/// What the listener knows of the client.
#[derive(Clone)]
pub struct Caller {
    /// Its key, or its address where none is asked for: only to see a client that does not wait.
    pub identity: Vec<u8>,
    /// Whether its SDK sends this request again, where it says.
    pub resent: Option<bool>,
    /// The clocks that it asks for.
    pub asked: Option<Box<Asked>>,
    /// What the request asked to go wrong.
    #[cfg(feature = "fault-hooks")]
    pub fault: crate::fault::Fault,
}

/// A request on its way.
pub struct Exchange {
    /// What its line in the log and its spans are made of.
    visit: Box<Visit>,
    gateway: Arc<Gateway>,
    routes: Arc<Routes>,
    group: Arc<Group>,
    request: Request,
    /// What is asked instead in the call that is to go on with a broken stream.
    continued: Option<Box<Request>>,
    caller: Caller,
    probe: Probe,
    engine: Engine,
    started: Instant,
    total: Duration,
    /// The clocks that the request asks for, in headers and body.
    asked: Option<Box<Asked>>,
    history: Vec<Record>,
    running: Option<Running>,
    visited: Vec<u16>,
    spending: Spending,
    seed: u64,
    bytes_to_client: u64,
    prompt_bytes: u64,
    /// The last call and when it began.
    last_call: Option<(u16, Instant)>,
    /// It gave the answer.
    answered: bool,
    bill: Bill,
    /// From the start to the first content for the client.
    first_content: Option<Duration>,
    seat: Option<Seat>,
    /// What the attempt in flight has left out of the request.
    dropped: parking_lot::Mutex<std::collections::BTreeSet<String>>,
}

/// The attempt in flight.
struct Running {
    target: u16,
    started: Instant,
    /// `None`: it may not be made.
    passes: Option<Passes>,
    /// A stream counts until its end, not until its first content.
    _in_flight: InFlight,
}

/// What the drive came to.
enum Outcome {
    Stream(OpenStream),
    Whole(bytes::Bytes),
    Failed(Failure),
}

impl Exchange {
    /// A request for `group`, watched by `probe`.
    pub fn new(
        gateway: Arc<Gateway>,
        routes: Arc<Routes>,
        group: Arc<Group>,
        request: Request,
        caller: Caller,
        probe: Probe,
        mut visit: Box<Visit>,
    ) -> Self {
        gateway.metrics.active.inc();
        gateway.counts.request();
        let asked = Asked::and(caller.asked.as_deref().copied(), request.options.as_deref()).map(Box::new);
        let total = group.total(request.stream);
        let total = asked.as_ref().map_or(total, |asked| asked.total(total, request.stream));
        let (started, seed) = (Instant::now(), visit.seed);
        visit.facts.asked = Some(started);
        visit.count_in(group.series.clone());
        Self {
            visit,
            engine: Engine::new(group.limits(total), group.numbers.clone()),
            started,
            total,
            asked,
            history: Vec::new(),
            running: None,
            visited: Vec::new(),
            spending: Spending::default(),
            seed,
            bytes_to_client: 0,
            prompt_bytes: request.body.len() as u64,
            last_call: None,
            answered: false,
            bill: Bill::default(),
            first_content: None,
            seat: None,
            dropped: parking_lot::Mutex::default(),
            gateway,
            routes,
            group,
            request,
            continued: None,
            caller,
            probe,
        }
    }

    /// The same with a place among the requests that may run at once, until its end.
    pub fn seated(mut self, seat: Option<Seat>) -> Self {
        self.seat = seat;
        self
    }

    /// Runs it until its first content, its whole answer or its error. What remains of a stream is in the body.
    pub async fn run(mut self) -> Response<Body> {
        self.loop_of_client();
        if let Some(body) = self.estimate() {
            return self.guess(body);
        }
        let (probe, stops) = (self.probe.clone(), self.stops());
        let outcome = {
            let drive = pin!(self.drive());
            let mut drive = pin!(stops.before(drive));
            poll_fn(|cx| probe.poll(|| drive.as_mut().poll(cx))).await
        };
        let outcome = outcome.unwrap_or_else(|failure| Outcome::Failed(self.abort(failure)));
        self.reply(outcome)
    }

    async fn drive(&mut self) -> Outcome {
        let first = self.first().await;
        let mut command = self.engine.step(Event::Start { target: first });
        // Every legal step lowers the engine's measure, so this ends.
        loop {
            command = match command {
                Command::Attempt { target } => {
                    self.begin(target);
                    match self.attempt(target).await {
                        Ok(Opened::Stream(opened)) => {
                            self.observe_first_content();
                            self.engine.step(Event::Content);
                            return Outcome::Stream(opened);
                        }
                        Ok(Opened::Whole(body, spent)) => {
                            self.observe_first_content();
                            self.spend(spent, true);
                            self.time_answer(spent);
                            self.succeed();
                            self.engine.step(Event::Ended);
                            return Outcome::Whole(body);
                        }
                        Err(failure) => self.fail(failure),
                    }
                }
                Command::AskPolicy => self.ask().await,
                Command::Sleep { ms } => {
                    self.probe.phase(Phase::Backoff);
                    self.note_pause(ms);
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    self.engine.step(Event::Slept)
                }
                Command::Finish(Terminal::Error(reason)) => return Outcome::Failed(self.explain(reason)),
                // The engine answers so to no event of this loop.
                Command::Finish(_) | Command::Relay | Command::Ignore => {
                    return Outcome::Failed(Failure::out_of_order());
                }
            };
        }
    }

    fn deployment(&self, target: u16) -> &Arc<Deployment> {
        // The engine only names targets that it was given.
        &self.group.targets[usize::from(target)]
    }

    fn begin(&mut self, target: u16) {
        self.forget_drops();
        let number = self.group.numbers[usize::from(target)];
        let cause = self.cause(number);
        if self.visited.last() != Some(&number) {
            if self.visited.contains(&number) {
                self.loop_of_chain(target);
            }
            if !self.visited.is_empty() {
                let to = &self.deployment(target).series;
                self.gateway.metrics.fell(&self.group.series, to);
                self.note_fallback(target);
            }
            self.visited.push(number);
        }
        self.arrive(target);
        let deployment = self.deployment(target);
        if deployment.counted {
            deployment.health.usage.request();
        }
        let in_flight = deployment.health.enter();
        let passes = self.serving(target).quarantine.enter();
        let started = Instant::now();
        self.last_call = Some((target, started));
        self.running = Some(Running { target, started, passes, _in_flight: in_flight });
        self.gateway.counts.attempt();
        self.probe.deployment(self.deployment(target).name.clone());
        self.probe.phase(Phase::Connecting);
        self.note_attempt(target, cause, started);
    }

    fn observe_first_content(&mut self) {
        let took = self.started.elapsed();
        self.first_content = Some(took);
        self.group.series.first_token.observe(took.as_secs_f64());
        self.note_content();
        if let Some(running) = &self.running {
            let took = running.started.elapsed();
            let deployment = self.deployment(running.target);
            deployment.health.first_content(took);
            deployment.series.first_content.observe(took.as_secs_f64());
            if self.request.stream {
                self.time_stream(running.target, Some(took));
            }
        }
    }

    /// The attempt in flight came to its good end.
    fn succeed(&mut self) {
        if let Some(mut running) = self.running.take() {
            if let Some(passes) = running.passes.take() {
                passes.succeed();
            }
            let deployment = self.deployment(running.target);
            deployment.health.record(true);
            deployment.health.answered(running.started.elapsed());
            deployment.series.ended("ok");
            self.note_end("ok", running.started);
        }
    }

    /// The attempt in flight failed: says so to the engine.
    fn fail(&mut self, mut failure: Failure) -> Command {
        // Some servers repeat the key that they refuse, and not in their sentence alone.
        if let Some(running) = &self.running {
            let deployment = self.deployment(running.target);
            failure = failure.reworded(|words| deployment.masked(words));
        }
        self.note_failure(&failure);
        let event = Event::Failed(failure.for_engine());
        if let Some(running) = self.running.take() {
            self.record(&running, failure);
        }
        self.engine.step(event)
    }

    fn record(&mut self, running: &Running, failure: Failure) {
        let deployment = self.deployment(running.target).clone();
        // That there is no such model says nothing about a deployment that is asked for any.
        let unknown = deployment.wild && failure.class == ErrorClass::NotFound;
        if self.mock(running.target).is_none() && !unknown {
            deployment.health.record(false);
        }
        deployment.series.ended(failure.kind());
        self.note_end(failure.kind(), running.started);
        if failure.status == 429 {
            deployment.series.limited(self.engine.committed());
        }
        tracing::info!(
            request_id = reply::request_id(self.visit.seed), trace_id = self.visit.trace.trace_id(),
            group = %self.group.name, deployment = %deployment.name, status = failure.status, kind = failure.kind(),
            code = failure.code_for_log(), committed = self.engine.committed(), attempt = self.history.len() + 1,
            "attempt failed: {}", failure.for_log(self.routes.config.tidegate.log_upstream_errors)
        );
        if failure.class == ErrorClass::Timeout {
            self.time_stream(running.target, None);
        }
        let millis = |at: Instant| u64::try_from((at - self.started).as_millis()).unwrap_or(u64::MAX);
        self.history.push(Record {
            target: running.target,
            started_ms: millis(running.started),
            ended_ms: millis(Instant::now()),
            committed: self.engine.committed(),
            bytes_to_client: self.bytes_to_client,
            failure,
        });
        match self.history.last().and_then(|record| record.failure.clock) {
            Some(Clock::FirstContent | Clock::ContentIdle | Clock::ByteIdle) => {
                self.gateway.watchdog.count(Rule::Idle);
            }
            Some(Clock::Total) | None => {}
        }
        if self.engine.attempts_left() == 0 && self.history.len() > 1 {
            self.gateway.watchdog.count(Rule::Attempts);
        }
        self.loop_of_request();
    }

    /// No further attempt can be made: what one would need is given back, and with it the client connection's buffer.
    fn release(&mut self) {
        self.request.body = bytes::Bytes::new();
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends it from outside: a verdict, or a shutdown.
    fn abort(&mut self, failure: Failure) -> Failure {
        self.engine.step(Event::Aborted);
        if let Some(running) = self.running.take() {
            // Not the deployment's fault: its health does not hear of it.
            self.deployment(running.target).series.ended("aborted");
            self.note_end("aborted", running.started);
        }
        failure
    }

    /// The failure behind the engine's reason.
    fn explain(&self, reason: Reason) -> Failure {
        match reason {
            Reason::Upstream { attempt, .. } => {
                let record = usize::try_from(attempt).ok().and_then(|index| self.history.get(index));
                record.map_or_else(
                    || Failure::refusal(500, "the failure is not known"),
                    |record| self.reported(record),
                )
            }
            Reason::Deadline => Failure::clock(Clock::Total, self.total),
            Reason::Aborted => Failure::shutdown(),
            Reason::NoTarget => self.no_target(),
        }
    }

    /// Counts the request's end, once.
    fn finish(&mut self, status: u16, ending: Ending) {
        if !self.visit.end(status, ending) {
            return;
        }
        let series = &self.group.series;
        if self.engine.continued() {
            let result = match ending {
                Ending::Complete => "complete",
                Ending::ClientGone => "client_gone",
                Ending::Error | Ending::StreamError => "failed",
            };
            series.continued(result);
        }
        series.attempts_per_request.observe(f64::from(self.engine.attempts()));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.gateway.metrics.active.dec();
        if !self.visit.has_ended() {
            self.engine.step(Event::ClientGone);
            if let Some(running) = self.running.take() {
                self.deployment(running.target).series.ended("cancelled");
                self.note_end("cancelled", running.started);
            }
            self.finish(499, Ending::ClientGone);
        }
        self.account();
    }
}
