//! A process with its children and theirs, and the CPU of the busiest of them.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::{Identity, Seen, all, is_protected};

/// The processes themselves, those that are there, and everything that descends from them. Reads the whole table, once.
pub(in crate::guard) fn trees(roots: &[Identity]) -> Vec<Seen> {
    forest(&all(), roots)
}

fn forest(all: &[Seen], roots: &[Identity]) -> Vec<Seen> {
    let mut known = HashSet::new();
    let seen = roots.iter().flat_map(|root| within(all, *root));
    seen.filter(|seen| known.insert(seen.identity)).collect()
}

fn within(all: &[Seen], root: Identity) -> Vec<Seen> {
    let mut found: Vec<Seen> = all.iter().copied().filter(|seen| seen.identity == root).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|seen| seen.identity) {
        next += 1;
        let known: Vec<u32> = found.iter().map(|seen| seen.identity.pid).collect();
        let children = all.iter().filter(|seen| {
            // A child cannot be older than its parent: where it is, the parent's id has been used again.
            seen.parent == parent.pid
                && seen.identity.start >= parent.start
                && !known.contains(&seen.identity.pid)
                && !is_protected(seen.identity.pid)
        });
        found.extend(children);
    }
    found
}

/// The system counts CPU in ticks of a hundredth of a second: over a shorter time one of them would look like a core or more.
const SHORTEST: Duration = Duration::from_millis(250);

/// What the processes of a tree had used at one time.
#[derive(Clone, Debug)]
pub(in crate::guard) struct Cpu {
    at: Instant,
    used: HashMap<Identity, Duration>,
    /// What follows takes a while to read.
    wanted_at: Instant,
    /// Of each thread: the time that it ran or waited for a core.
    wanted: HashMap<(Identity, u32), Duration>,
}

/// What they used from one time to another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::guard) struct Share {
    /// Cores that the busiest process kept busy. It alone counts: several workers that each do their work are no loop.
    pub(in crate::guard) cores: f64,
    /// Share of the time in which the busiest thread ran or wanted to: on a machine without CPU to spare, a thread that spins
    /// gets little of a core, and wants it all the time. 0 where the system does not say.
    pub(in crate::guard) wanted: f64,
}

impl Cpu {
    /// Now.
    pub(in crate::guard) fn of(root: Identity) -> Self {
        let seen = trees(&[root]);
        let at = Instant::now();
        let threads = seen.iter().flat_map(|seen| {
            let who = seen.identity;
            super::wanted(who.pid).into_iter().map(move |(thread, time)| ((who, thread), time))
        });
        let wanted = threads.collect();
        let used = seen.iter().map(|seen| (seen.identity, seen.cpu)).collect();
        Self { at, used, wanted_at: Instant::now(), wanted }
    }

    /// From `before` to this; `None` where that is too short to tell.
    pub(in crate::guard) fn since(&self, before: &Self) -> Option<Share> {
        let time = self.at.saturating_duration_since(before.at);
        let wanted = self.wanted_at.saturating_duration_since(before.wanted_at);
        (time.min(wanted) >= SHORTEST).then(|| Share {
            cores: most(&self.used, &before.used) / time.as_secs_f64(),
            wanted: most(&self.wanted, &before.wanted) / wanted.as_secs_f64(),
        })
    }
}

