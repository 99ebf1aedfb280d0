//! Is the call that a worker is at taking too long?
//!
//! A worker serves one call at a time, in order, so the first unanswered one is the one it is at. It is judged by the
//! worker's own CPU clock: on a machine that starves, time passes without anything being wrong. By the clock a call is
//! late after 8 times as long, and only when the worker does not want to run.

use std::time::Duration;

/// Of the time by the clock, to CPU time.
const PATIENCE: u32 = 8;

/// What is known of the call that the worker is at.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Which one; each call in line has a number of its own.
    head: Option<u64>,
    cpu_at: Option<Duration>,
    waited: Duration,
}

/// What a worker has used and does, asked for when it matters.
pub(crate) trait Vitals {
    /// CPU time so far, where the system says.
    fn cpu(&self) -> Option<Duration>;
    /// It wants to run: it is running, or waits for a CPU.
    fn wants_to_run(&self) -> bool;
}

impl Watch {
    /// Looks at the call at the head of the line. `gap`: the time since the last look, as far as it counts. Answers whether
    /// the call is late. A call that was not the head at the last look has all its time still before it, so that it can
    /// only be judged too late, never too early.
    pub(crate) fn look(
        &mut self,
        head: Option<(u64, Duration)>,
        gap: Duration,
        worker: &impl Vitals,
    ) -> bool {
        let Some((number, deadline)) = head else {
            self.head = None;
            return false;
        };
        if self.head != Some(number) {
            *self = Self { head: Some(number), cpu_at: worker.cpu(), waited: Duration::ZERO };
            return false;
        }
        self.waited += gap;
        if let (Some(before), Some(now)) = (self.cpu_at, worker.cpu())
            && now.saturating_sub(before) > deadline
        {
            return true;
        }
        self.waited > deadline * PATIENCE && !worker.wants_to_run()
    }
}

/// Does a worker work though nothing is asked of it? A plugin that starts threads can, and no call of it is ever late.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    cpu_at: Option<Duration>,
    since: Duration,
}

/// So long nothing was asked.
const LONG_IDLE: Duration = Duration::from_secs(10);

impl Idle {
    /// Answers whether it used a fifth of a CPU for long while nothing was asked: less would be a runtime that tidies up, and
    /// on a machine that starves one that spins may not get more. `gap`: the time since the last look.
    pub(crate) fn look(&mut self, idle: bool, gap: Duration, worker: &impl Vitals) -> bool {
        if !idle {
            *self = Self::default();
            return false;
        }
        let Some(before) = self.cpu_at else {
            *self = Self { cpu_at: worker.cpu(), since: Duration::ZERO };
            return false;
        };
        self.since += gap;
        if self.since < LONG_IDLE {
            return false;
        }
        let (since, now) = (self.since, worker.cpu());
        *self = Self { cpu_at: now, since: Duration::ZERO };
        now.is_some_and(|now| now.saturating_sub(before) > since / 5)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Default)]
    struct Played {
        cpu: Cell<u64>,
        runs: Cell<bool>,
        blind: bool,
    }

    impl Vitals for Played {
        fn cpu(&self) -> Option<Duration> {
            (!self.blind).then(|| Duration::from_millis(self.cpu.get()))
        }
        fn wants_to_run(&self) -> bool {
            self.runs.get()
        }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Looks every 25 ms at one call until it is late, at most a thousand times; what the worker uses of each is said.
    fn late_after(worker: &Played, cpu_per_look: u64) -> Option<u64> {
        let mut watch = Watch::default();
        for looks in 0..1000 {
            if watch.look(Some((1, ms(250))), ms(25), worker) {
                return Some(looks * 25);
            }
            worker.cpu.set(worker.cpu.get() + cpu_per_look);
        }
        None
    }

    #[test]
    fn a_call_is_late_by_the_cpu_that_it_used() {
        let spinning = Played { runs: Cell::new(true), ..Played::default() };
        assert_eq!(late_after(&spinning, 25), Some(275));
        let starved = Played { runs: Cell::new(true), ..Played::default() };
        assert_eq!(late_after(&starved, 1), Some(251 * 25), "a starved worker has its CPU time all the same");
        assert_eq!(late_after(&Played { runs: Cell::new(true), ..Played::default() }, 0), None);
    }

    #[test]
    fn a_worker_that_waits_for_something_is_late_by_the_clock() {
        assert_eq!(late_after(&Played::default(), 0), Some(2025));
        assert_eq!(late_after(&Played { blind: true, ..Played::default() }, 25), Some(2025));
    }

    #[test]
    fn a_worker_that_works_unasked_is_found_and_one_that_was_asked_is_not() {
        let unasked = |cpu_per_look: u64, asked_every: usize| {
            let (worker, mut idle) = (Played::default(), Idle::default());
            (0..1000).any(|look| {
                worker.cpu.set(worker.cpu.get() + cpu_per_look);
                idle.look(look % asked_every != 0, ms(100), &worker)
            })
        };
        assert!(unasked(25, 200));
        assert!(!unasked(15, 200), "a garbage collector, say");
        assert!(!unasked(100, 50), "it is asked every five seconds");
    }

    #[test]
    fn each_call_has_its_own_time() {
        let (worker, mut watch) = (Played { runs: Cell::new(true), ..Played::default() }, Watch::default());
        for number in 0..1000 {
            worker.cpu.set(number * 200);
            assert!(!watch.look(Some((number, ms(250))), ms(25), &worker), "busy, and never late");
        }
        assert!(!watch.look(None, ms(25), &worker));
        worker.cpu.set(1_000_000);
        assert!(
            !watch.look(Some((1000, ms(250))), ms(25), &worker),
            "what was used before it is not its own"
        );
    }
}
