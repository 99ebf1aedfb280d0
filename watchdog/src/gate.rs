//! Quarantine: what was to blame for verdicts is no longer asked, until a trial goes well.
//!
//! A gate stands before each plugin and each deployment. Open, it costs one relaxed load. It closes when there were
//! enough faults within the window; after a pause it lets one request through, the trial. A trial that comes to a good
//! end opens it, a fault closes it again, and one that ends without either leaves the trial to the next.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::Quarantine;
use crate::ticks::Ticks;

/// Whether a plugin or a deployment may be asked. Clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate(Option<Arc<Inner>>);

struct Inner {
    closed: AtomicBool,
    state: Mutex<State>,
    ticks: Ticks,
    rule: Quarantine,
    /// Called with no lock held when a trial opened the gate.
    lifted: Box<dyn Fn() + Send + Sync>,
}

/// The state behind a gate. Times are the ticks' nanoseconds.
#[derive(Debug, Default)]
struct State {
    faults: VecDeque<Duration>,
    closed: Option<Closed>,
    quarantines: u64,
}

#[derive(Debug, Clone, Copy)]
struct Closed {
    /// From then on a trial may be made.
    until: Duration,
    /// The trial that runs: when it began.
    trial: Option<Duration>,
}

impl State {
    /// `weight` faults happened at once; none fail a trial that runs, and count for nothing else. Answers whether the gate closes by it, or closes anew.
    fn fault(&mut self, weight: u32, now: Duration, rule: &Quarantine) -> bool {
        let renewed = self.closed.is_some_and(|closed| closed.trial.is_some());
        while self.faults.front().is_some_and(|fault| now.saturating_sub(*fault) >= rule.window) {
            self.faults.pop_front();
        }
        let room = usize::try_from(rule.after).unwrap_or(usize::MAX);
        for _ in 0..weight.min(rule.after) {
            if self.faults.len() < room {
                self.faults.push_back(now);
            }
        }
        if !renewed && self.faults.len() < room {
            return false;
        }
        let news = renewed || self.closed.is_none();
        self.faults.clear();
        self.closed = Some(Closed { until: now + rule.trial, trial: None });
        self.quarantines += u64::from(news);
        news
    }

    fn trial_is_free(&self, now: Duration) -> bool {
        self.closed.is_none_or(|closed| closed.trial.is_none() && now >= closed.until)
    }

    /// A trial that has run for so long without a verdict is a good one, though it has not ended.
    fn settle(&mut self, now: Duration, rule: &Quarantine) -> bool {
        let good = self
            .closed
            .and_then(|closed| closed.trial)
            .is_some_and(|began| now.saturating_sub(began) >= rule.trial.max(MIN_TRIAL));
        if good {
            self.closed = None;
        }
        good
    }
}

/// No rule needs longer than this to see that a poll does not return.
const MIN_TRIAL: Duration = Duration::from_secs(30);

impl Gate {
    pub(crate) fn new(ticks: Ticks, rule: Quarantine, lifted: Box<dyn Fn() + Send + Sync>) -> Self {
        let (closed, state) = (AtomicBool::new(false), Mutex::default());
        Self(Some(Arc::new(Inner { closed, state, ticks, rule, lifted })))
    }

    /// Whether a request would be let through now.
    #[inline]
    pub fn is_open(&self) -> bool {
        match &self.0 {
            Some(inner) if inner.closed.load(Relaxed) => {
                inner.settle();
                inner.state.lock().trial_is_free(inner.now())
            }
            _ => true,
        }
    }

    /// Lets a request through; `None` when it is closed, or another one's trial runs. Hold the pass for as long as the
    /// plugin or the deployment serves the request.
    pub fn enter(&self) -> Option<Pass> {
        let Some(inner) = self.0.as_ref().filter(|inner| inner.closed.load(Relaxed)) else {
            return Some(Pass(None));
        };
        inner.settle();
        let now = inner.now();
        let mut state = inner.state.lock();
        if !state.trial_is_free(now) {
            return None;
        }
        let Some(closed) = &mut state.closed else { return Some(Pass(None)) };
        closed.trial = Some(now);
        Some(Pass(Some(Trial { gate: Arc::clone(inner), began: now })))
    }

    /// How long until the next trial may be made; zero when it is open.
    pub fn wait(&self) -> Duration {
        let Some(inner) = self.0.as_ref().filter(|inner| inner.closed.load(Relaxed)) else {
            return Duration::ZERO;
        };
        let now = inner.now();
        let closed = inner.state.lock().closed;
        closed.map_or(Duration::ZERO, |closed| match closed.trial {
            // It is not known when the trial ends; soon is what there is to say.
            Some(_) => Duration::from_secs(1),
            None => closed.until.saturating_sub(now),
        })
    }

    /// See [`State::fault`].
    pub(crate) fn fault(&self, weight: u32) -> bool {
        let Some(inner) = &self.0 else { return false };
        let mut state = inner.state.lock();
        let news = state.fault(weight, inner.now(), &inner.rule);
        inner.closed.store(state.closed.is_some(), Relaxed);
        news
    }

    /// Opens it and forgets the faults. A trial that runs is none any more.
    pub(crate) fn renew(&self) {
        let Some(inner) = &self.0 else { return };
        let mut state = inner.state.lock();
        state.faults.clear();
        state.closed = None;
        inner.closed.store(false, Relaxed);
    }

