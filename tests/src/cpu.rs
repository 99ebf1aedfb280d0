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

#[cfg(test)]
mod tests {
    use super::*;

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
