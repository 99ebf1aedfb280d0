//! Histories: such as happen, and such as never should.

use tidegate_host::{Attempt, History, Target, abi};

use crate::plugin::check::rng::Rng;

/// What a history is lent from.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) names: Vec<(String, String)>,
    pub(super) numbers: Vec<Numbers>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) times: (u64, u64, u64),
    pub(super) left: (u32, u32),
    pub(super) group: String,
    pub(super) options: Vec<u8>,
    /// What the elements say that lie beside the arrays in memory, and belong to nobody.
    pub(super) behind: u32,
}

/// The numbers of a target.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    pub(super) small: [u32; 6],
    pub(super) large: [u64; 2],
}

/// Elements of nobody before and behind each array.
const BESIDE: usize = 4;

/// An attempt of numbers alone.
const NEVER: Attempt = Attempt {
    target: 0,
    error: 0,
    http_status: 0,
    flags: 0,
    started_ms: 0,
    ended_ms: 0,
    retry_after_ms: 0,
    bytes_to_client: 0,
};

/// Makes histories.
pub(super) struct Histories;

impl Histories {
    /// Such as happen: a group of its own, a fallback group, some attempts that failed.
    pub(super) fn sane(seed: u64, count: usize) -> impl Iterator<Item = Case> {
        let mut rng = Rng::new(seed);
        (0..count).map(move |_| sane(&mut rng))
    }

    /// Such as never should: every number may be any, every index may lead nowhere.
    pub(super) fn extreme(seed: u64, count: usize) -> impl Iterator<Item = Case> {
        let mut rng = Rng::new(seed);
        (0..count).map(move |_| extreme(&mut rng))
    }
}

fn sane(rng: &mut Rng) -> Case {
    let (own, others) = (1 + rng.below(4), rng.below(3));
    let name = |at: usize| match at < own {
        true => (format!("fast-{at}"), "fast".to_owned()),
        false => (format!("slow-{}", at - own), "slow".to_owned()),
    };
    let names: Vec<(String, String)> = (0..own + others).map(name).collect();
    let numbers = names
        .iter()
        .map(|_| Numbers {
            small: [
                1 + rng.below(5) as u32,
                rng.below(3) as u32,
                u32::from(rng.chance(6)) * abi::target::UNAVAILABLE,
                rng.below(20) as u32,
                rng.below(10) as u32,
                rng.below(100) as u32,
            ],
            large: [if rng.chance(4) { rng.below(5000) as u64 } else { 0 }, rng.below(2_000_000) as u64],
        })
        .collect();
    let tried = 1 + rng.below(4);
    let mut clock = 0;
    let attempts = (0..tried)
        .map(|_| {
            let started_ms = clock + rng.below(500) as u64;
            clock = started_ms + rng.below(5000) as u64;
            attempt(rng, rng.clone().below(own + others) as u32, started_ms, clock)
        })
        .collect();
    Case {
        names,
        numbers,
        attempts,
        times: (clock, clock + 1 + rng.below(60_000) as u64, rng.next()),
        left: (rng.below(4) as u32, rng.below(100) as u32),
        group: "fast".to_owned(),
        options: Vec::new(),
        behind: 0,
    }
}

fn flag(on: bool, bit: u32) -> u32 {
    if on { bit } else { 0 }
}

fn attempt(rng: &mut Rng, target: u32, started_ms: u64, ended_ms: u64) -> Attempt {
    let (error, http_status, retryable) = [
        (abi::error::RATE_LIMIT, 429, true),
        (abi::error::OVERLOADED, 503, true),
        (abi::error::SERVER, 500, true),
        (abi::error::AUTH, 401, false),
        (abi::error::BAD_REQUEST, 400, false),
        (abi::error::CONTEXT_LENGTH, 400, false),
        (abi::error::TIMEOUT, 408, true),
        (abi::error::TRANSPORT, 0, true),
        (abi::error::TRUNCATED, 200, true),
    ][rng.below(9)];
    let waits = error == abi::error::RATE_LIMIT && rng.chance(2);
    let committed = rng.chance(8);
    Attempt {
        target,
        error,
        http_status,
        flags: flag(retryable, abi::attempt::RETRYABLE)
            | flag(waits, abi::attempt::HAS_RETRY_AFTER)
            | flag(committed, abi::attempt::COMMITTED),
        started_ms,
        ended_ms,
        retry_after_ms: if waits { rng.below(10_000) as u64 } else { 0 },
        bytes_to_client: u64::from(committed) * 100,
    }
}

