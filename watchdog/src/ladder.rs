//! From a judgement to what is done about it: count, warn, tell the stream to end, shut its client's socket, quarantine
//! who is to blame, demote the thread, ask for another runtime, give up.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use crate::Kill;
use crate::brake::Minute;
use crate::capacity::Workers;
use crate::config::Mode;
use crate::dump::{Dump, WorkerDump};
use crate::incident::{Action, Incident, PollTimes, Rule, Sample, StreamInfo, Verdict};
use crate::record::{Live, StreamRef};
use crate::report::{IncidentId, Kind, Report};
use crate::rules::LongPoll;
use crate::shared::Shared;

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) rule: Rule,
    pub(crate) stream: Option<StreamRef>,
    pub(crate) plugin: Option<u32>,
    pub(crate) poll: Option<PollTimes>,
    /// The thread serves nobody.
    pub(crate) aside: bool,
}

pub(crate) struct Ladder {
    shared: Arc<Shared>,
    aborts: Minute,
    warnings: [Minute; Rule::ALL.len()],
}

impl Ladder {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, aborts: Minute::default(), warnings: Default::default() }
    }

    pub(crate) fn poke(&self) {
        self.shared.counters.pokes.fetch_add(1, Relaxed);
        self.shared.call(|hooks| hooks.poke());
    }

    pub(crate) fn warn(&mut self, case: Case, now: Duration) {
        let Some(incident) = self.incident(case, |_, _| Action::Warned) else { return };
        self.shared.counters.count(case.rule, Action::Warned);
        let limit = self.shared.config.rules.warnings.per_minute;
        if self.warnings[case.rule as usize - 1].take(now, limit) {
            self.shared.call(|hooks| hooks.warn(&incident));
        } else {
            self.shared.counters.warnings_suppressed.fetch_add(1, Relaxed);
        }
    }

    /// Carries a verdict out. Answers what was done, `None` when the stream is gone. A verdict that the brake holds back
    /// may be brought again; only the first time (`again` is false) is it reported.
    pub(crate) fn abort(
        &mut self,
        case: Case,
        samples: Vec<Sample>,
        now: Duration,
        again: bool,
    ) -> Option<Action> {
        let shared = Arc::clone(&self.shared);
        // Outlives the lock on the stream: whatever is dropped with it may own the stream's probe.
        let mut kill = None;
        let mut incident = self.incident(case, |ladder, live| ladder.act(case, live, now, &mut kill))?;
        drop(kill);
        incident.samples = samples;
        let action = incident.verdict.as_ref().map_or(Action::Counted, |verdict| verdict.action);
        if action == Action::Braked && again {
            return Some(action);
        }
        shared.counters.count(case.rule, action);
        if let (Rule::StuckPoll, Some(plugin)) = (case.rule, case.plugin) {
            shared.plugins.count_stuck(plugin);
        }
        let incident = shared.keep(incident);
        if !case.aside {
            shared.gates.blame(&shared, &incident);
        }
        Some(action)
    }

    /// Answers whether the thread was demoted.
    pub(crate) fn demote(&self, worker: usize, thread: i32, poll: LongPoll) -> bool {
        let mut done = false;
        self.shared.call(|hooks| done = hooks.demote(thread));
        if done {
            let sentence = format!(
                "worker {worker} is in one poll for {:.1?}, {:.1?} of it CPU: its thread runs only when nothing else \
                 wants to",
                poll.wall, poll.cpu
            );
            self.shared.report(Report::new(Kind::ThreadDemoted, sentence).counter("worker", worker as u64));
        }
        done
    }

    /// Answers whether the thread has its old priority again.
    pub(crate) fn raise(&self, thread: i32) -> bool {
        let mut done = false;
        self.shared.call(|hooks| done = hooks.raise(thread));
        done
    }

    pub(crate) fn take_over(&self, workers: Workers) {
        let sentence = format!(
            "{} of {} workers are lost: another runtime takes over",
            workers.current_lost, workers.current
        );
        self.shared.report(counted(Report::new(Kind::RuntimeReplaced, sentence), workers));
        self.shared.call(|hooks| hooks.take_over());
    }

    pub(crate) fn give_up(&self, workers: Workers, dumped: Vec<WorkerDump>, streams: Vec<StreamInfo>) {
        let sentence = format!(
            "{} of {} workers are lost, {} in all, after {} takeovers: the process ends",
            workers.current_lost, workers.current, workers.lost, workers.takeovers
        );
        let report =
            counted(Report::new(Kind::GaveUp, sentence), workers).counter("streams", streams.len() as u64);
        let report =
            dumped.iter().fold(report, |report, worker| report.event(worker.wall, worker.to_string()));
        self.shared.report(report);
        let dump = Dump { workers: dumped, streams };
        self.shared.call(|hooks| hooks.give_up(&dump));
    }

    fn act(
        &mut self,
        case: Case,
        live: Option<&mut Live<'_>>,
        now: Duration,
        kill: &mut Option<Arc<dyn Kill>>,
    ) -> Action {
        let shared = &self.shared;
        if shared.config.mode != Mode::Enforce {
            return Action::Observed;
        }
        let Some(live) = live else { return Action::Counted };
        if !self.aborts.take(now, shared.config.rules.brake.limit(shared.slab.live())) {
            return Action::Braked;
        }
        live.condemn(case.rule, shared.incidents.number());
        if case.rule != Rule::StuckPoll {
            return Action::Aborted;
        }
        *kill = live.cold.kill.as_ref().and_then(Weak::upgrade);
        match kill {
            None => Action::Aborted,
            Some(kill) => {
                self.shared.call(|_| kill.shut());
                Action::Shut
            }
        }
    }

    /// Describes the case as it is when `act` begins, so that the counters in it are those that were judged.
    fn incident(
        &mut self,
        case: Case,
        act: impl FnOnce(&mut Self, Option<&mut Live<'_>>) -> Action,
    ) -> Option<Incident> {
        let shared = Arc::clone(&self.shared);
        case.incident(&shared, |live| act(self, live))
    }
}

