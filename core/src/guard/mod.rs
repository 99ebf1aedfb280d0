//! The guard: watches other processes, such as a litellm that has to be kept for now, and ends one that answers nobody.
//!
//! A process is hung when the probe of its serving port has been missed several times in a row; its CPU says only what kind
//! of hang that is. It runs on a thread and a runtime of its own: neither data workers nor the admin port can hold it up.

mod judge;
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

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tidegate_watchdog::Watchdog;
use tokio::sync::{mpsc, watch as channel};
use tokio::task::JoinHandle;

use crate::config::Guard;
use crate::metrics::GuardFamilies;
use shown::Shown;
use watch::{Means, Watch};

/// After a panic in a guard.
const ANEW: Duration = Duration::from_secs(10);

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
    shown: Arc<Mutex<Vec<Arc<Mutex<Shown>>>>>,
    /// The thread, once there was something to guard.
    thread: Mutex<Option<mpsc::UnboundedSender<Vec<Guard>>>>,
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

    /// From now on these. Those that are as they were go on as they are.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn apply(&self, guards: &[Guard]) -> std::io::Result<()> {
        let mut thread = self.thread.lock();
        if guards.is_empty() && thread.is_none() {
            return Ok(());
        }
        let to = match &*thread {
            Some(to) => to.clone(),
            None => {
                let (to, configs) = mpsc::unbounded_channel();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let (families, watchdog) = (self.families.clone(), self.watchdog.clone());
                let shown = self.shown.clone();
                std::thread::Builder::new().name("tidegate-guard".into()).spawn(move || {
                    runtime.block_on(async {
                        let means = Means { watchdog, lag: lag::Lag::start() };
                        Keeper { means, families, shown, running: HashMap::new() }.keep(configs).await;
                    });
                })?;
                thread.insert(to).clone()
            }
        };
        // The thread ends with the process.
        let _ = to.send(guards.to_vec());
        Ok(())
    }

    /// From now on none. What is being done to a process is done to its end.
    pub fn stop(&self) {
        if let Some(to) = &*self.thread.lock() {
            let _ = to.send(Vec::new());
        }
    }

    /// Each as it is now, in the order of the configuration.
    pub fn snapshot(&self) -> Vec<Value> {
        self.shown.lock().iter().map(|one| one.lock().to_json()).collect()
    }
}

/// Starts guards, and stops those that are no longer wanted.
struct Keeper {
    means: Means,
    families: GuardFamilies,
    shown: Arc<Mutex<Vec<Arc<Mutex<Shown>>>>>,
    running: HashMap<String, Running>,
}

struct Running {
    guard: Guard,
    stop: channel::Sender<bool>,
    task: JoinHandle<()>,
    shown: Arc<Mutex<Shown>>,
}

impl Keeper {
    async fn keep(mut self, mut configs: mpsc::UnboundedReceiver<Vec<Guard>>) {
        while let Some(guards) = configs.recv().await {
            self.change(guards);
        }
    }

    fn change(&mut self, guards: Vec<Guard>) {
        let mut before = std::mem::take(&mut self.running);
        let mut shown = Vec::new();
        for guard in guards {
            let name = guard.name.clone();
            let running = match before.remove(&name) {
                Some(same) if same.guard == guard => same,
                old => self.start(guard, old),
            };
            shown.push(running.shown.clone());
            self.running.insert(name, running);
        }
        for (name, gone) in before {
            tracing::info!(guard = %name, "it is guarded no more");
            gone.stop.send_replace(true);
            let families = self.families.clone();
            tokio::spawn(async move {
                // One that panicked has ended too.
                let _ = gone.task.await;
                families.forget(&name);
            });
        }
        *self.shown.lock() = shown;
    }

    fn start(&self, guard: Guard, old: Option<Running>) -> Running {
        let shown = Arc::new(Mutex::new(Shown::new(&guard)));
        let (stop, stopped) = channel::channel(false);
        tracing::info!(guard = %guard.name, probe = %guard.probe.shown(), "guarding");
        let (of, means, families) = (guard.clone(), self.means.clone(), self.families.clone());
        let shows = shown.clone();
        let task = tokio::spawn(async move {
            if let Some(old) = old {
                old.stop.send_replace(true);
                // What it is doing is done to its end: two must not act on one process.
                let _ = old.task.await;
            }
            loop {
                let watch = Watch::new(of.clone(), means.clone(), families.series(&of.name), shows.clone());
                let Err(error) = tokio::spawn(watch.run(stopped.clone())).await else { return };
                tracing::error!(guard = %of.name, %error, "a defect of Tidegate; this guard begins anew");
                tokio::time::sleep(ANEW).await;
            }
        });
        Running { guard, stop, task, shown }
    }
}
