//! One request as the core plays it, without its IO: the engine, a policy's answers, and an upstream that fails as it likes.

use std::sync::Arc;

use proptest::prelude::*;
use tidegate_engine::{Answer, Command, Engine, ErrorClass, Event, Failure, Limits, Terminal};
use tidegate_plugin_sdk::{Action, Attempt, ErrorKind, History, Target};

pub(crate) const GROUPS: [&str; 4] = ["a", "b", "c", "d"];
const IDS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// What a policy answers to a history.
pub(crate) type Decide = Box<dyn Fn(&History<'_>) -> Action>;

/// A simulated request.
pub(crate) struct Request {
    engine: Engine,
    decide: Decide,
    pub(crate) history: History<'static>,
    /// Of each target, so that the engine's groups agree with the history's.
    pub(crate) groups: Vec<u16>,
}

impl Request {
    pub(crate) fn new(decide: Decide, groups: Vec<u16>, limits: Limits, seed: u64) -> Self {
        let targets = groups
            .iter()
            .zip(IDS)
            .map(|(group, id)| Target { id, group: GROUPS[usize::from(*group)], ..Target::default() })
            .collect();
        let history = History {
            deadline_ms: limits.deadline_ms,
            retry_tokens: u32::MAX,
            seed,
            group: GROUPS[0],
            targets,
            ..History::default()
        };
        Self { engine: Engine::new(limits, Arc::from(groups.clone())), decide, history, groups }
    }

    /// Plays the request; `failures` are the upstream's answers in turn, after which it answers well.
    pub(crate) fn play(&mut self, failures: &[Attempt]) -> Result<Terminal, TestCaseError> {
        let mut failures = failures.iter();
        let mut command = self.engine.step(Event::Start { target: Some(0) });
        // Far more than any budget: running out of it is a request that does not end.
        for _ in 0..500 {
            command = match command {
                Command::Attempt { target } => self.call(target, failures.next())?,
                Command::Sleep { ms } => {
                    self.history.now_ms += ms;
                    prop_assert!(self.history.now_ms < self.history.deadline_ms);
                    self.engine.step(Event::Slept)
                }
                Command::AskPolicy => self.ask(),
                Command::Relay => self.engine.step(Event::Ended),
                Command::Finish(terminal) => return Ok(terminal),
                Command::Ignore => return Err(TestCaseError::fail("an event at the wrong time")),
            };
        }
        Err(TestCaseError::fail("the request does not end"))
    }

    fn call(&mut self, target: u16, failure: Option<&Attempt>) -> Result<Command, TestCaseError> {
        let called = &mut self.history.targets[usize::from(target)];
        prop_assert_eq!(called.cooldown_ms, 0, "a cooling deployment was called");
        let Some(&failure) = failure else { return Ok(self.engine.step(Event::Content)) };
        called.fails_minute += 1;
        let now = self.history.now_ms;
        let committed = failure.committed || self.engine.committed();
        self.history.attempts.push(Attempt { target: target.into(), ended_ms: now, committed, ..failure });
        if failure.committed {
            self.engine.step(Event::Content);
        }
        let failure = Failure {
            class: ErrorClass::from(failure.error.value()),
            status: failure.http_status as u16,
            retry_after_ms: failure.retry_after_ms,
            retryable: failure.retryable,
            quota: failure.quota,
        };
        Ok(self.engine.step(Event::Failed(failure)))
    }

    fn ask(&mut self) -> Command {
        self.history.attempts_left = self.engine.attempts_left();
        let action = (self.decide)(&self.history);
        let last = self.history.attempts[self.history.attempts.len() - 1].target;
        self.history.targets[last as usize].cooldown_ms = action.cooldown_ms;
        let answer =
            Answer { action: action.choice.value(), target: action.target, delay_ms: action.delay_ms };
        self.engine.step(Event::Decided { answer: Some(answer), now_ms: self.history.now_ms })
    }

    /// The groups in the order in which they were entered.
    pub(crate) fn entered(&self) -> Vec<u16> {
        let mut entered: Vec<_> =
            self.history.attempts.iter().map(|a| self.groups[a.target as usize]).collect();
        entered.dedup();
        entered
    }
}

pub(crate) fn failure() -> impl Strategy<Value = Attempt> {
    let kinds = prop::sample::select(vec![
        (ErrorKind::RateLimit, 429),
        (ErrorKind::Overloaded, 529),
        (ErrorKind::Server, 500),
        (ErrorKind::Timeout, 504),
        (ErrorKind::Transport, 502),
        (ErrorKind::Truncated, 502),
        (ErrorKind::Malformed, 502),
        (ErrorKind::Auth, 401),
        (ErrorKind::BadRequest, 400),
        (ErrorKind::NotFound, 404),
        (ErrorKind::ContextLength, 400),
        (ErrorKind::ContentFilter, 400),
    ]);
    let waits = prop_oneof![3 => Just(None), 1 => (0..100_000u64).prop_map(Some)];
    (kinds, waits, any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.05)).prop_map(
        |((error, http_status), retry_after_ms, retryable, quota, committed)| Attempt {
            error,
            http_status,
            retryable,
            retry_after_ms,
            quota,
            committed,
            ..Attempt::default()
        },
    )
}

/// The first target serves the requested group.
pub(crate) fn groups() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(0..4u16, 0..8).prop_map(|rest| [vec![0], rest].concat())
}
