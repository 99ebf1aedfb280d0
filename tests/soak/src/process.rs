//! The proxy's process as the system sees it.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Its descriptors, threads and memory at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    pub(crate) resident_kib: u64,
}

impl Process {
    /// Zeros where the system does not tell.
    pub(crate) fn look(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Self { descriptors: descriptors as u64, threads: number("Threads:"), resident_kib: number("VmRSS:") }
    }
}

/// Kills the workers of the proxy's plugins, and says how many there were.
pub(crate) fn kill_workers(proxy: u32) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{proxy}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<i32> = children
        .flat_map(|line| line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    // The proxy reaps them, so that their numbers are no others' meanwhile.
    pids.into_iter().filter(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok()).count()
}

/// Resident memory over time.
#[derive(Default)]
pub(crate) struct Memory(Vec<(Instant, u64)>);

impl Memory {
    pub(crate) fn sample(&mut self, kib: u64) {
        self.0.push((Instant::now(), kib));
    }

    /// The median, in KiB, of what was sampled from `from` on, for `length`.
    pub(crate) fn level(&self, from: Instant, length: Duration) -> u64 {
        let mut kib: Vec<u64> =
            self.0.iter().filter(|(at, _)| (from..from + length).contains(at)).map(|(_, kib)| *kib).collect();
        kib.sort_unstable();
        kib.get(kib.len() / 2).copied().unwrap_or(0)
    }

    pub(crate) fn highest(&self) -> u64 {
        self.0.iter().map(|(_, kib)| *kib).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_and_a_thread_are_seen() {
        let pid = std::process::id();
        let before = Process::look(pid);
        let file = std::fs::File::open("/dev/null").unwrap();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        let after = Process::look(pid);
        // Other tests of this program run beside this one.
        assert!(
            after.descriptors > 3 && after.threads > 1 && after.resident_kib > 100,
            "{before:?} {after:?}"
        );
        drop((file, done));
        let _ = thread.join().unwrap();
    }

    #[test]
    fn a_level_is_the_median_of_its_window() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let memory = Memory(vec![(at(0), 1), (at(1), 5), (at(2), 900), (at(3), 6), (at(9), 7)]);
        assert_eq!(memory.level(at(1), Duration::from_secs(3)), 6);
        assert_eq!(memory.level(at(20), Duration::from_secs(3)), 0);
        assert_eq!(memory.highest(), 900);
    }
}
