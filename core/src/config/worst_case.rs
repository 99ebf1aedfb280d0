//! The most that one request to a group can cost: calls to providers, and time.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tidegate_engine::MAX_ATTEMPTS;

use super::model::{Config, Deployment, Group};

/// The longest back-off that the policy asks for: a Retry-After of 60 s, and the most jitter on top.
const LONGEST_BACKOFF: Duration = Duration::from_millis(60_750);

/// The most that one request to a group can cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorstCase {
    /// The group's name.
    pub group: String,
    /// How many deployments it has.
    pub deployments: usize,
    /// Calls to providers: 1 + retries, and as many again for each fallback; at most the engine's limit.
    pub attempts: u32,
    /// Of them, those that can only go on with a stream that broke off after content: 0 or 1.
    pub continuations: u32,
    /// The groups a request may be passed on to.
    pub fallbacks: Vec<String>,
    /// When a non-streaming request is over at the latest: its total clock.
    pub request: Duration,
    /// When a stream is over at the latest.
    pub stream: Duration,
    /// A non-streaming request of which every call hears nothing.
    pub silent_request: Silent,
    /// A stream of which every call hears nothing.
    pub silent_stream: Silent,
}

/// How long it takes until the client has its error when no provider says a word until the end of its clock, or all ask
/// for the longest wait that is honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// How many calls wait how long for their first content, the longest first.
    pub waits: Vec<(u32, Duration)>,
    /// Back-offs between calls of one group; a step to another group waits for nothing.
    pub backoffs: u32,
    /// The request's total clock.
    pub total: Duration,
}

impl Config {
    /// The worst case of a group.
    pub fn worst_case(&self, group: &Group) -> WorstCase {
        let reach = self.reach(&group.name, None).groups;
        let fallbacks = reach.iter().skip(1).map(|name| (*name).to_owned()).collect();
        // A deadline belongs to the request, so the group that was asked for sets it, by its slowest deployment.
        let longest = |stream| {
            let totals =
                self.deployments_of(group).map(|deployment| self.clocks_of(deployment, stream).total);
            totals.max().unwrap_or_else(|| self.clocks_for(&group.name).total)
        };
        let (request, stream) = (longest(false), longest(true));
        WorstCase {
            group: group.name.clone(),
            deployments: group.deployments.len(),
            attempts: self.attempts(&group.name, None),
            continuations: self.continuations(&group.name, None),
            fallbacks,
            request,
            stream,
            silent_request: self.silent(&reach, false, request),
            silent_stream: self.silent(&reach, true, stream),
        }
    }

    fn silent(&self, reach: &[&str], stream: bool, total: Duration) -> Silent {
        let mut waits: BTreeMap<Duration, u32> = BTreeMap::new();
        let mut backoffs = 0_u32;
        for (name, group) in reach.iter().filter_map(|name| self.group(name).map(|group| (*name, group))) {
            for order in self.orders_of(group) {
                let its = || self.deployments_of(group).filter(move |it| it.rank() == order);
                let wait = its().map(|it| self.wait(it, stream)).max().unwrap_or_default();
                let retries = its().map(|it| self.retries_of(name, it, None)).max().unwrap_or(0);
                let calls = waits.entry(wait).or_default();
                *calls = calls.saturating_add(retries.saturating_add(1));
                backoffs = backoffs.saturating_add(retries);
            }
        }
        Silent {
            waits: waits.into_iter().rev().map(|(wait, calls)| (calls, wait)).collect(),
            backoffs,
            total,
        }
    }

    /// How long one call waits for its first content.
    fn wait(&self, deployment: &Deployment, stream: bool) -> Duration {
        let clocks = self.clocks_of(deployment, stream);
        clocks.first_content.min(clocks.total)
    }
}

impl Silent {
    /// Calls as the configuration has them; the engine makes at most [`MAX_ATTEMPTS`].
    pub fn attempts(&self) -> u32 {
        self.waits.iter().map(|(calls, _)| *calls).fold(0, u32::saturating_add)
    }

    /// What the configuration adds up to.
    pub fn sum(&self) -> Duration {
        let calls = self.waits.iter().map(|(calls, wait)| wait.saturating_mul(*calls));
        calls.fold(LONGEST_BACKOFF.saturating_mul(self.backoffs), Duration::saturating_add)
    }

    /// When the client has its error at the latest.
    pub fn ends(&self) -> Duration {
        self.sum().min(self.total)
    }
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<String> =
            self.waits.iter().map(|(calls, wait)| format!("{calls} x {}", long(*wait))).collect();
        write!(f, "{}", calls.join(" + "))?;
        if self.backoffs > 0 {
            write!(f, " + {} x {} of back-off", self.backoffs, long(LONGEST_BACKOFF))?;
        }
        write!(f, " = {}", long(self.sum()))?;
        if self.attempts() > MAX_ATTEMPTS {
            write!(f, "; no request has more than {MAX_ATTEMPTS} calls")?;
        }
        if self.sum() > self.total {
            write!(f, "; the total clock ends it at {}", long(self.total))?;
        }
        Ok(())
    }
}

/// A duration in whole units: `1h2m3s`, rounded up to a second from a minute on.
fn long(time: Duration) -> String {
    let ms = time.as_millis();
    if ms < 60_000 {
        return super::units::show(time);
    }
    let seconds = ms.div_ceil(1000);
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_at_a_glance() {
        let shown = |ms| long(Duration::from_millis(ms));
        assert_eq!(shown(0), "0s");
        assert_eq!(shown(1_500), "1500ms");
        assert_eq!(shown(59_000), "59s");
        assert_eq!(shown(60_750), "1m1s");
        assert_eq!(shown(3_600_000), "1h");
        assert_eq!(shown(3_723_000), "1h2m3s");
    }

    #[test]
    fn sums_do_not_overflow() {
        let huge = Silent {
            waits: vec![(u32::MAX, Duration::MAX), (u32::MAX, Duration::MAX)],
            backoffs: u32::MAX,
            total: Duration::from_secs(60),
        };
        assert_eq!((huge.attempts(), huge.sum(), huge.ends()), (u32::MAX, Duration::MAX, huge.total));
    }
}
