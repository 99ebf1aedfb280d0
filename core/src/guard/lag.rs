//! How late this thread itself runs. Where it is late, the machine has no CPU left or was paused, and another process may
//! have been unable to answer for the same reason.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// From one look at the clock to the next.
const TICK: Duration = Duration::from_millis(50);

/// Lags kept; older ones are about probes that are long over.
const KEPT: usize = 1_024;

/// Below, nobody is starved: timers are that exact.
const LEAST: Duration = Duration::from_millis(10);

/// Looks at the clock again and again.
#[derive(Clone, Debug)]
pub(super) struct Lag(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    last: Instant,
    late: VecDeque<(Instant, Duration)>,
}

impl Lag {
    /// Starts on this runtime.
    pub(super) fn start() -> Self {
        let lag = Self(Arc::new(Mutex::new(Seen { last: Instant::now(), late: VecDeque::new() })));
        let own = lag.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                own.0.lock().tick(Instant::now());
            }
        });
        lag
    }

    /// The longest time that this thread could not run, since then.
    pub(super) fn worst_since(&self, since: Instant) -> Duration {
        let mut seen = self.0.lock();
        // The probe's own end may be run before the tick that is as late.
        let running = Instant::now().saturating_duration_since(seen.last).saturating_sub(TICK);
        let late = seen.late.make_contiguous().iter().filter(|(at, _)| *at >= since);
        late.map(|(_, lag)| *lag).max().unwrap_or_default().max(running)
    }
}

impl Seen {
    fn tick(&mut self, now: Instant) {
        let lag = now.saturating_duration_since(self.last).saturating_sub(TICK);
        self.last = now;
        if lag >= LEAST {
            if self.late.len() == KEPT {
                self.late.pop_front();
            }
            self.late.push_back((now, lag));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a thread that cannot run is what is tested")]
    async fn a_thread_that_could_not_run_knows() {
        let lag = Lag::start();
        let before = Instant::now();
        tokio::time::sleep(TICK * 2).await;
        std::thread::sleep(Duration::from_millis(300));
        // The tick that is late has not run yet.
        assert!(lag.worst_since(before) >= Duration::from_millis(200));
        tokio::time::sleep(TICK * 2).await;
        assert!(lag.worst_since(before) >= Duration::from_millis(200));
    }
}
