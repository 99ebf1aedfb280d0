//! CPU time and resident memory of a process and its descendants, from Linux's `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Kernel ticks a second in `/proc/PID/stat`: fixed at 100 in the interface of every Linux architecture this is
/// built for (proc(5), USER_HZ).
const TICKS: f64 = 100.0;

/// CPU time used so far, user and system together.
#[derive(Debug, Clone)]
pub(crate) struct Cpu {
    /// Nanoseconds on a CPU by thread, from `schedstat`.
    threads: BTreeMap<u32, u64>,
    /// The same by process in ticks of 10 ms, ended threads included.
    ticks: f64,
}

impl Cpu {
    /// Reads the clocks of `root` and its descendants.
    pub(crate) fn read(root: u32) -> Result<Self, String> {
        let (mut threads, mut ticks) = (BTreeMap::new(), 0.0);
        for pid in tree(root)? {
            let stat = read(&format!("/proc/{pid}/stat"))?;
            ticks += Stat::parse(&stat)?.ticks as f64;
            for thread in numbers(Path::new(&format!("/proc/{pid}/task"))) {
                // A kernel without CONFIG_SCHED_INFO has no such file; then the ticks are all there is.
                if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat"))
                    && let Some(Ok(nanoseconds)) = text.split(' ').next().map(str::parse)
                {
                    threads.insert(thread, nanoseconds);
                }
            }
        }
        Ok(Self { threads, ticks })
    }

    /// Seconds of CPU used from `before` to `self`: to the nanosecond where every thread lived through, else to the
    /// tick.
    pub(crate) fn since(&self, before: &Self) -> f64 {
        let all_live = before.threads.keys().all(|thread| self.threads.contains_key(thread));
        if !all_live || before.threads.is_empty() {
            return (self.ticks - before.ticks) / TICKS;
        }
        let used = self
            .threads
            .iter()
            .map(|(thread, &now)| now.saturating_sub(before.threads.get(thread).copied().unwrap_or(0)));
        used.sum::<u64>() as f64 / 1e9
    }
}

/// Resident KiB of `root` and its descendants (`VmRSS`; a page that two of them share counts twice).
pub(crate) fn resident_kib(root: u32) -> Result<u64, String> {
    tree(root)?.into_iter().map(|pid| vm_rss(&read(&format!("/proc/{pid}/status"))?)).sum()
}

fn vm_rss(status: &str) -> Result<u64, String> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.trim().strip_suffix("kB"))
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| "no VmRSS in /proc/PID/status: has the process ended?".to_owned())
}

fn tree(root: u32) -> Result<Vec<u32>, String> {
    let parents: Vec<(u32, u32)> = numbers(Path::new("/proc"))
        .filter_map(|pid| {
            // A process may end between being listed and being read.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, Stat::parse(&stat).ok()?.parent))
        })
        .collect();
    if !parents.iter().any(|&(pid, _)| pid == root) {
        return Err(format!("no process {root} in /proc"));
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|&&(_, of)| of == parent).map(|&(pid, _)| pid));
        next += 1;
    }
    Ok(found)
}

fn numbers(folder: &Path) -> impl Iterator<Item = u32> + use<> {
    let entries = fs::read_dir(folder).ok().into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// The fields of `/proc/PID/stat` that are needed here.
struct Stat {
    parent: u32,
    ticks: u64,
}

impl Stat {
    fn parse(line: &str) -> Result<Self, String> {
        // The second field is the name in parentheses, and a name may hold both spaces and parentheses.
        let fields: Vec<&str> =
            line.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<u64>().ok());
        let parsed = field(4).and_then(|parent| u32::try_from(parent).ok()).zip(field(14)).zip(field(15));
        let ((parent, user), system) =
            parsed.ok_or_else(|| format!("not a line of /proc/PID/stat: {line}"))?;
        Ok(Self { parent, ticks: user + system })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses() {
        let line = "7 (a) R 9 (b) S 3 7 7 0 -1 4194560 1 2 3 4 250 50 8 9 20 0 1 0 5 6 7";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.parent, stat.ticks), (3, 300));
        assert!(Stat::parse("7 (a) S").is_err());
    }

    #[test]
    fn resident_memory_of_this_test_and_of_none() {
        assert_eq!(vm_rss("Name:\tx\nVmRSS:\t    8124 kB\n"), Ok(8124));
        assert!(vm_rss("Name:\tx\n").is_err());
        assert!(resident_kib(std::process::id()).unwrap() > 100);
        assert!(resident_kib(u32::MAX).is_err());
    }

    #[test]
    fn work_shows_on_the_clock() {
        let before = Cpu::read(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while Cpu::read(std::process::id()).unwrap().since(&before) < 0.001 {
            sum = (0..10_000_u64).fold(sum, |sum, value| std::hint::black_box(sum.wrapping_add(value)));
        }
    }

    #[test]
    fn an_ended_thread_falls_back_to_the_ticks() {
        let cpu = |threads: &[(u32, u64)], ticks| Cpu { threads: threads.iter().copied().collect(), ticks };
        let before = cpu(&[(1, 1_000_000_000), (2, 5)], 100.0);
        assert_eq!(cpu(&[(1, 2_500_000_000), (2, 5), (3, 1_000_000_000)], 110.0).since(&before), 2.5);
        assert_eq!(cpu(&[(1, 2_500_000_000)], 110.0).since(&before), 0.1);
        assert_eq!(cpu(&[], 103.0).since(&cpu(&[], 100.0)), 0.03);
    }
}
