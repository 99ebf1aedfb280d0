//! How many retries a model group may add to its requests.

use std::time::Duration;

use super::model::Config;

/// A group's retry budget in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Retries that each arriving request allows.
    pub ratio: f64,
    /// Retries a second that are allowed however few requests come; 0: none.
    pub min_per_second: f64,
    /// For how long a request allows retries, and a retry is held against them.
    pub window: Duration,
}

/// What a file names of it; `None` where it is silent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WrittenRetryBudget {
    /// [`RetryBudget::ratio`].
    pub ratio: Option<f64>,
    /// [`RetryBudget::min_per_second`].
    pub min_per_second: Option<f64>,
    /// [`RetryBudget::window`].
    pub window: Option<Duration>,
}

impl Default for RetryBudget {
    /// The ratio and the window are those of Finagle and linkerd. Their floor of 10 a second fits services with far more
    /// requests than models get.
    fn default() -> Self {
        Self { ratio: 0.2, min_per_second: 1.0, window: Duration::from_secs(10) }
    }
}

impl WrittenRetryBudget {
    /// Fills what is silent from `below`.
    pub fn over(self, below: RetryBudget) -> RetryBudget {
        RetryBudget {
            ratio: self.ratio.unwrap_or(below.ratio),
            min_per_second: self.min_per_second.unwrap_or(below.min_per_second),
            window: self.window.unwrap_or(below.window),
        }
    }
}

impl Config {
    /// The retry budget of a group: the defaults, `tidegate.retry_budget`, and the group's own on top.
    pub fn retry_budget_for(&self, group: &str) -> RetryBudget {
        let own = self.tidegate.groups.get(group).map(|overrides| overrides.retry_budget).unwrap_or_default();
        own.over(self.tidegate.retry_budget)
    }

    /// The retries that a group's budget allows in one window however few requests come: the floor, and where there is
    /// one at least what a single request may use.
    pub fn retry_floor(&self, group: &str) -> f64 {
        let budget = self.retry_budget_for(group);
        if budget.min_per_second <= 0.0 {
            return 0.0;
        }
        let its = self.group(group);
        let of_one = its.map_or(0, |its| self.attempts_within(group, its, None).saturating_sub(1));
        (budget.min_per_second * budget.window.as_secs_f64()).max(f64::from(of_one))
    }
}
