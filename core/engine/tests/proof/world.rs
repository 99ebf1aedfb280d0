//! The adversary: a budget, an arrangement of targets, and every event that could be fed.

use std::sync::Arc;

use tidegate_engine::{Answer, ErrorClass, Event, Failure, Limits};

pub(crate) const MAX_DELAY_MS: u64 = 10;
pub(crate) const DEADLINE_MS: u64 = 100;

/// One closed system to explore.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) limits: Limits,
    pub(crate) groups: Arc<[u16]>,
    pub(crate) events: Vec<Event>,
}

impl World {
    pub(crate) fn new(groups: &[u16], attempts: u32, fallbacks: u32, failures: &[Failure]) -> Self {
        let limits = Limits {
            attempts,
            fallbacks,
            continuations: 0,
            max_delay_ms: MAX_DELAY_MS,
            deadline_ms: DEADLINE_MS,
        };
        let targets = groups.len() as u16;
        let mut events = vec![
            Event::Start { target: None },
            Event::Content,
            Event::Ended,
            Event::Slept,
            Event::Deadline,
            Event::ClientGone,
            Event::Aborted,
            Event::Decided { answer: None, now_ms: 0 },
        ];
        // One more than there are: the router is not trusted either.
        events.extend((0..=targets).map(|target| Event::Start { target: Some(target) }));
        events.extend(failures.iter().copied().map(Event::Failed));
        events.extend(answers(targets));
        Self { limits, groups: groups.into(), events }
    }

    /// The same in a group that lets streams be continued, so often if it had its way.
    pub(crate) fn continuing(mut self, continuations: u32) -> Self {
        self.limits.continuations = continuations;
        self
    }
}

/// One failure of each class, and the kinds of 429 apart.
pub(crate) fn failures() -> Vec<Failure> {
    let status = |class| match class {
        ErrorClass::RateLimit => 429,
        ErrorClass::Overloaded => 529,
        ErrorClass::Auth => 401,
        ErrorClass::BadRequest | ErrorClass::ContextLength | ErrorClass::ContentFilter => 400,
        ErrorClass::Timeout => 504,
        ErrorClass::Server => 500,
        ErrorClass::NotFound => 404,
        ErrorClass::Permission => 403,
        _ => 502,
    };
    let mut all: Vec<_> = ErrorClass::ALL
        .into_iter()
        .map(|class| Failure {
            class,
            status: status(class),
            retry_after_ms: None,
            retryable: status(class) >= 429,
            quota: false,
        })
        .collect();
    let rate_limit = all[ErrorClass::RateLimit.code() as usize];
    all.push(Failure { retry_after_ms: Some(7), ..rate_limit });
    all.push(Failure { quota: true, ..rate_limit });
    all
}

/// Enough failures to tell one from another.
pub(crate) fn few_failures() -> Vec<Failure> {
    let wanted = [ErrorClass::RateLimit, ErrorClass::BadRequest, ErrorClass::Truncated];
    failures().into_iter().filter(|f| wanted.contains(&f.class) && !f.quota).collect()
}

fn answers(targets: u16) -> Vec<Event> {
    let actions = [0, 1, 2, 3, 4, u32::MAX];
    // Out of range: just past the end, 0 when cut to 16 bits, and the largest.
    let wild = [u32::from(targets), 1 << 16, u32::MAX];
    let times = [
        (0, 0),
        (0, DEADLINE_MS - 1),
        (0, DEADLINE_MS),
        (1, 0),
        (MAX_DELAY_MS, DEADLINE_MS - MAX_DELAY_MS - 1),
        (MAX_DELAY_MS, DEADLINE_MS - MAX_DELAY_MS),
        (u64::MAX, 0),
        (u64::MAX, u64::MAX),
    ];
    let mut events = Vec::new();
    for action in actions {
        for target in (0..u32::from(targets)).chain(wild) {
            for (delay_ms, now_ms) in times {
                let answer = Some(Answer { action, target, delay_ms });
                events.push(Event::Decided { answer, now_ms });
            }
        }
    }
    events
}