    /// Whether it is closed, trials or not, and how often it was closed.
    pub(crate) fn totals(&self) -> (bool, u64) {
        self.0.as_ref().map_or((false, 0), |inner| {
            let state = inner.state.lock();
            (state.closed.is_some(), state.quarantines)
        })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("open", &self.is_open()).finish()
    }
}

impl Inner {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.ticks.nanos(self.ticks.now()))
    }

    fn settle(&self) {
        let now = self.now();
        let mut state = self.state.lock();
        if state.settle(now, &self.rule) {
            self.closed.store(false, Relaxed);
            drop(state);
            (self.lifted)();
        }
    }
}

struct Trial {
    gate: Arc<Inner>,
    began: Duration,
}

impl Trial {
    /// Runs `f` when this is still the trial that the gate waits for.
    fn end(&self, f: impl FnOnce(&mut State)) -> bool {
        let mut state = self.gate.state.lock();
        let mine = state.closed.is_some_and(|closed| closed.trial == Some(self.began));
        if mine {
            f(&mut state);
            self.gate.closed.store(state.closed.is_some(), Relaxed);
        }
        mine
    }
}

/// A request's way through a [`Gate`].
#[derive(Default)]
#[must_use = "a trial ends when its pass is dropped"]
pub struct Pass(Option<Trial>);

impl Pass {
    /// The request was served well.
    pub fn succeed(mut self) {
        let Some(trial) = self.0.take() else { return };
        if trial.end(|state| state.closed = None) {
            (trial.gate.lifted)();
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(trial) = self.0.take() {
            trial.end(|state| {
                if let Some(closed) = &mut state.closed {
                    closed.trial = None;
                }
            });
        }
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("trial", &self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use quanta::{Clock, Mock};

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn gate() -> (Gate, Arc<Mock>, Arc<AtomicUsize>) {
        let (clock, time) = Clock::mock();
        let lifted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&lifted);
        let count = Box::new(move || {
            count.fetch_add(1, Relaxed);
        });
        (Gate::new(Ticks::with(clock), Quarantine::default(), count), time, lifted)
    }

    #[test]
    fn it_closes_at_the_third_fault_within_the_window_and_not_at_three_apart() {
        let (gate, time, _) = gate();
        for _ in 0..9 {
            assert!(!gate.fault(1));
            time.increment(S * 151);
        }
        assert!(gate.is_open());
        assert!(!gate.fault(1));
        assert!(gate.fault(1), "two within, and the one of 151 s before");
        assert!(!gate.is_open());
        assert!(gate.enter().is_none());
        assert_eq!(gate.wait(), S * 60);
        assert!(!gate.fault(3), "those that were on their way are no news");
        assert_eq!(gate.totals(), (true, 1));
    }

    #[test]
    fn one_trial_at_a_time_whose_success_opens() {
        let (gate, time, lifted) = gate();
        assert!(gate.fault(3), "one stuck call is enough");
        time.increment(S * 59);
        assert!(gate.enter().is_none());
        time.increment(S);
        assert!(gate.is_open());
        let trial = gate.enter().unwrap();
        assert!(!gate.is_open() && gate.enter().is_none());
        drop(trial);
        assert!(gate.is_open(), "a trial that says nothing leaves it to the next");
        let trial = gate.enter().unwrap();
        assert_eq!(lifted.load(Relaxed), 0);
        trial.succeed();
        assert!(gate.is_open() && gate.enter().is_some_and(|pass| pass.0.is_none()));
        assert_eq!((lifted.load(Relaxed), gate.totals()), (1, (false, 1)));
    }

    #[test]
    fn a_fault_in_the_trial_renews_it_and_its_late_success_says_nothing() {
        let (gate, time, lifted) = gate();
        gate.fault(3);
        time.increment(S * 60);
        let trial = gate.enter().unwrap();
        assert!(gate.fault(1), "one is enough in a trial");
        assert_eq!((gate.totals(), gate.wait()), ((true, 2), S * 60));
        trial.succeed();
        assert!(!gate.is_open());
        assert_eq!(lifted.load(Relaxed), 0);
    }

    #[test]
    fn a_fault_of_no_weight_fails_a_trial_and_nothing_else() {
        let (gate, time, _) = gate();
        for _ in 0..9 {
            assert!(!gate.fault(0));
        }
        assert!(gate.is_open());
        gate.fault(3);
        time.increment(S * 60);
        assert!(!gate.fault(0), "no trial runs");
        let trial = gate.enter().unwrap();
        assert!(gate.fault(0));
        drop(trial);
        assert_eq!((gate.totals(), gate.wait()), ((true, 2), S * 60));
    }

    #[test]
    fn a_long_trial_without_a_fault_is_a_good_one() {
        let (gate, time, lifted) = gate();
        gate.fault(3);
        time.increment(S * 60);
        let trial = gate.enter().unwrap();
        time.increment(S * 59);
        assert!(!gate.is_open());
        time.increment(S);
        assert!(gate.is_open() && gate.enter().is_some());
        drop(trial);
        assert_eq!((lifted.load(Relaxed), gate.totals().0), (1, false));
    }

    #[test]
    fn a_gate_of_no_watchdog_is_always_open() {
        let gate = Gate::default();
        assert!(!gate.fault(100) && gate.is_open() && gate.enter().is_some());
    }
}
