//! Faulty engines, each with a fault that a real proxy had or that a guard of the engine exists for.

use std::sync::Arc;

use tidegate_engine::{Action, Answer, Command, Engine, Event, Failure, Limits, Measure, Reason, Terminal};

use crate::machine::Machine;
use crate::world::World;

/// What is wrong with a [`Mutant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// A 429 after content enters the handler again and spends nothing (the loop that BerriAI/litellm#26015 blames).
    ReenterOnMidStream429,
    /// An answer of the policy fills the budget up again.
    PolicyRefills,
    /// A fallback is free, so A -> B -> A goes round for ever.
    FreeFallback,
    /// Late events are counted.
    RemembersIgnored,
    /// A client that goes after the end is told of it again.
    SecondTerminal,
    /// Every upstream error becomes a 500.
    RewritesStatus,
    /// The error of the last fallback is reported, not the requested group's.
    ReportsFallback,
    /// A back-off is as long as the policy wants.
    UncappedSleep,
    /// A policy that does not answer is waited for.
    WaitsForPolicy,
    /// A target is cut to 16 bits unchecked.
    CutsTarget,
    /// A continuation spends nothing.
    FreeContinuation,
    /// A continuation fills the budget up again.
    ContinuationRefills,
    /// The target that broke off is asked to go on.
    ContinuesOnSameTarget,
    /// A continuation that breaks off is continued.
    ContinuesTwice,
    /// With the continuation the request begins anew: its next error would be an HTTP status, behind content.
    ContinuationUncommits,
    /// A continuation waits as long as the policy wants, past the deadline too.
    ContinuationWaits,
    /// The client is told what became of the continuation instead of what broke its answer off.
    ReportsContinuation,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mutant {
    fault: Fault,
    engine: Engine,
    limits: Limits,
    groups: Arc<[u16]>,
    target: u16,
    ignored: bool,
    last: Option<(u32, Failure)>,
}

impl Mutant {
    pub(crate) fn new(fault: Fault, world: &World) -> Self {
        let (limits, groups) = (world.limits, Arc::clone(&world.groups));
        let engine = Engine::new(limits, Arc::clone(&groups));
        Self { fault, engine, limits, groups, target: 0, ignored: false, last: None }
    }

    /// Calls `target` with `left` attempts left after it, whatever was spent before.
    fn call_with(&mut self, left: u32, target: u16) -> Command {
        let limits = Limits { attempts: left + 1, ..self.limits };
        self.engine = Engine::new(limits, Arc::clone(&self.groups));
        self.engine.step(Event::Start { target: Some(target) })
    }

    /// Calls `target` to continue, with `left` attempts left after it, whatever was spent before.
    fn continue_with(&mut self, left: u32, target: u16, failure: Failure) -> Command {
        let limits = Limits { attempts: left + 2, fallbacks: 9, continuations: 1, ..self.limits };
        self.engine = Engine::new(limits, Arc::clone(&self.groups));
        let other = u16::from(target == 0);
        let answer = Answer { action: Action::Continue as u32, target: target.into(), delay_ms: 0 };
        for event in [Event::Start { target: Some(other) }, Event::Content, Event::Failed(failure)] {
            self.engine.step(event);
        }
        self.engine.step(Event::Decided { answer: Some(answer), now_ms: 0 })
    }

