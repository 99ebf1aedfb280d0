//! The state machine: [`Engine::step`].

use std::sync::Arc;

use crate::{Action, Answer, Command, Event, Failure, Limits, Measure, Reason, Terminal};

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Nothing was called yet.
    New,
    /// An upstream call runs and the client has seen nothing.
    Calling,
    /// An upstream call runs and the client has seen content.
    Relaying,
    /// An upstream call runs that is to go on with the content that the client has seen.
    Continuing,
    /// The call failed before any content; the policy is asked.
    Deciding,
    /// The back-off before the call of `next` runs.
    Sleeping { next: u16 },
    /// The call failed after content; the policy is asked, so that it can order a cooldown, and name the target of a
    /// continuation if there may be one.
    Closing,
    /// The terminal was given.
    Finished,
}

/// One request's attempts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Engine {
    limits: Limits,
    groups: Arc<[u16]>,
    phase: Phase,
    committed: bool,
    attempts: u32,
    fallbacks: u32,
    continuations: u32,
    /// Of the last call; 0 before the first.
    target: u16,
    /// What the client is told if nothing better happens: attempt and failure.
    report: Option<(u32, Failure)>,
}

impl Engine {
    /// A request that may use the targets `0..groups.len()`; `groups` has the group number of each, and the
    /// requested group's number is 0.
    pub fn new(limits: Limits, groups: Arc<[u16]>) -> Self {
        Self {
            limits: limits.clamped(),
            groups,
            phase: Phase::New,
            committed: false,
            attempts: 0,
            fallbacks: 0,
            continuations: 0,
            target: 0,
            report: None,
        }
    }

    /// Takes one event and says what to do. An event that the present state does not expect changes nothing and gives
    /// [`Command::Ignore`]: late timers and late answers are normal.
    pub fn step(&mut self, event: Event) -> Command {
        match (self.phase, event) {
            (Phase::Finished, _) => Command::Ignore,
            (_, Event::ClientGone) => self.finish(Terminal::Gone),
            // The upstream's failure came first and is already what the client must be told.
            (Phase::Closing, Event::Deadline | Event::Aborted) => self.raise(),
            // A continuation that comes too late has failed like any other.
            (_, Event::Deadline) if self.continued() => self.raise(),
            (_, Event::Deadline) => self.finish(Terminal::Error(Reason::Deadline)),
            (_, Event::Aborted) => self.finish(Terminal::Error(Reason::Aborted)),

            (Phase::New, Event::Start { target }) => match target.filter(|t| self.group(*t).is_some()) {
                Some(target) => self.call(target, Phase::Calling),
                None => self.finish(Terminal::Error(Reason::NoTarget)),
            },
            (Phase::Calling, Event::Content) => {
                self.committed = true;
                self.enter(Phase::Relaying, Command::Relay)
            }
            (Phase::Continuing, Event::Content) => self.enter(Phase::Relaying, Command::Relay),
            (Phase::Calling | Phase::Relaying | Phase::Continuing, Event::Ended) => {
                self.finish(Terminal::Complete)
            }
            (Phase::Calling, Event::Failed(failure)) => {
                // litellm reports the requested group's last failure, not the fallbacks': it is the one that the
                // client can act upon.
                if self.fallbacks == 0 {
                    self.report = Some((self.attempts - 1, failure));
                }
                self.enter(Phase::Deciding, Command::AskPolicy)
            }
            (Phase::Relaying | Phase::Continuing, Event::Failed(failure)) => {
                // What broke the client's answer off is what the client is told: a continuation was a favour, and its
                // failure says nothing of the request.
                if !self.continued() {
                    self.report = Some((self.attempts - 1, failure));
                }
                self.enter(Phase::Closing, Command::AskPolicy)
            }
            (Phase::Deciding, Event::Decided { answer, now_ms }) => self.decide(answer, now_ms),
            (Phase::Closing, Event::Decided { answer, now_ms }) => self.close(answer, now_ms),
            (Phase::Sleeping { next }, Event::Slept) => self.call(next, Phase::Calling),
            _ => Command::Ignore,
        }
    }

    /// Content has gone to the client: it stays, no attempt can begin anew, and the terminal belongs into the stream.
    pub fn committed(&self) -> bool {
        self.committed
    }

