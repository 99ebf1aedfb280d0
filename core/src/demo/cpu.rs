//! The proxy's CPU, measured from outside: the proxy is a process of its own.

use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::time::{Instant, sleep};

/// A busy loop is far above it; the demo's healthy streams are far below.
pub(super) const CALM_PERCENT: f64 = 5.0;

/// The kernel counts CPU in ticks of 10 ms: 2 % of this window. Two windows fit into the second that a row may take.
const WINDOW: Duration = Duration::from_millis(480);
const WINDOWS: usize = 2;

/// Reads one process's CPU time.
pub(super) struct Meter {
    system: System,
    pid: Pid,
}

impl Meter {
    /// # Errors
    /// The system does not tell.
    pub(super) fn new(pid: u32) -> Result<Self, sysinfo::Error> {
        Ok(Self { system: System::new()?, pid: Pid::from_u32(pid) })
    }

    /// CPU time used since the process began; `None` where it is gone.
    fn used(&mut self) -> Option<Duration> {
        let kind = ProcessRefreshKind::nothing().with_cpu();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, kind);
        self.system.process(self.pid).map(|process| Duration::from_millis(process.accumulated_cpu_time()))
    }

    /// Waits, at most a second, until the process is calm. The last window's percentage of one core.
    pub(super) async fn settle(&mut self) -> Option<f64> {
        let mut percent = 0.0;
        for _ in 0..WINDOWS {
            let (before, since) = (self.used()?, Instant::now());
            sleep(WINDOW).await;
            let used = self.used()?.saturating_sub(before);
            percent = used.as_secs_f64() / since.elapsed().as_secs_f64() * 100.0;
            if percent < CALM_PERCENT {
                break;
            }
        }
        Some(percent)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;

    #[tokio::test]
    async fn a_busy_process_is_not_calm_and_a_lost_one_is_none() {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let runtime = std::thread::spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(Meter::new(std::process::id()).unwrap().settle())
            });
            let percent = runtime.join().unwrap().unwrap();
            stop.store(true, Relaxed);
            assert!(percent > CALM_PERCENT, "{percent}");
        });
        assert_eq!(Meter::new(u32::MAX - 1).unwrap().settle().await, None);
    }
}
