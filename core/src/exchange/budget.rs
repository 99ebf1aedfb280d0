//! The retry budget of a group, as one request draws on it.
//!
//! The first attempt of a request in a group, or in a higher `order` of one, is an arrival: it allows retries and takes
//! none. A configured fallback must not starve because the group before it is down (BerriAI/litellm#40404), and a
//! request that arrives nowhere twice is bounded. After a failure to connect, a deployment that the request has not
//! tried takes none either: no provider has seen the request, so none gets more of them, and a group with one dead
//! deployment of two must not fail with it. Every other attempt is a retry, whatever the policy calls it, and takes a
//! token or is not made.

use tidegate_engine::{Action, Answer, Command};

use super::Exchange;
use crate::routing::Budget;

/// What one request has drawn.
#[derive(Debug, Default)]
pub(super) struct Spending {
    /// A retry was wanted and there was no token for it.
    pub(super) starved: bool,
    /// The target that a token was taken for, until it is clear that the attempt is made.
    taken: Option<u16>,
}

impl Exchange {
    /// An attempt on `target` begins: counts the arrival, if it is one.
    pub(super) fn arrive(&self, target: u16) {
        if self.is_arrival(target) {
            self.budget(target).arrive();
        }
    }

    /// The retries that the group of the last attempt may still make.
    pub(super) fn tokens(&mut self) -> u32 {
        let Some(last) = self.history.last() else { return u32::MAX };
        let tokens = self.budget(last.target).tokens() as u32;
        let number = self.group.numbers[usize::from(last.target)];
        let untried = |(target, its): (u16, &u16)| *its == number && self.is_free(target);
        if tokens == 0 && (0..).zip(&*self.group.numbers).any(untried) {
            return 1;
        }
        // The policy is told, and will not ask for what it cannot have: that is counted here.
        if tokens == 0 && last.failure.retryable && !last.committed && self.engine.attempts_left() > 0 {
            self.starve(last.target);
        }
        tokens
    }

    /// The answer that the group's budget allows: itself, or RAISE.
    pub(super) fn afford(&mut self, answer: Answer) -> Answer {
        let Ok(target) = u16::try_from(answer.target) else { return answer };
        if Action::from(answer.action) == Action::Raise
            || usize::from(target) >= self.group.targets.len()
            || self.is_arrival(target)
            || self.is_free(target)
        {
            return answer;
        }
        if self.budget(target).take() {
            self.spending.taken = Some(target);
            return answer;
        }
        self.starve(target);
        Answer { action: Action::Raise as u32, ..answer }
    }

    /// What the engine made of the answer: a token for an attempt that it did not permit goes back.
    pub(super) fn settle(&mut self, command: Command) -> Command {
        if let Some(target) = self.spending.taken.take()
            && matches!(command, Command::Finish(_) | Command::Ignore)
        {
            self.budget(target).give_back();
        }
        command
    }

    fn starve(&mut self, target: u16) {
        if !std::mem::replace(&mut self.spending.starved, true) {
            self.deployment(target).series.starved();
        }
    }

    /// Whether no attempt of this request has been in the target's group at its order yet.
    fn is_arrival(&self, target: u16) -> bool {
        let stage = |target: u16| (self.group.numbers[usize::from(target)], self.deployment(target).order);
        self.history.iter().all(|record| stage(record.target) != stage(target))
    }

    /// Whether the last attempt came to no provider, and the target is one that the request has not tried.
    fn is_free(&self, target: u16) -> bool {
        self.history.last().is_some_and(|last| last.failure.unsent)
            && self.history.iter().all(|record| record.target != target)
    }

    fn budget(&self, target: u16) -> &Budget {
        &self.group.budgets[usize::from(self.group.numbers[usize::from(target)])]
    }
}
