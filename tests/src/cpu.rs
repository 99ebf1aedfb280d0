//! The CPU time of a process, in nanoseconds.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What the threads of `pid` have used so far. A thread that ended takes its share with it.
///
/// The admin thread's is left out: it answers the test's own scrapes, and writing hundreds of series is no small part of
/// what a debug build does.
pub fn used(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        if name.trim_end() == "tidegate-admin" {
            return None;
        }
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// The share of one core that `pid` uses over the next `window`.
pub async fn share(pid: u32, window: Duration) -> f64 {
    let (before, began) = (used(pid), Instant::now());
    sleep(window).await;
    used(pid).saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64()
}

/// What `pid` uses while a thread that wants a core for itself gets 300 ms of one, as a share of that: a process that spins gets
/// as much as the thread, however busy the machine is.
///
/// # Panics
/// The thread cannot be asked what it got.
pub async fn beside_a_spinner(pid: u32) -> f64 {
    let before = used(pid);
    let spin = || {
        let mine = || {
            let stat =
                std::fs::read_to_string("/proc/thread-self/schedstat").expect("a thread has its figures");
            Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
        };
        let began = mine();
        loop {
            let got = mine().saturating_sub(began);
            if got >= Duration::from_millis(300) {
                return got;
            }
            (0..10_000).for_each(|_| std::hint::spin_loop());
        }
    };
    let got = tokio::task::spawn_blocking(spin).await.expect("the thread spins");
    used(pid).saturating_sub(before).as_secs_f64() / got.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn beside_a_spinner_one_that_spins_gets_as_much_and_one_that_waits_nothing() {
        for (does, least, most) in [("while :; do :; done", 0.3, f64::MAX), ("read line", 0.0, 0.1)] {
            let mut shell = Command::new("sh").args(["-c", does]).stdin(Stdio::piped()).spawn().unwrap();
            let share = beside_a_spinner(shell.id()).await;
            shell.kill().unwrap();
            shell.wait().unwrap();
            assert!((least..=most).contains(&share), "{does}: {share}");
        }
    }

    #[tokio::test]
    async fn a_spinning_thread_is_seen() {
        let idle = used(std::process::id());
        let until = Instant::now() + Duration::from_millis(200);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        assert!(used(std::process::id()) - idle > Duration::from_millis(5));
    }
}
