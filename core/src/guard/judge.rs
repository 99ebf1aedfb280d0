//! When misses are a verdict, and when something may be done about it. No IO and no clock of its own.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::process::{Identity, Share};
use crate::config::Guard;

/// What a hung process is doing; decided by its CPU over the misses. It names the fault and decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It keeps a core busy, or would if it got one, and answers nobody.
    Spin,
    /// It answers nobody and does not use a core.
    Blocked,
    /// It is not there.
    Gone,
    /// No process is named.
    Unknown,
}

/// Of a core: more is a spin.
const SPIN: f64 = 0.9;

impl Class {
    pub(crate) const ALL: [Self; 4] = [Self::Spin, Self::Blocked, Self::Gone, Self::Unknown];

    /// Of one that is there.
    pub(super) fn of(cpu: Share) -> Self {
        if cpu.cores.max(cpu.wanted) >= SPIN { Self::Spin } else { Self::Blocked }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Blocked => "blocked",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

/// What one probe counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Answer,
    Miss,
    /// Nothing is known.
    Nothing,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It answers.
    Healthy,
    /// It misses, and is new: it may be loading.
    Loading,
    /// So many misses in a row; not enough yet.
    Missed(u32),
    /// Enough of them: act now.
    Act,
    /// Enough, and it is too early to act again.
    Pausing,
    /// Enough, and there have been too many actions: from here on nothing is done.
    GiveUp,
    /// That was said already.
    GivenUp,
    /// The probe says nothing.
    Unclear,
}

pub(super) struct Judge {
    misses: u32,
    start_grace: Duration,
    backoff: crate::config::Backoff,
    who: Option<Identity>,
    streak: u32,
    /// Since then without a miss.
    healthy: Option<Instant>,
    /// Until then a miss is the miss of one that is loading.
    loading: Option<Instant>,
    /// When something was done, and whether it has answered since. What has not helped at all is not forgotten with time.
    acted: VecDeque<(Instant, bool)>,
    /// No action before.
    pause: Option<Instant>,
    given_up: bool,
}

impl Judge {
    pub(super) fn new(guard: &Guard) -> Self {
        Self {
            misses: guard.probe.misses,
            start_grace: guard.start_grace,
            backoff: guard.backoff,
            who: None,
            streak: 0,
            healthy: None,
            loading: None,
            acted: VecDeque::new(),
            pause: None,
            given_up: false,
        }
    }

    /// The process that is there now, and its age. `true`: another one than before, whose misses are not this one's.
    pub(super) fn meet(&mut self, now: Instant, who: Identity, age: Duration) -> bool {
        if self.who == Some(who) {
            return false;
        }
        let first = self.who.replace(who).is_none();
        (self.streak, self.healthy) = (0, None);
        self.loading = self.start_grace.checked_sub(age).map(|left| now + left);
        !first
    }

    /// A probe was heard, or not.
    pub(super) fn hear(&mut self, now: Instant, heard: Heard) -> Step {
        match heard {
            Heard::Nothing => return Step::Unclear,
            Heard::Answer => {
                (self.streak, self.loading) = (0, None);
                self.acted.iter_mut().for_each(|(_, helped)| *helped = true);
                let since = *self.healthy.get_or_insert(now);
                // Somebody mended it.
                if self.given_up && now.saturating_duration_since(since) >= self.backoff.window {
                    self.given_up = false;
                }
                return Step::Healthy;
            }
            Heard::Miss => {}
        }
        self.healthy = None;
        if self.loading.is_some_and(|until| now < until) {
            return Step::Loading;
        }
        self.streak += 1;
        if self.streak < self.misses {
            return Step::Missed(self.streak);
        }
        if self.given_up {
            return Step::GivenUp;
        }
        if self.pause.is_some_and(|until| now < until) {
            return Step::Pausing;
        }
        if self.actions(now) >= self.backoff.give_up {
            self.given_up = true;
            return Step::GiveUp;
        }
        Step::Act
    }

    /// Something was done: a process that comes up is given time, and nothing more is done for a while.
    pub(super) fn acted(&mut self, now: Instant) {
        self.acted.push_back((now, false));
        let before = self.actions(now).saturating_sub(1).min(31);
        let pause = self.backoff.first.saturating_mul(1 << before).min(self.backoff.longest);
        self.pause = Some(now + pause);
        (self.streak, self.healthy) = (0, None);
        self.loading = Some(now + self.start_grace);
    }

    /// Actions within the window, and those before it after which it never answered.
    pub(super) fn actions(&mut self, now: Instant) -> u32 {
        let window = self.backoff.window;
        self.acted.retain(|(at, helped)| !helped || now.saturating_duration_since(*at) < window);
        u32::try_from(self.acted.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn streak(&self) -> u32 {
        self.streak
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.given_up
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
