//! The four kinds of 429 loop. Two are seen from one request's history; the two here need memory across requests.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::routing::health::now_ms;

/// A pattern in which 429s feed themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopKind {
    /// One request saw three or more 429s with no byte between.
    Request,
    /// A client came back sooner than its Retry-After allowed.
    Client,
    /// More than two upstream calls a client request, over 60 s.
    Amplification,
    /// A fallback chain returned to a group that it had left.
    Chain,
}

impl LoopKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Request, Self::Client, Self::Amplification, Self::Chain];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Client => "client",
            Self::Amplification => "amplification",
            Self::Chain => "chain",
        }
    }
}

/// Clients that were told to wait. Keys are hashed with a secret of this process.
#[derive(Debug, Default)]
pub struct ClientLoops {
    hasher: RandomState,
    told: Mutex<HashMap<u64, Told>>,
}

#[derive(Clone, Debug)]
struct Told {
    until_ms: u64,
    returns: u32,
    /// For people; the key of the map is for the program.
    who: Arc<str>,
    group: Arc<str>,
}

/// A client that has come back before its time, and is not over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returning {
    /// Its address, its User-Agent and the id of its key.
    pub client: Arc<str>,
    /// The group that it asks for.
    pub group: Arc<str>,
    /// How often in a row it has come too soon.
    pub returns: u32,
    /// What is left of its wait.
    pub left_ms: u64,
}

/// So many of them are listed.
const LISTED: usize = 20;

/// A client that did not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early {
    /// How often in a row it has come too soon, this time included.
    pub returns: u32,
    /// What is left of its wait.
    pub left_ms: u64,
}

/// Clients remembered at once; past it the ones whose time is over go, and then new ones are not remembered.
const CLIENTS: usize = 10_000;

impl ClientLoops {
    /// `client` asked for `group`: something where it had been told to wait longer. `resent`: what its SDK says of the
    /// request (`x-stainless-retry-count`): a first try is no return, since several users may share a key.
    pub fn came(&self, client: &[u8], group: &str, resent: Option<bool>) -> Option<Early> {
        let mut told = self.told.lock();
        if told.is_empty() || resent == Some(false) {
            return None;
        }
        let client = self.hasher.hash_one((client, group));
        let now = now_ms();
        let entry = told.get_mut(&client)?;
        if entry.until_ms <= now {
            told.remove(&client);
            return None;
        }
        entry.returns = entry.returns.saturating_add(1);
        Some(Early { returns: entry.returns, left_ms: entry.until_ms - now })
    }

    /// `client` was told to wait so long. `who`: what people are to call it.
    pub fn told(&self, client: &[u8], who: impl FnOnce() -> Arc<str>, group: &Arc<str>, wait_ms: u64) {
        let now = now_ms();
        let until_ms = now.saturating_add(wait_ms);
        let mut told = self.told.lock();
        if told.len() >= CLIENTS {
            told.retain(|_, told| told.until_ms > now);
        }
        let client = self.hasher.hash_one((client, &**group));
        if let Some(entry) = told.get_mut(&client) {
            entry.until_ms = until_ms;
        } else if told.len() < CLIENTS {
            told.insert(client, Told { until_ms, returns: 0, who: who(), group: group.clone() });
        }
    }

    /// Those that do not wait, the worst first.
    pub fn returning(&self) -> Vec<Returning> {
        let now = now_ms();
        let told = self.told.lock();
        let mut all: Vec<_> = told.values().filter(|told| told.returns > 0 && told.until_ms > now).collect();
        all.sort_by_key(|told| std::cmp::Reverse(told.returns));
        let returning = |told: &&Told| Returning {
            client: told.who.clone(),
            group: told.group.clone(),
            returns: told.returns,
            left_ms: told.until_ms - now,
        };
        all.iter().take(LISTED).map(returning).collect()
    }
}

/// Upstream calls against client requests over the last 60 s, from counters that only grow.
#[derive(Debug, Default)]
pub struct Amplification {
    samples: std::collections::VecDeque<(u64, u64, u64)>,
    above: bool,
}

/// Fewer requests than this say nothing.
const MIN_REQUESTS: u64 = 5;
/// The ratio that is a loop, and the one below which the next is told again.
const LOOP: f64 = 2.0;
const CALM: f64 = 1.5;

impl Amplification {
    /// Takes the two counters as they are now; gives the ratio, and whether it has just passed 2.
    pub fn sample(&mut self, requests: u64, attempts: u64) -> (f64, bool) {
        let now = now_ms();
        if self.samples.is_empty() {
            // The counters began at 0; what came before the first sample counts.
            self.samples.push_back((now, 0, 0));
        }
        self.samples.push_back((now, requests, attempts));
        while self.samples.front().is_some_and(|(at, ..)| now.saturating_sub(*at) > 60_000) {
            self.samples.pop_front();
        }
        let (_, first_requests, first_attempts) =
            self.samples.front().copied().unwrap_or((now, requests, attempts));
        let (requests, attempts) =
            (requests - first_requests.min(requests), attempts - first_attempts.min(attempts));
        let ratio = if requests == 0 { 0.0 } else { attempts as f64 / requests as f64 };
        let above = requests >= MIN_REQUESTS && ratio > LOOP;
        let passed = above && !self.above;
        // One that stays near the limit is told once.
        self.above = above || (self.above && ratio > CALM);
        (ratio, passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_does_not_wait_is_seen() {
        let loops = ClientLoops::default();
        let told = |client: &[u8], group: &str, ms| {
            loops.told(client, || "10.0.0.7 key-1".into(), &group.into(), ms);
        };
        let returns = |client: &[u8], group: &str, resent| {
            loops.came(client, group, resent).map_or(0, |early| early.returns)
        };
        assert_eq!(returns(b"key", "gpt", None), 0);
        told(b"key", "gpt", 60_000);
        assert_eq!(returns(b"key", "gpt", None), 1);
        assert_eq!(returns(b"key", "other", None), 0);
        assert_eq!(returns(b"another", "gpt", None), 0);
        assert_eq!(returns(b"key", "gpt", Some(false)), 0, "its SDK says that it is another request");
        told(b"key", "gpt", 60_000);
        assert_eq!(returns(b"key", "gpt", Some(true)), 2, "being refused again does not begin anew");
        told(b"key", "gpt", 0);
        assert_eq!(returns(b"key", "gpt", Some(true)), 0, "it has waited");
        told(b"key", "gpt", 60_000);
        assert_eq!(returns(b"key", "gpt", None), 1, "having waited, it begins anew");
        told(b"another", "gpt", 60_000);
        let listed = loops.returning();
        assert_eq!(listed.len(), 1, "who waits is not listed: {listed:?}");
        assert_eq!((&*listed[0].client, &*listed[0].group, listed[0].returns), ("10.0.0.7 key-1", "gpt", 1));
    }

    #[test]
    fn amplification_is_told_once_when_it_begins() {
        let mut seen = Amplification::default();
        assert_eq!(seen.sample(2, 6).0, 3.0, "what came before the first sample is not lost");
        assert_eq!(seen.sample(4, 12), (3.0, false), "too few to say");
        assert_eq!(seen.sample(10, 30), (3.0, true));
        assert_eq!(seen.sample(20, 60), (3.0, false));
        assert!(!seen.sample(40, 76).1);
        assert!(!seen.sample(40, 84).1, "it has not been calm");
        assert!(!seen.sample(60, 62).1);
        assert_eq!(seen.sample(70, 210), (3.0, true));
    }
}
