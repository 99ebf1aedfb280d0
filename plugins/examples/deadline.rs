//! A policy for requests whose time is short. It makes one call at a time (no hedging), takes a target whose answer is
//! expected within what is left, and calls nobody when nobody can finish: the client is told the error while it can still
//! do something else.
//!
//! The preference is the configuration's: the group that was asked for, then its fallbacks, in each the lowest `order`, and
//! whom this request has not called before whom it has.
//! As time runs out those that would need longer are passed over. How long an answer takes is the moving average of each
//! target's answers; one that has none yet is believed to be quick.
//!
//! ```yaml
//! tidegate: {policy: {name: deadline, params: {spare_ms: 100}}}   # what is to be left over; 0 if not written
//! ```
#![forbid(unsafe_code)]

#[path = "common.rs"]
mod common;

use common::Settings;
use tidegate_plugin_sdk::{Action, Attempt, History, Host, Policy, Target, export_plugin};

/// The least pause before a target that failed in this request is called again.
const PAUSE_MS: u64 = 250;
/// Calls of one target in one request.
const CALLS: usize = 2;

/// The policy.
pub struct Deadline {
    settings: Settings,
    spare_ms: u64,
}

impl Policy for Deadline {
    const PICKS: bool = true;

    fn create(config_json: &str, _host: Host) -> Result<Self, String> {
        let settings = Settings::read(config_json, &["spare_ms"])?;
        Ok(Self { spare_ms: settings.number("spare_ms", 0)?, settings })
    }

    /// Where nobody is expected to be in time the quickest is tried: an answer that comes late is cut by the deadline,
    /// one that was never asked for cannot come at all.
    fn pick(&self, history: &History<'_>) -> Action {
        let quickest = || {
            let free = history.free().filter(|(_, target)| common::can_follow(history, target));
            free.min_by_key(|(_, target)| expected_ms(target)).map(|(index, _)| history.go_to(index, 0))
        };
        self.in_time(history, None).or_else(quickest).unwrap_or_default()
    }

    fn decide(&self, history: &History<'_>) -> Action {
        let cooldown_ms = self.settings.cooldown_ms(history);
        let resting = history.last().filter(|_| cooldown_ms > 0).map(|last| last.target);
        self.in_time(history, resting).unwrap_or_default().cooldown(cooldown_ms)
    }
}

impl Deadline {
    /// The most preferred target that can be called and can answer in what is left. `resting`: this very answer puts it
    /// aside.
    fn in_time(&self, history: &History<'_>, resting: Option<u32>) -> Option<Action> {
        let left_ms = history.deadline_ms.saturating_sub(history.now_ms).saturating_sub(self.spare_ms);
        let candidates: Vec<_> = history
            .free()
            .filter(|(index, target)| resting != Some(*index) && common::can_follow(history, target))
            .filter_map(|(index, target)| {
                let delay_ms = delay_ms(history, index)?;
                // At the deadline itself nothing can be finished.
                let fits = delay_ms.saturating_add(expected_ms(target)) < left_ms;
                let place = common::place(history, target).filter(|_| fits)?;
                // To wait for one that failed is the second best.
                let failed = history.last_on(index).is_some();
                Some(((place, failed, target.order, delay_ms), index, target))
            })
            .collect();
        let best = candidates.iter().map(|(rank, ..)| *rank).min()?;
        let alike: Vec<(u32, &Target<'_>)> = candidates
            .into_iter()
            .filter(|(rank, ..)| *rank == best)
            .map(|(_, index, target)| (index, target))
            .collect();
        let (.., delay_ms) = best;
        history.draw(&alike).map(|target| history.go_to(target, delay_ms))
    }
}

/// How long an answer of this target takes; 0: nothing is known of it.
fn expected_ms(target: &Target<'_>) -> u64 {
    let micros = if target.total_us > 0 { target.total_us } else { target.latency_us };
    micros.div_ceil(1000)
}

/// How long to wait before this target is called; `None`: not in this request.
fn delay_ms(history: &History<'_>, target: u32) -> Option<u64> {
    let its = || history.attempts.iter().filter(|attempt| attempt.target == target);
    let Some(last) = its().next_back() else { return Some(0) };
    let gives_up = |attempt: &Attempt| attempt.quota || !attempt.retryable;
    if its().any(gives_up) || its().count() >= CALLS {
        return None;
    }
    let from_ms = last.ended_ms.saturating_add(PAUSE_MS.max(last.retry_after_ms.unwrap_or(0)));
    Some(from_ms.saturating_sub(history.now_ms))
}

export_plugin! { name: "deadline", manifest: "{}", policy: Deadline }