    /// Upstream calls made, the running one included.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Upstream calls that the budget still has.
    pub fn attempts_left(&self) -> u32 {
        self.limits.attempts - self.attempts
    }

    /// Calls made that left the group of the call before.
    pub fn fallbacks(&self) -> u32 {
        self.fallbacks
    }

    /// A continuation was made.
    pub fn continued(&self) -> bool {
        self.continuations > 0
    }

    /// Takes back that this request may be continued: its content does not allow it. Like everything that the driver
    /// can tell beside events, it only narrows.
    pub fn forbid_continuation(&mut self) {
        self.limits.continuations = 0;
    }

    /// The terminal was given.
    pub fn finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// What every legal step lowers.
    pub fn measure(&self) -> Measure {
        let phase = match self.phase {
            Phase::New => 5,
            Phase::Calling | Phase::Continuing => 4,
            Phase::Relaying => 3,
            Phase::Deciding => 2,
            Phase::Sleeping { .. } | Phase::Closing => 1,
            Phase::Finished => 0,
        };
        // Nothing is left of a finished request, whatever its budget was.
        let attempts_left = if self.finished() { 0 } else { self.attempts_left() };
        Measure { attempts_left, phase }
    }

    fn decide(&mut self, answer: Option<Answer>, now_ms: u64) -> Command {
        let Some(answer) = answer else { return self.raise() };
        let Some(next) = self.permitted(answer) else { return self.raise() };
        let delay_ms = answer.delay_ms.min(self.limits.max_delay_ms);
        // Waiting for the deadline would hide the upstream's error behind a timeout.
        if now_ms.saturating_add(delay_ms) >= self.limits.deadline_ms {
            return self.raise();
        }
        match delay_ms {
            0 => self.call(next, Phase::Calling),
            ms => self.enter(Phase::Sleeping { next }, Command::Sleep { ms }),
        }
    }

    /// The target of an answer that names a possible next attempt within the budget.
    fn permitted(&self, answer: Answer) -> Option<u16> {
        let target = u16::try_from(answer.target).ok()?;
        let same_group = self.group(target)? == self.group(self.target)?;
        let possible = match Action::from(answer.action) {
            Action::Retry => same_group,
            Action::Fallback => !same_group && self.fallbacks < self.limits.fallbacks,
            // There is nothing to go on with: see `close`.
            Action::Raise | Action::Continue => false,
        };
        (possible && self.attempts_left() > 0).then_some(target)
    }

    fn close(&mut self, answer: Option<Answer>, now_ms: u64) -> Command {
        let next = answer.filter(|_| now_ms < self.limits.deadline_ms).and_then(|a| self.continuable(a));
        let Some(next) = next else { return self.raise() };
        self.continuations += 1;
        self.call(next, Phase::Continuing)
    }

    /// The target of an answer that names a possible continuation: at once, never on the target that broke off, and
    /// from the same budget as every other call.
    fn continuable(&self, answer: Answer) -> Option<u16> {
        let target = u16::try_from(answer.target).ok()?;
        let same_group = self.group(target)? == self.group(self.target)?;
        let possible = Action::from(answer.action) == Action::Continue
            && target != self.target
            && answer.delay_ms == 0
            && self.continuations < self.limits.continuations
            && (same_group || self.fallbacks < self.limits.fallbacks);
        (possible && self.attempts_left() > 0).then_some(target)
    }

    fn group(&self, target: u16) -> Option<u16> {
        self.groups.get(usize::from(target)).copied()
    }

    /// The only place that spends.
    fn call(&mut self, target: u16, phase: Phase) -> Command {
        if self.attempts > 0 && self.group(target) != self.group(self.target) {
            self.fallbacks += 1;
        }
        self.attempts += 1;
        self.target = target;
        self.enter(phase, Command::Attempt { target })
    }

    fn raise(&mut self) -> Command {
        let reason = match self.report {
            Some((attempt, failure)) => Reason::Upstream { attempt, failure },
            // Not reachable: a policy is asked about a failure only.
            None => Reason::NoTarget,
        };
        self.finish(Terminal::Error(reason))
    }

    fn finish(&mut self, terminal: Terminal) -> Command {
        self.enter(Phase::Finished, Command::Finish(terminal))
    }

    fn enter(&mut self, phase: Phase, command: Command) -> Command {
        self.phase = phase;
        command
    }
}
