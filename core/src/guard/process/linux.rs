//! `/proc`, read as proc(5) has it.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use super::{Identity, Names, Seen};

pub(super) fn look(pid: u32) -> Option<Seen> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&text), ticks()?)
}

pub(super) fn all() -> Vec<Seen> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    folder.filter_map(|entry| look(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

pub(super) fn names(pid: u32) -> Option<Names> {
    let read = |file: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let words = read("cmdline")?;
    let words = words.trim_end_matches('\0').split('\0').map(str::to_owned);
    Some(Names {
        short: read("comm")?.trim_end().to_owned(),
        words: words.filter(|word| !word.is_empty()).collect(),
    })
}

/// `schedstat` of each thread: nanoseconds on a core, and nanoseconds runnable without one.
pub(super) fn wanted(pid: u32) -> Vec<(u32, Duration)> {
    let Ok(folder) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let one = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let text = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
        let mut times = text.split_whitespace().map(|word| word.parse::<u64>().ok());
        let nanos = times.next()??.saturating_add(times.next()??);
        Some((entry.file_name().to_str()?.parse().ok()?, Duration::from_nanos(nanos)))
    };
    folder.filter_map(one).collect()
}

pub(super) fn age(identity: Identity) -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = text.split_whitespace().next()?.parse().ok()?;
    let started = identity.start as f64 / ticks()?;
    Duration::try_from_secs_f64((uptime - started).max(0.0)).ok()
}

pub(super) fn owner(pid: u32) -> Option<u32> {
    Some(std::fs::metadata(format!("/proc/{pid}")).ok()?.uid())
}

/// A second.
fn ticks() -> Option<f64> {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok()??;
    (ticks > 0).then_some(ticks as f64)
}

/// One line of `stat`. The name, in parentheses, may hold blanks and parentheses itself: what follows the last one counts.
fn parse(pid: u32, text: &str, ticks: f64) -> Option<Seen> {
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    // Numbered from 3 in proc(5): state, ppid, ..., utime (14), stime (15), ..., starttime (22).
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    let cpu = (number(14)? + number(15)?) as f64 / ticks;
    Some(Seen {
        identity: Identity { pid, start: number(22)? },
        parent: u32::try_from(number(4)?).ok()?,
        cpu: Duration::try_from_secs_f64(cpu).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let rest = "S 7 1 1 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 4 0 8642 1000 200";
        for name in ["python3", "a b", ") S 1 1", "(((", "x) Z 9 9"] {
            let seen = parse(42, &format!("42 ({name}) {rest}"), 100.0).unwrap();
            assert_eq!((seen.identity, seen.parent), (Identity { pid: 42, start: 8642 }, 7), "{name}");
            assert_eq!(seen.cpu, Duration::from_secs(3));
        }
        assert!(
            parse(42, &format!("42 (x) {}", rest.replacen('S', "Z", 1)), 100.0).is_none(),
            "it has ended"
        );
        for broken in ["", "42 (x", "42 (x) S 1", "42 (x) S a b c"] {
            assert!(parse(42, broken, 100.0).is_none(), "{broken}");
        }
    }
}