    fn faulty(&mut self, event: Event) -> Command {
        let before = self.engine.clone();
        if let Event::Failed(failure) = event {
            self.last = Some((before.attempts().saturating_sub(1), failure));
        }
        if self.fault == Fault::WaitsForPolicy && matches!(event, Event::Decided { answer: None, .. }) {
            return Command::Ignore;
        }
        let command = self.engine.step(event);
        match (self.fault, event, command) {
            (Fault::ReenterOnMidStream429, Event::Failed(f), Command::AskPolicy)
                if f.status == 429 && before.committed() =>
            {
                self.call_with(before.attempts_left(), self.target)
            }
            (Fault::PolicyRefills, Event::Decided { answer: Some(a), .. }, Command::Finish(_))
                if a.action == 4 && !before.committed() =>
            {
                self.call_with(self.limits.attempts - 1, self.target)
            }
            (Fault::FreeFallback, Event::Decided { answer: Some(a), .. }, Command::Attempt { target })
                if Action::from(a.action) == Action::Fallback =>
            {
                self.call_with(before.attempts_left(), target)
            }
            (Fault::RemembersIgnored, _, Command::Ignore) => {
                self.ignored = true;
                Command::Ignore
            }
            (Fault::SecondTerminal, Event::ClientGone, Command::Ignore) => Command::Finish(Terminal::Gone),
            (
                Fault::RewritesStatus,
                _,
                Command::Finish(Terminal::Error(Reason::Upstream { attempt, failure })),
            ) => upstream_error(attempt, Failure { status: 500, ..failure }),
            (Fault::ReportsFallback, _, Command::Finish(Terminal::Error(Reason::Upstream { .. }))) => {
                self.last.map_or(command, |(attempt, failure)| upstream_error(attempt, failure))
            }
            (Fault::UncappedSleep, Event::Decided { answer: Some(a), .. }, Command::Sleep { .. }) => {
                Command::Sleep { ms: a.delay_ms }
            }
            (Fault::CutsTarget, Event::Decided { answer: Some(a), .. }, Command::Finish(_))
                if a.target == 1 << 16 && a.action == 1 && before.attempts_left() > 0 =>
            {
                self.call_with(before.attempts_left() - 1, 0)
            }
            (_, Event::Decided { answer: Some(a), .. }, _)
                if before.committed() && Action::from(a.action) == Action::Continue =>
            {
                self.faulty_continuation(&before, a, command)
            }
            (Fault::ReportsContinuation, _, Command::Finish(Terminal::Error(Reason::Upstream { .. })))
                if before.continued() =>
            {
                self.last.map_or(command, |(attempt, failure)| upstream_error(attempt, failure))
            }
            _ => command,
        }
    }

    fn faulty_continuation(&mut self, before: &Engine, answer: Answer, command: Command) -> Command {
        let Some((_, failure)) = self.last else { return command };
        let Ok(target) = u16::try_from(answer.target) else { return command };
        let left = before.attempts_left();
        let refused =
            matches!(command, Command::Finish(_)) && usize::from(target) < self.groups.len() && left > 0;
        let same = target == self.target;
        match (self.fault, command) {
            (Fault::FreeContinuation, Command::Attempt { target }) => {
                self.continue_with(left, target, failure)
            }
            (Fault::ContinuationRefills, Command::Attempt { target }) => {
                self.continue_with(self.limits.attempts, target, failure)
            }
            (Fault::ContinuationUncommits, Command::Attempt { target }) => self.call_with(left - 1, target),
            (Fault::ContinuesOnSameTarget, _) if refused && same && !before.continued() => {
                self.continue_with(left - 1, target, failure)
            }
            (Fault::ContinuesTwice, _) if refused && !same && before.continued() => {
                self.continue_with(left - 1, target, failure)
            }
            (Fault::ContinuationWaits, _) if refused && !same && !before.continued() => {
                self.continue_with(left - 1, target, failure)
            }
            _ => command,
        }
    }
}

fn upstream_error(attempt: u32, failure: Failure) -> Command {
    Command::Finish(Terminal::Error(Reason::Upstream { attempt, failure }))
}

impl Machine for Mutant {
    fn step(&mut self, event: Event) -> Command {
        let before = self.clone();
        let command = self.faulty(event);
        if let Command::Attempt { target } = command {
            self.target = target;
        }
        if command == Command::Ignore && self.fault != Fault::RemembersIgnored {
            *self = before;
        }
        command
    }
    fn measure(&self) -> Measure {
        self.engine.measure()
    }
    fn attempts(&self) -> u32 {
        self.engine.attempts()
    }
    fn attempts_left(&self) -> u32 {
        self.engine.attempts_left()
    }
    fn committed(&self) -> bool {
        self.engine.committed()
    }
}