/// Seconds of the one that has most of them more than before.
fn most<K: Eq + std::hash::Hash>(now: &HashMap<K, Duration>, before: &HashMap<K, Duration>) -> f64 {
    let spent = now.iter().filter_map(|(who, time)| Some(time.saturating_sub(*before.get(who)?)));
    spent.max().unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pid: u32, parent: u32, start: u64) -> Seen {
        Seen { identity: Identity { pid, start }, parent, cpu: Duration::ZERO }
    }

    #[test]
    fn children_and_theirs_and_nobody_who_is_older() {
        const BASE: u32 = 4_000_000;
        let all: Vec<Seen> = [(1, 0, 5), (2, 1, 6), (3, 2, 7), (4, 1, 4), (5, 9, 8), (6, 6, 9)]
            .into_iter()
            .map(|(pid, parent, start)| seen(BASE + pid, BASE + parent, start))
            .collect();
        let found = |start| {
            let tree = within(&all, Identity { pid: BASE + 1, start });
            tree.iter().map(|seen| seen.identity.pid - BASE).collect::<Vec<_>>()
        };
        assert_eq!(found(5), [1, 2, 3], "4 is older than its parent, so that id was another's");
        assert_eq!(found(6), [0; 0], "that process is gone");
        assert_eq!(within(&all, Identity { pid: BASE + 6, start: 9 }).len(), 1, "its own parent");
        // Of one that is gone and two that it had: those, and theirs, each once.
        let roots = [(8, 1), (2, 6), (3, 7)].map(|(pid, start)| Identity { pid: BASE + pid, start });
        let found: Vec<u32> = forest(&all, &roots).iter().map(|seen| seen.identity.pid - BASE).collect();
        assert_eq!(found, [2, 3]);
    }

    #[test]
    fn the_busiest_counts_and_not_their_sum() {
        let at = Instant::now();
        let cpu = |seconds: u64, ms: [u64; 2]| Cpu {
            at: at + Duration::from_secs(seconds),
            wanted_at: at + Duration::from_secs(seconds),
            used: [(1, ms[0]), (2, ms[1])]
                .into_iter()
                .map(|(pid, ms)| (Identity { pid, start: 1 }, Duration::from_millis(ms)))
                .collect(),
            wanted: HashMap::new(),
        };
        let share = cpu(10, [6_100, 5_900]).since(&cpu(0, [100, 100])).unwrap();
        assert!((share.cores - 0.6).abs() < 1e-9, "{share:?}");
        assert_eq!(cpu(0, [9, 9]).since(&cpu(0, [0, 0])), None);
    }

    /// One busy thread is counted one tick now and then, also between two readings that are a few milliseconds apart: those of
    /// a probe that is answered at once.
    #[test]
    fn a_tick_more_or_less_makes_no_core() {
        let begin = Instant::now();
        let cpu = |ms: u64, ticks: u64| {
            let at = begin + Duration::from_millis(ms);
            let who = Identity { pid: 1, start: 1 };
            let used = [(who, Duration::from_millis(10 * ticks))].into();
            Cpu { at, used, wanted_at: at, wanted: HashMap::new() }
        };
        assert_eq!(cpu(1005, 101).since(&cpu(1000, 100)), None, "2 cores, by the count of ticks");
        for ms in [250, 333, 1000, 10_000] {
            let share = cpu(ms, ms / 10 + 1).since(&cpu(0, 0)).unwrap();
            assert!(share.cores <= 1.05, "{ms} ms: {share:?}");
        }
    }

    /// Of three that spin on one core, each gets a third of it and wants all of it; one that sleeps wants nothing.
    #[cfg(target_os = "linux")]
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's own thread")]
    fn a_thread_that_spins_wants_its_core_however_little_it_gets() {
        let spin = || std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let mut children = vec![spin(), spin(), spin()];
        children.push(std::process::Command::new("sleep").arg("60").spawn().unwrap());
        let roots: Vec<Identity> =
            children.iter().map(|child| super::super::look(child.id()).unwrap().identity).collect();
        let before: Vec<Cpu> = roots.iter().map(|root| Cpu::of(*root)).collect();
        std::thread::sleep(Duration::from_millis(600));
        let shares: Vec<Share> =
            roots.iter().zip(&before).map(|(root, before)| Cpu::of(*root).since(before).unwrap()).collect();
        for mut child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(shares[..3].iter().all(|share| share.wanted > 0.9), "{shares:?}");
        assert!(shares[3].wanted < 0.1, "{shares:?}");
    }
}