fn extreme(rng: &mut Rng) -> Case {
    const EDGES: [u64; 8] =
        [0, 1, u32::MAX as u64, u32::MAX as u64 + 1, i64::MAX as u64, u64::MAX - 1, u64::MAX, 1 << 52];
    let edge = |rng: &mut Rng| if rng.chance(3) { rng.next() } else { EDGES[rng.below(EDGES.len())] };
    let words = ["", "fast", "slow", "🌊 \0 \"", "fast"];
    let names: Vec<(String, String)> =
        (0..rng.below(6)).map(|_| (words[rng.below(5)].to_owned(), words[rng.below(5)].to_owned())).collect();
    let numbers = names
        .iter()
        .map(|_| Numbers {
            small: std::array::from_fn(|_| edge(rng) as u32),
            large: std::array::from_fn(|_| edge(rng)),
        })
        .collect();
    let attempts = (0..rng.below(5))
        .map(|_| Attempt {
            target: edge(rng) as u32,
            error: edge(rng) as u32,
            http_status: edge(rng) as u32,
            flags: edge(rng) as u32,
            started_ms: edge(rng),
            ended_ms: edge(rng),
            retry_after_ms: edge(rng),
            bytes_to_client: edge(rng),
        })
        .collect();
    let options = [&b""[..], b"{}", b"[", b"{\"num_retries\": -1, \"fallbacks\": 7}", b"null"][rng.below(5)];
    Case {
        names,
        numbers,
        attempts,
        times: (edge(rng), edge(rng), edge(rng)),
        left: (edge(rng) as u32, edge(rng) as u32),
        group: words[rng.below(5)].to_owned(),
        options: options.to_vec(),
        behind: 0,
    }
}

impl Case {
    /// Lends it.
    pub(super) fn with<T>(&self, ask: impl FnOnce(&History<'_>) -> T) -> T {
        let targets = self.names.iter().zip(&self.numbers).map(|((id, group), numbers)| {
            let [weight, order, flags, inflight, fails_minute, oks_minute] = numbers.small;
            let [cooldown_ms, latency_us] = numbers.large;
            Target {
                id: id.as_str().into(),
                group: group.as_str().into(),
                weight,
                order,
                flags,
                inflight,
                fails_minute,
                oks_minute,
                cooldown_ms,
                latency_us,
                ..Target::default()
            }
        });
        let behind = self.behind;
        let filler = Target {
            group: "fast".into(),
            id: "behind".into(),
            weight: behind,
            order: behind,
            ..Target::default()
        };
        let nobody = Attempt { target: behind, flags: behind, error: behind, ..NEVER };
        let around = |n| (BESIDE, BESIDE + n);
        let (from, to) = around(self.names.len());
        let beside = std::iter::repeat_n(filler, BESIDE);
        let targets: Vec<Target<'_>> = beside.clone().chain(targets).chain(beside).collect();
        let (first, end) = around(self.attempts.len());
        let beside = std::iter::repeat_n(nobody, BESIDE);
        let attempts: Vec<Attempt> =
            beside.clone().chain(self.attempts.iter().copied()).chain(beside).collect();
        let history = History {
            now_ms: self.times.0,
            deadline_ms: self.times.1,
            seed: self.times.2,
            attempts_left: self.left.0,
            retry_tokens: self.left.1,
            group: &self.group,
            options: &self.options,
            attempts: &attempts[first..end],
            targets: &targets[from..to],
            stream: self.times.2 & 1 == 0,
            prompt_tokens: self.times.2 >> 40,
        };
        ask(&history)
    }

    /// For people.
    pub(super) fn told(&self) -> String {
        let last = self.attempts.last();
        let last = last.map(|last| {
            format!(", the last on target {} with error {} and flags {}", last.target, last.error, last.flags)
        });
        format!(
            "{} targets, {} attempts{}, seed {:x}",
            self.names.len(),
            self.attempts.len(),
            last.unwrap_or_default(),
            self.times.2
        )
    }
}