impl Case {
    /// The same without a ladder. `None`: the stream is gone.
    pub(crate) fn incident(
        self,
        shared: &Shared,
        act: impl FnOnce(Option<&mut Live<'_>>) -> Action,
    ) -> Option<Incident> {
        let plugin = self.plugin.map(|id| shared.plugins.get(id));
        let mut events = Vec::new();
        let mut id = None;
        let (stream, action) = match self.stream {
            None => (None, act(None)),
            Some(stream) => shared.slab.with_live(stream, |live| {
                let mut info = shared.describe(stream, live);
                info.plugin = plugin.clone();
                events = live.cold.journal.events(&shared.ticks, shared.ticks.now());
                let action = act(Some(&mut *live));
                if matches!(action, Action::Aborted | Action::Shut) {
                    id = live.cold.condemned;
                }
                (Some(info), action)
            })?,
        };
        Some(Incident {
            id: id.unwrap_or(IncidentId { start: 0, number: 0 }),
            at: SystemTime::now(),
            kind: Kind::StreamVerdict,
            sentence: self.rule.describe().to_owned(),
            group: stream.as_ref().map(|stream| Arc::clone(&stream.labels.group)),
            deployment: stream.as_ref().and_then(|stream| stream.deployment.clone()),
            plugin,
            client: stream.as_ref().map(|stream| Arc::clone(&stream.labels.client)),
            request: stream.as_ref().map(|stream| Arc::clone(&stream.labels.request)),
            trace: stream.as_ref().and_then(|stream| stream.labels.trace.clone()),
            verdict: Some(Verdict { rule: self.rule, action, stream, poll: self.poll }),
            counters: Vec::new(),
            events,
            samples: Vec::new(),
            detail: None,
        })
    }
}

fn counted(report: Report, workers: Workers) -> Report {
    report
        .counter("workers", workers.current as u64)
        .counter("workers_lost", workers.current_lost as u64)
        .counter("threads_lost", workers.lost as u64)
        .counter("takeovers", workers.takeovers as u64)
}
