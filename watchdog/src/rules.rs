//! The rules: what is too much. Pure functions over what the sampler saw, and the memory they need between two looks.

use std::time::Duration;

use crate::config::{Cpu, NoProgress, Strikes, StuckPoll};

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    Fine,
    Warn,
    Abort,
}

/// Counts the looks that found the same fault.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StrikeCount(u8);

impl StrikeCount {
    /// Answers whether there were enough.
    fn look(&mut self, faulty: bool, strikes: &Strikes) -> bool {
        self.0 = if faulty { self.0.saturating_add(1) } else { self.0.saturating_sub(1) };
        faulty && self.0 >= strikes.needed
    }
}

/// A stream's streak of polls without progress (R1), at one look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streak {
    pub(crate) polls: u32,
    pub(crate) age: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoProgressMemory {
    strikes: StrikeCount,
    last: u32,
}

impl NoProgress {
    pub(crate) fn judge(
        &self,
        streak: Streak,
        memory: &mut NoProgressMemory,
        strikes: &Strikes,
    ) -> Judgement {
        // A streak that stands still is a stream that waits, whatever it did before.
        let goes_on = streak.polls > memory.last;
        memory.last = streak.polls;
        let faulty = goes_on && streak.polls >= self.abort_polls && streak.age >= self.min_age;
        if memory.strikes.look(faulty, strikes) {
            Judgement::Abort
        } else if goes_on && streak.polls >= self.warn_polls {
            Judgement::Warn
        } else {
            Judgement::Fine
        }
    }
}

/// A stream's use of a worker since its last progress (R2), at one look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    /// Time in polls, exact, but including time when the thread did not run.
    pub(crate) busy: Duration,
    /// Thread CPU, by sampling: right on the average only.
    pub(crate) cpu: Duration,
}

impl Cpu {
    /// Both measures must agree: each is wrong where the other is right.
    pub(crate) fn judge(&self, used: Use, memory: &mut StrikeCount, strikes: &Strikes) -> Judgement {
        let both = |limit| used.busy >= limit && used.cpu >= limit;
        if memory.look(both(self.abort), strikes) {
            Judgement::Abort
        } else if both(self.warn) {
            Judgement::Warn
        } else {
            Judgement::Fine
        }
    }
}

/// A poll that lasts (R4), at one look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongPoll {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl StuckPoll {
    pub(crate) fn is_stuck(&self, poll: LongPoll) -> bool {
        poll.cpu >= self.warn || poll.wall >= self.warn_wall
    }

    pub(crate) fn judge(&self, poll: LongPoll, memory: &mut StrikeCount, strikes: &Strikes) -> Judgement {
        let faulty = poll.cpu >= self.abort_cpu || poll.wall >= self.abort_wall;
        if memory.look(faulty, strikes) {
            Judgement::Abort
        } else if self.is_stuck(poll) {
            Judgement::Warn
        } else {
            Judgement::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Judgement::{Abort, Fine, Warn};
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn r1(rule: &NoProgress, looks: &[(u32, u32)]) -> Vec<Judgement> {
        let mut memory = NoProgressMemory::default();
        let judge = |(polls, ms): &(u32, u32)| {
            rule.judge(Streak { polls: *polls, age: MS * *ms }, &mut memory, &Strikes::default())
        };
        looks.iter().map(judge).collect()
    }

    #[test]
    fn r1_aborts_at_the_second_look_at_a_streak_that_goes_on() {
        let rule = NoProgress::default();
        assert_eq!(r1(&rule, &[(1, 900), (1, 9_000)]), [Fine, Fine]);
        assert_eq!(r1(&rule, &[(199, 600), (999, 900)]), [Fine, Warn]);
        assert_eq!(r1(&rule, &[(1_000, 600), (1_001, 850)]), [Warn, Abort]);
        assert_eq!(r1(&rule, &[(90_000, 100), (9_000_000, 350), (9_900_000, 600)]), [Warn, Warn, Warn]);
        assert_eq!(r1(&rule, &[(5_000, 600), (5_000, 60_000), (5_000, 90_000)]), [Warn, Fine, Fine]);
    }

    #[test]
    fn r1_does_not_ask_how_fast() {
        // 199 polls a second, as on a saturated machine.
        let looks: Vec<_> = (1..=30).map(|n| (n * 50, n * 250)).collect();
        let judged = r1(&NoProgress::default(), &looks);
        assert_eq!(judged.iter().position(|j| *j == Abort), Some(20));
    }

    #[test]
    fn r1_without_its_thresholds_kills_healthy_streams() {
        let healthy = [(1, 10_000), (2, 20_000), (3, 30_000)];
        assert!(!r1(&NoProgress::default(), &healthy).contains(&Abort));
        let mutant = NoProgress { abort_polls: 0, ..NoProgress::default() };
        assert!(r1(&mutant, &healthy).contains(&Abort));
        let burst = [(400_000, 250), (800_000, 499)];
        assert!(!r1(&NoProgress::default(), &burst).contains(&Abort));
        let mutant = NoProgress { min_age: Duration::ZERO, ..NoProgress::default() };
        assert!(r1(&mutant, &burst).contains(&Abort));
    }

    #[test]
    fn r2_needs_both_clocks() {
        let judge = |busy: u32, cpu: u32| {
            let used = Use { busy: MS * busy, cpu: MS * cpu };
            let mut memory = StrikeCount::default();
            Cpu::default().judge(used, &mut memory, &Strikes::default());
            Cpu::default().judge(used, &mut memory, &Strikes::default())
        };
        assert_eq!(judge(249, 900), Fine);
        assert_eq!(judge(300, 300), Warn);
        assert_eq!(judge(5_000, 900), Warn, "the machine was busy with others");
        assert_eq!(judge(900, 5_000), Warn, "the sampler met it by chance");
        assert_eq!(judge(1_000, 1_000), Abort);
    }

    #[test]
    fn r4_goes_by_cpu_and_only_after_ten_seconds_by_time() {
        let judge = |wall: u32, cpu: u32, looks: usize| {
            let poll = LongPoll { wall: MS * wall, cpu: MS * cpu };
            let mut memory = StrikeCount::default();
            (0..looks).map(|_| StuckPoll::default().judge(poll, &mut memory, &Strikes::default())).last()
        };
        assert_eq!(judge(99, 99, 2), Some(Fine));
        assert_eq!(judge(100, 100, 2), Some(Warn));
        assert_eq!(judge(999, 99, 2), Some(Fine), "starved");
        assert_eq!(judge(1_000, 0, 2), Some(Warn), "blocked");
        assert_eq!(judge(1_100, 1_000, 1), Some(Warn), "one more tick");
        assert_eq!(judge(1_100, 1_000, 2), Some(Abort));
        assert_eq!(judge(9_999, 999, 2), Some(Warn), "starved or blocked, not yet for long enough");
        assert_eq!(judge(10_000, 0, 2), Some(Abort));
    }

    #[test]
    fn a_clean_look_takes_a_strike_back() {
        let strikes = Strikes::default();
        let mut count = StrikeCount::default();
        let looks = [true, false, true, false, true, true].map(|faulty| count.look(faulty, &strikes));
        assert_eq!(looks, [false, false, false, false, false, true]);
        let mut count = StrikeCount::default();
        assert!(count.look(true, &Strikes { needed: 1 }), "a mutant without hysteresis acts at once");
    }
}
