//! Other processes: which there are, what they are called, how much CPU they have used, and signals that cannot reach
//! another one with the same id.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(not(target_os = "linux"), test))]
mod other;
mod signal;
mod tree;

use std::time::Duration;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

pub(super) use signal::{Handle, Signal};
pub(super) use tree::{Cpu, Share, trees};

/// One process, and no other one that gets its id later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) pid: u32,
    /// When it started, in the system's own unit: only good to be compared.
    pub(super) start: u64,
}

/// A process as the system's table has it. One that has ended and waits to be reaped is not in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) identity: Identity,
    pub(super) parent: u32,
    /// Of all its threads, since it started.
    pub(super) cpu: Duration,
}

/// What it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// What the kernel calls it; it may have set that itself.
    pub(super) short: String,
    /// The command line.
    pub(super) words: Vec<String>,
}

/// The process with this id now.
pub(super) fn look(pid: u32) -> Option<Seen> {
    system::look(pid)
}

/// Every process that can be seen.
pub(super) fn all() -> Vec<Seen> {
    system::all()
}

/// What it is called.
pub(super) fn names(pid: u32) -> Option<Names> {
    system::names(pid)
}

/// Each of its threads, with the time that it ran or waited to be run. Empty where the system does not say.
fn wanted(pid: u32) -> Vec<(u32, Duration)> {
    system::wanted(pid)
}

/// How long ago it started.
pub(super) fn age(identity: Identity) -> Option<Duration> {
    system::age(identity)
}

/// The user that it runs as.
pub(super) fn owner(pid: u32) -> Option<u32> {
    system::owner(pid)
}

/// Something with this id is there, though [`look`] may not be allowed to see it.
pub(super) fn is_there(pid: u32) -> bool {
    signal::is_there(pid)
}

/// Whom nobody may signal by way of a guard: the init process, this one, and those that it descends from.
pub(super) fn is_protected(pid: u32) -> bool {
    let mut one = std::process::id();
    // A chain of parents longer than this would be a loop.
    for _ in 0..256 {
        if pid <= 1 || pid == one {
            return true;
        }
        match look(one) {
            Some(seen) if seen.parent > 1 => one = seen.parent,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_this_process_and_its_parents_are_protected() {
        let parent = std::os::unix::process::parent_id();
        for pid in [0, 1, std::process::id(), parent] {
            assert!(is_protected(pid), "{pid}");
        }
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!is_protected(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The reader for other systems says the same of this process as the one for Linux.
    #[cfg(target_os = "linux")]
    #[test]
    fn both_readers_agree() {
        let own = std::process::id();
        let (one, two) = (linux::look(own).unwrap(), other::look(own).unwrap());
        assert_eq!((one.identity.pid, one.parent), (two.identity.pid, two.parent));
        assert_eq!(linux::names(own).unwrap().words, other::names(own).unwrap().words);
        assert_eq!(linux::owner(own), other::owner(own));
        let ages = (linux::age(one.identity).unwrap(), other::age(two.identity).unwrap());
        assert!(ages.0.abs_diff(ages.1) <= Duration::from_secs(2), "{ages:?}");
        assert!(one.cpu.abs_diff(two.cpu) <= Duration::from_secs(1), "{one:?} {two:?}");
        assert!(other::wanted(own).is_empty(), "it does not say");
        assert!(other::all().iter().any(|seen| seen.identity.pid == own));
    }
}
