//! How many retries a group may still make: what keeps a failing upstream from getting more calls than a healthy one.
//!
//! As in Finagle and linkerd, every request that arrives allows a fraction of a retry for the length of a window, and
//! every retry is held against that for as long. What is allowed over any window is `floor + ratio * arrivals`.

use std::time::Duration;

use parking_lot::Mutex;

use super::health::now_ms;
use crate::config::RetryBudget;

/// A window is counted in so many slices, which leave it one at a time.
const SLICES: u64 = 10;

/// The budget of one group. It outlives a reload of the configuration that does not change it.
#[derive(Debug)]
pub struct Budget {
    /// What it was made of.
    pub settings: RetryBudget,
    floor: f64,
    slices: Mutex<[Slice; SLICES as usize]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    period: u64,
    arrivals: u32,
    retries: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(RetryBudget::default(), 0.0)
    }
}

impl Budget {
    /// `floor`: retries that a window allows without any request.
    pub fn new(settings: RetryBudget, floor: f64) -> Self {
        Self { settings, floor, slices: Mutex::default() }
    }

    /// Whether it was made of the same.
    pub fn is(&self, settings: RetryBudget, floor: f64) -> bool {
        self.settings == settings && (self.floor - floor).abs() < f64::EPSILON
    }

    /// A request came to the group.
    pub fn arrive(&self) {
        self.arrive_at(now_ms());
    }

    /// Takes a token for one retry; false where there is none.
    pub fn take(&self) -> bool {
        self.take_at(now_ms())
    }

    /// The retry that a token was taken for was not made.
    pub fn give_back(&self) {
        let mut slices = self.slices.lock();
        if let Some(slice) =
            slices.iter_mut().filter(|slice| slice.retries > 0).max_by_key(|slice| slice.period)
        {
            slice.retries -= 1;
        }
    }

    /// Retries that can be made now.
    pub fn tokens(&self) -> f64 {
        self.left(&self.slices.lock(), self.period(now_ms()))
    }

    fn arrive_at(&self, now_ms: u64) {
        let period = self.period(now_ms);
        let slices = &mut *self.slices.lock();
        let slice = current(slices, period);
        slice.arrivals = slice.arrivals.saturating_add(1);
    }

    fn take_at(&self, now_ms: u64) -> bool {
        let period = self.period(now_ms);
        let slices = &mut *self.slices.lock();
        if self.left(slices, period) < 1.0 {
            return false;
        }
        let slice = current(slices, period);
        slice.retries = slice.retries.saturating_add(1);
        true
    }

    fn left(&self, slices: &[Slice; SLICES as usize], period: u64) -> f64 {
        let oldest = period.saturating_sub(SLICES - 1);
        let counted = slices.iter().filter(|slice| slice.period >= oldest);
        let (arrivals, retries) = counted.fold((0.0, 0.0), |(arrivals, retries), slice| {
            (arrivals + f64::from(slice.arrivals), retries + f64::from(slice.retries))
        });
        // The sum of fractions must not fall short of the whole that it stands for.
        (self.floor + arrivals * self.settings.ratio - retries + 1e-9).max(0.0)
    }

    fn period(&self, now_ms: u64) -> u64 {
        let window = u64::try_from(self.settings.window.max(Duration::from_millis(SLICES)).as_millis());
        now_ms / (window.unwrap_or(u64::MAX) / SLICES)
    }
}

fn current(slices: &mut [Slice; SLICES as usize], period: u64) -> &mut Slice {
    let slice = &mut slices[usize::try_from(period % SLICES).unwrap_or(0)];
    if slice.period != period {
        *slice = Slice { period, ..Slice::default() };
    }
    slice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(ratio: f64, floor: f64) -> Budget {
        Budget::new(RetryBudget { ratio, min_per_second: 0.0, window: Duration::from_secs(10) }, floor)
    }

    /// Retries that are allowed at `at`, all taken.
    fn drain(budget: &Budget, at: u64) -> usize {
        (0..10_000).take_while(|_| budget.take_at(at)).count()
    }

    #[test]
    fn a_fifth_of_the_requests_and_the_floor() {
        for (ratio, floor, requests, allowed) in [
            (0.2, 0.0, 100, 20),
            (0.2, 0.0, 4, 0),
            (0.2, 0.0, 5, 1),
            (0.2, 10.0, 0, 10),
            (0.2, 10.0, 50, 20),
            (0.0, 0.0, 1000, 0),
            (1.0, 0.0, 7, 7),
        ] {
            let budget = budget(ratio, floor);
            for _ in 0..requests {
                budget.arrive_at(50_000);
            }
            assert_eq!(drain(&budget, 50_000), allowed, "{ratio} {floor} {requests}");
        }
    }

    #[test]
    fn what_was_allowed_and_what_was_taken_expire_with_the_window() {
        let budget = budget(0.2, 2.0);
        for _ in 0..50 {
            budget.arrive_at(100_000);
        }
        assert_eq!(drain(&budget, 100_500), 12);
        assert_eq!(drain(&budget, 105_000), 0, "within the window nothing comes back");
        assert_eq!(drain(&budget, 110_000), 2, "then the floor does, and the old requests are forgotten");
        budget.arrive_at(110_000);
        assert_eq!(drain(&budget, 300_000), 2);
    }

    #[test]
    fn over_a_long_storm_the_share_holds() {
        let budget = budget(0.2, 10.0);
        let mut retries = 0;
        for at in (0..60_000).step_by(10) {
            budget.arrive_at(at);
            retries += usize::from(budget.take_at(at));
        }
        let windows = 6;
        assert!(retries <= 6000 / 5 + 10 * windows, "{retries}");
        assert!(retries >= 6000 / 5, "{retries}: less than was promised");
    }

    #[test]
    fn a_token_that_is_given_back_is_there_again() {
        let budget = budget(0.0, 1.0);
        assert!(budget.take_at(now_ms()));
        assert!(!budget.take_at(now_ms()));
        budget.give_back();
        budget.give_back();
        assert!(budget.take_at(now_ms()));
        assert!(!budget.take_at(now_ms()), "not more than was taken");
    }
}
