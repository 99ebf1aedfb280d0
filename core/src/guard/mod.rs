//! The guard: watches other processes, such as a litellm that has to be kept for now, and ends one that answers nobody.
//!
//! A process is hung when the probe of its serving port has been missed several times in a row; its CPU says only what kind
//! of hang that is. It runs on a thread and a runtime of its own: neither data workers nor the admin port can hold it up.

mod judge;
mod keeper;
mod lag;
mod pid_file;
mod probe;
mod process;
mod run;
mod shown;
mod story;
mod target;
mod terminate;
mod watch;

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tidegate_watchdog::Watchdog;
use tokio::sync::{mpsc, oneshot};

use crate::config::Guard;
use crate::metrics::GuardFamilies;
use keeper::{AllShown, Keeper, Order};
use shown::Shown;
use watch::Means;

/// The kinds of incidents.
pub(crate) mod kinds {
    use tidegate_watchdog::Kind;

    /// Something was done to a process that hung.
    pub(crate) const ACTED: Kind = Kind::Owner("guard_acted");
    /// It would have been, in mode enforce.
    pub(crate) const OBSERVED: Kind = Kind::Owner("guard_observed");
    /// Nothing could be done.
    pub(crate) const FAILED: Kind = Kind::Owner("guard_failed");
    /// It is not there, and others start it.
    pub(crate) const GONE: Kind = Kind::Owner("guard_gone");
    /// Nothing more will be done.
    pub(crate) const GAVE_UP: Kind = Kind::Owner("guard_gave_up");
    /// It answers again.
    pub(crate) const RECOVERED: Kind = Kind::Owner("guard_recovered");
}

/// The words of `class` and `action` in metrics, and of a probe's `result`.
pub(crate) mod words {
    pub(crate) use super::judge::Class;
    pub(crate) use super::probe::Answer;

    /// What can have been done.
    pub(crate) const ACTIONS: [&str; 7] =
        ["terminate", "kill", "command", "restart", "failed", "wait", "observe"];
}

/// The guards of one process.
pub struct Guards {
    families: GuardFamilies,
    watchdog: Watchdog,
    shown: AllShown,
    thread: Mutex<Thread>,
}

/// The thread of the guards.
#[derive(Default)]
enum Thread {
    /// There was nothing to guard yet.
    #[default]
    None,
    Runs(mpsc::UnboundedSender<Order>),
    /// It was stopped, and is for good.
    Stopped,
}

impl Guards {
    /// None yet.
    pub fn new(families: GuardFamilies, watchdog: Watchdog) -> Self {
        Self { families, watchdog, shown: Arc::default(), thread: Mutex::default() }
    }

    /// Their series, and each as one that was not asked yet: there before the first scrape.
    pub fn announce(&self, guards: &[Guard]) {
        for guard in guards {
            self.families.series(&guard.name);
        }
        *self.shown.lock() = guards.iter().map(|guard| Arc::new(Mutex::new(Shown::new(guard)))).collect();
    }

    /// From now on these. Those that are as they were go on as they are. Nothing after [`Guards::stop`].
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn apply(&self, guards: &[Guard]) -> std::io::Result<()> {
        let mut thread = self.thread.lock();
        let to = match &*thread {
            Thread::Runs(to) => to.clone(),
            Thread::Stopped => return Ok(()),
            Thread::None if guards.is_empty() => return Ok(()),
            Thread::None => {
                let (to, orders) = mpsc::unbounded_channel();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let (families, watchdog) = (self.families.clone(), self.watchdog.clone());
                let shown = self.shown.clone();
                std::thread::Builder::new().name("tidegate-guard".into()).spawn(move || {
                    runtime.block_on(async {
                        let means = Means { watchdog, lag: lag::Lag::start() };
                        Keeper::new(means, families, shown).keep(orders).await;
                    });
                })?;
                *thread = Thread::Runs(to.clone());
                to
            }
        };
        // The thread ends with the process.
        let _ = to.send(Order::Guard(guards.to_vec()));
        Ok(())
    }

    /// From now on none, at once. What is being done to a process is done to its end, for which the answer waits: one that was
    /// ended is to be started too.
    pub fn stop(&self) -> impl Future<Output = ()> + use<> {
        let (done, all) = oneshot::channel();
        if let Thread::Runs(to) = std::mem::replace(&mut *self.thread.lock(), Thread::Stopped) {
            // The thread ends after the last order.
            let _ = to.send(Order::Stop(done));
        }
        async move {
            // Dropped where there is no thread.
            let _ = all.await;
        }
    }

    /// Each as it is now, in the order of the configuration.
    pub fn snapshot(&self) -> Vec<Value> {
        self.shown.lock().iter().map(|one| one.lock().to_json()).collect()
    }
}
