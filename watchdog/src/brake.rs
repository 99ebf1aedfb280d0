//! Limits over a sliding minute: how much may be aborted in all, and how often a rule may warn.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::Brake;

const MINUTE: Duration = Duration::from_secs(60);

/// Times within the last minute, on the sampler's own clock.
#[derive(Debug, Default)]
pub(crate) struct Minute(VecDeque<Duration>);

impl Minute {
    /// Takes one of `limit` places, unless all are taken.
    pub(crate) fn take(&mut self, now: Duration, limit: usize) -> bool {
        while self.0.front().is_some_and(|oldest| now.saturating_sub(*oldest) >= MINUTE) {
            self.0.pop_front();
        }
        let free = self.0.len() < limit;
        if free {
            self.0.push_back(now);
        }
        free
    }
}

impl Brake {
    /// How many aborts a minute are allowed with so many live streams.
    pub(crate) fn limit(&self, live: usize) -> usize {
        self.per_minute.max((live as f64 * self.share).floor() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_a_minute_with_few_streams_and_a_share_of_many() {
        let brake = Brake::default();
        assert_eq!([0, 1, 100, 119, 120, 10_000].map(|live| brake.limit(live)), [5, 5, 5, 5, 6, 500]);
    }

    #[test]
    fn a_place_is_free_again_after_a_minute() {
        let mut minute = Minute::default();
        let at = Duration::from_secs;
        assert!([0, 1, 2].into_iter().all(|s| minute.take(at(s), 3)));
        assert!(!minute.take(at(59), 3));
        assert!(minute.take(at(60), 3));
        assert!(!minute.take(at(60), 3), "only the first one's place");
        assert!(!Minute::default().take(at(0), 0));
    }
}
