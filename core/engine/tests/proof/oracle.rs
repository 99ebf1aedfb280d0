//! What must hold at every step, told from the events and commands alone: the machine's own word is not taken for it.

use tidegate_engine::{Action, Command, Event, Failure, Reason, Terminal};

use crate::machine::Machine;
use crate::world::World;

/// One thing that must always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// Every step that is not ignored lowers the measure.
    MeasureFalls,
    /// An ignored event leaves the machine as it was.
    IgnoreChangesNothing,
    /// Calls, calls that leave their group, and continuations stay within the budget.
    WithinBudget,
    /// `attempts`, `attempts_left` and `committed` say what was commanded.
    Accounts,
    /// A retry stays in its group, a fallback leaves it, a continuation leaves its target, all exist, and nothing is
    /// called unasked.
    RightTarget,
    /// After content went to the client there is no wait, and no call but a continuation.
    CommittedStays,
    /// Nothing is commanded after the terminal.
    OneTerminal,
    /// The terminal is the one that belongs to what happened: a 429 stays a 429.
    OwnTerminal,
    /// A wait is within its cap and ends before the deadline; a continuation does not wait.
    WithinTime,
    /// Whatever the machine waits for, its coming is accepted, and so is every way of calling it off.
    NeverStuck,
    /// The check that is *not* enough: a state without successors is a finished one. It does not see cycles.
    DeadEndsAreFinished,
}

impl Property {
    pub(crate) const ALL: [Self; 11] = [
        Self::MeasureFalls,
        Self::IgnoreChangesNothing,
        Self::WithinBudget,
        Self::Accounts,
        Self::RightTarget,
        Self::CommittedStays,
        Self::OneTerminal,
        Self::OwnTerminal,
        Self::WithinTime,
        Self::NeverStuck,
        Self::DeadEndsAreFinished,
    ];
}

/// What has happened to the request so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Oracle {
    /// Cut at one past the budget, so that a runaway has finitely many states.
    pub(crate) calls: u32,
    fallbacks: u32,
    pub(crate) continuations: u32,
    target: u16,
    pub(crate) committed: bool,
    /// A call runs that has given no content yet.
    pub(crate) empty: bool,
    failed_committed: bool,
    pub(crate) finished: bool,
    report: Option<(u32, Failure)>,
    asked: bool,
    sleeping: Option<u16>,
}

impl Oracle {
    /// Takes a step in; gives the properties that it broke.
    pub(crate) fn observe<M: Machine>(
        &mut self,
        world: &World,
        (before, event, command, after): (&M, Event, Command, &M),
    ) -> Vec<Property> {
        let mut broken = Vec::new();
        let mut require = |holds: bool, property| {
            if !holds {
                broken.push(property);
            }
        };
        if command == Command::Ignore {
            require(before == after, Property::IgnoreChangesNothing);
            return broken;
        }
        require(after.measure() < before.measure(), Property::MeasureFalls);
        require(!self.finished, Property::OneTerminal);
        let heard = self.hear(event);
        match command {
            Command::Attempt { target } => {
                require(!self.committed || is_continuation(event), Property::CommittedStays);
                require(!self.committed || at_once(world, event), Property::WithinTime);
                require(self.may_call(world, event, target), Property::RightTarget);
                self.call(world, target);
                require(self.calls <= world.limits.attempts, Property::WithinBudget);
                require(self.fallbacks <= world.limits.fallbacks, Property::WithinBudget);
                require(self.continuations <= world.limits.continuations.min(1), Property::WithinBudget);
            }
            Command::Sleep { ms } => {
                require(!self.committed, Property::CommittedStays);
                require(within_time(world, event, ms), Property::WithinTime);
                self.sleeping = answered_target(event);
            }
            Command::Relay => (self.committed, self.empty) = (true, false),
            Command::AskPolicy => self.asked = true,
            Command::Finish(terminal) => {
                require(terminal == heard.unwrap_or(terminal), Property::OwnTerminal);
                require(heard.is_some(), Property::OwnTerminal);
                self.finished = true;
            }
            Command::Ignore => {}
        }
        let left = world.limits.attempts.saturating_sub(self.calls);
        require(after.attempts() == self.calls, Property::Accounts);
        require(after.attempts_left() == left, Property::Accounts);
        require(after.committed() == self.committed, Property::Accounts);
        broken
    }

    /// The terminal that this event may lead to.
    fn hear(&mut self, event: Event) -> Option<Terminal> {
        let own = self.report.map(|(attempt, failure)| Reason::Upstream { attempt, failure });
        let unless = |failed, reason| if failed { own } else { Some(reason) };
        let error = match event {
            Event::Ended => return Some(Terminal::Complete),
            Event::ClientGone => return Some(Terminal::Gone),
            Event::Deadline => unless(self.failed_committed || self.continuations > 0, Reason::Deadline),
            Event::Aborted => unless(self.failed_committed, Reason::Aborted),
            Event::Start { .. } => Some(Reason::NoTarget),
            Event::Decided { .. } => own,
            Event::Failed(failure) => {
                // What broke the answer off counts, not what became of its continuation.
                if self.continuations == 0 && (self.committed || self.fallbacks == 0) {
                    self.report = Some((self.calls - 1, failure));
                }
                (self.failed_committed, self.empty) = (self.committed, false);
                None
            }
            Event::Content | Event::Slept => None,
        };
        error.map(Terminal::Error)
    }

    fn may_call(&self, world: &World, event: Event, target: u16) -> bool {
        let Some(group) = world.groups.get(usize::from(target)) else { return false };
        match event {
            Event::Start { target: wanted } => wanted == Some(target),
            Event::Slept => self.sleeping == Some(target),
            Event::Decided { answer: Some(answer), .. } => {
                let same = *group == world.groups[usize::from(self.target)];
                let right = match Action::from(answer.action) {
                    Action::Retry => same,
                    Action::Fallback => !same,
                    Action::Continue => self.failed_committed && target != self.target,
                    Action::Raise => false,
                };
                self.asked && right && answer.target == u32::from(target)
            }
            _ => false,
        }
    }

    fn call(&mut self, world: &World, target: u16) {
        let group = |target: u16| world.groups.get(usize::from(target));
        if self.calls > 0 && group(target) != group(self.target) {
            self.fallbacks = (self.fallbacks + 1).min(world.limits.fallbacks + 1);
        }
        self.calls = (self.calls + 1).min(world.limits.attempts + 1);
        self.continuations = (self.continuations + u32::from(self.committed)).min(2);
        self.target = target;
        (self.asked, self.failed_committed, self.empty) = (false, false, true);
        self.sleeping = None;
    }
}

fn answered_target(event: Event) -> Option<u16> {
    match event {
        Event::Decided { answer: Some(answer), .. } => answer.target.try_into().ok(),
        _ => None,
    }
}

fn is_continuation(event: Event) -> bool {
    matches!(event, Event::Decided { answer: Some(answer), .. } if Action::from(answer.action) == Action::Continue)
}

fn at_once(world: &World, event: Event) -> bool {
    let Event::Decided { answer: Some(answer), now_ms } = event else { return false };
    answer.delay_ms == 0 && now_ms < world.limits.deadline_ms
}

fn within_time(world: &World, event: Event, ms: u64) -> bool {
    let Event::Decided { answer: Some(answer), now_ms } = event else { return false };
    ms > 0
        && ms == answer.delay_ms.min(world.limits.max_delay_ms)
        && now_ms.saturating_add(ms) < world.limits.deadline_ms
}
