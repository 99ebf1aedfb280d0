//! The four kinds of 429 loop. Two are seen from one request's history; the two here need memory across requests.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

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
    until: Mutex<HashMap<u64, u64>>,
}

/// Clients remembered at once; past it the ones whose time is over go, and then new ones are not remembered.
const CLIENTS: usize = 10_000;

impl ClientLoops {
    /// `client` asked for `group`: true when it had been told to wait longer.
    pub fn came(&self, client: &[u8], group: &str) -> bool {
        let until = self.until.lock();
        if until.is_empty() {
            return false;
        }
        until.get(&self.hasher.hash_one((client, group))).is_some_and(|until| now_ms() < *until)
    }

    /// `client` was told to wait so long.
    pub fn told(&self, client: &[u8], group: &str, wait_ms: u64) {
        let now = now_ms();
        let mut until = self.until.lock();
        if until.len() >= CLIENTS {
            until.retain(|_, until| *until > now);
        }
        if until.len() < CLIENTS {
            until.insert(self.hasher.hash_one((client, group)), now.saturating_add(wait_ms));
        }
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

impl Amplification {
    /// Takes the two counters as they are now; gives the ratio, and whether it has just passed 2.
    pub fn sample(&mut self, requests: u64, attempts: u64) -> (f64, bool) {
        let now = now_ms();
        self.samples.push_back((now, requests, attempts));
        while self.samples.front().is_some_and(|(at, ..)| now.saturating_sub(*at) > 60_000) {
            self.samples.pop_front();
        }
        let (_, first_requests, first_attempts) =
            self.samples.front().copied().unwrap_or((now, requests, attempts));
        let (requests, attempts) =
            (requests - first_requests.min(requests), attempts - first_attempts.min(attempts));
        let ratio = if requests == 0 { 0.0 } else { attempts as f64 / requests as f64 };
        let above = requests >= MIN_REQUESTS && ratio > 2.0;
        let passed = above && !self.above;
        self.above = above;
        (ratio, passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_does_not_wait_is_seen() {
        let loops = ClientLoops::default();
        assert!(!loops.came(b"key", "gpt"));
        loops.told(b"key", "gpt", 60_000);
        assert!(loops.came(b"key", "gpt"));
        assert!(!loops.came(b"key", "other"));
        assert!(!loops.came(b"another", "gpt"));
        loops.told(b"key", "gpt", 0);
        assert!(!loops.came(b"key", "gpt"));
    }

    #[test]
    fn amplification_is_told_once_when_it_begins() {
        let mut seen = Amplification::default();
        assert_eq!(seen.sample(0, 0), (0.0, false));
        assert_eq!(seen.sample(4, 12), (3.0, false), "too few to say");
        assert_eq!(seen.sample(10, 30), (3.0, true));
        assert_eq!(seen.sample(20, 60), (3.0, false));
        assert!(!seen.sample(60, 62).1);
        assert_eq!(seen.sample(70, 210), (3.0, true));
    }
}
