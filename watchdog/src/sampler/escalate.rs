//! The last rungs: another runtime, or the end of the process.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Sampler;
use crate::capacity::Step;
use crate::config::Mode;

/// A runtime that was asked for and is not there by then will not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was begun.
#[derive(Debug, Default)]
pub(super) struct Escalation {
    /// Another runtime was asked for when there were so many takeovers, and when.
    asked: Option<(usize, Duration)>,
    gave_up: bool,
}

impl Sampler {
    pub(super) fn escalate(&mut self) {
        let over = self.escalation.gave_up || self.shared.draining.load(Relaxed);
        if self.shared.config.mode != Mode::Enforce || over {
            return;
        }
        let workers = self.capacity();
        let now = Duration::from_nanos(self.now);
        let asked = self.escalation.asked.filter(|(takeovers, _)| *takeovers == workers.takeovers);
        match (workers.step(), asked) {
            (Step::Fine, _) => {}
            (Step::TakeOver, None) => {
                self.escalation.asked = Some((workers.takeovers, now));
                self.ladder.take_over(workers);
            }
            (Step::TakeOver, Some((_, at))) if now.saturating_sub(at) < PATIENCE => {}
            (Step::TakeOver | Step::GiveUp, _) => {
                self.escalation.gave_up = true;
                let (dump, shared) = (self.dump_workers(), Arc::clone(&self.shared));
                self.ladder.give_up(workers, dump, shared.streams());
            }
        }
    }
}
