//! What a deployment was used for in the minute of the clock that runs now, as providers and litellm count it: requests at
//! their start, tokens when the answer says what it cost.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::health::now_ms;
use crate::config::Window;

/// Counts of the current minute.
#[derive(Debug, Default)]
pub struct Usage(Mutex<Minute>);

#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    /// Minutes since 1970.
    number: u64,
    requests: u32,
    tokens: u64,
}

impl Usage {
    /// A call begins.
    pub fn request(&self) {
        self.at(minute(unix())).requests += 1;
    }

    /// An answer cost so many tokens.
    pub fn tokens(&self, tokens: u64) {
        let mut now = self.at(minute(unix()));
        now.tokens = now.tokens.saturating_add(tokens);
    }

    /// Requests and tokens so far.
    pub fn now(&self) -> (u32, u64) {
        let now = self.at(minute(unix()));
        (now.requests, now.tokens)
    }

    fn at(&self, number: u64) -> parking_lot::MutexGuard<'_, Minute> {
        let mut minute = self.0.lock();
        if minute.number != number {
            *minute = Minute { number, ..Minute::default() };
        }
        minute
    }
}

fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn minute(unix: Duration) -> u64 {
    unix.as_secs() / 60
}

/// How long the current minute still lasts.
pub fn rest_of_minute() -> Duration {
    rest(unix())
}

fn rest(unix: Duration) -> Duration {
    Duration::from_secs(60)
        .saturating_sub(Duration::from_millis(u64::try_from(unix.as_millis() % 60_000).unwrap_or(0)))
}

/// The times of the last answers.
#[derive(Debug, Default)]
pub struct Times(Mutex<VecDeque<(u64, u64)>>);

impl Times {
    /// An answer took `time`.
    pub fn add(&self, window: Window, time: Duration) {
        let mut times = self.0.lock();
        while times.len() >= window.size.max(1) {
            times.pop_front();
        }
        times.push_back((now_ms(), u64::try_from(time.as_micros()).unwrap_or(u64::MAX)));
    }

    /// The average in microseconds, at least 1; 0: none is known.
    pub fn average_us(&self, window: Window) -> u64 {
        let oldest = now_ms().saturating_sub(u64::try_from(window.ttl.as_millis()).unwrap_or(u64::MAX));
        let times = self.0.lock();
        let counted = times.iter().filter(|(at, _)| *at >= oldest).map(|(_, time)| u128::from(*time));
        let (count, sum) = counted.fold((0_u128, 0_u128), |(count, sum), time| (count + 1, sum + time));
        sum.checked_div(count).map_or(0, |average| u64::try_from(average).unwrap_or(u64::MAX).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_begins_at_nothing() {
        let usage = Usage::default();
        // One look at a time: a guard lives to the end of its statement.
        let at = |minute| {
            let now = usage.at(minute);
            (now.requests, now.tokens)
        };
        usage.at(7).requests += 2;
        usage.at(7).tokens += 30;
        assert_eq!(at(7), (2, 30));
        assert_eq!(at(8), (0, 0));
        assert_eq!(at(7), (0, 0), "a clock that was put back begins anew too");
        assert_eq!(rest(Duration::from_millis(125_500)), Duration::from_millis(54_500));
        assert_eq!(rest(Duration::from_secs(60)), Duration::from_secs(60));
    }

    #[test]
    fn the_last_answers_count() {
        let window = Window { size: 2, ttl: Duration::from_secs(3600) };
        let times = Times::default();
        assert_eq!(times.average_us(window), 0);
        for micros in [1000, 10, 30] {
            times.add(window, Duration::from_micros(micros));
        }
        assert_eq!(times.average_us(window), 20, "the first is out");
        times.add(window, Duration::ZERO);
        times.add(window, Duration::ZERO);
        assert_eq!(times.average_us(window), 1, "known, and as fast as can be");
    }
}
