//! Starts guards, and stops those that are no longer wanted. What one is doing to a process is done to its end, and a guard
//! of the same name begins after that: two must not act on one process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch as channel};
use tokio::task::JoinSet;

use super::shown::Shown;
use super::watch::{Means, Watch};
use crate::config::Guard;
use crate::metrics::GuardFamilies;

/// After a panic in a guard.
const ANEW: Duration = Duration::from_secs(10);

/// What each guard shows, in the order of the configuration.
pub(super) type AllShown = Arc<Mutex<Vec<Arc<Mutex<Shown>>>>>;

/// What the guards' thread is told.
pub(super) enum Order {
    /// From now on these.
    Guard(Vec<Guard>),
    /// From now on none; say so when nothing is being done to a process any more.
    Stop(oneshot::Sender<()>),
}

pub(super) struct Keeper {
    means: Means,
    families: GuardFamilies,
    shown: AllShown,
    running: HashMap<String, Running>,
    /// Waits for each that was stopped for good, and gives its name.
    ending: JoinSet<String>,
    /// The latest of each name among those.
    retired: HashMap<String, Ended>,
    /// Who waits until all have ended.
    waiting: Vec<oneshot::Sender<()>>,
}

struct Running {
    guard: Guard,
    stop: channel::Sender<bool>,
    ended: Ended,
    shown: Arc<Mutex<Shown>>,
}

impl Running {
    fn retire(self) -> Ended {
        self.stop.send_replace(true);
        self.ended
    }
}

/// Whether a guard has ended: the other end is dropped with it, after a panic too.
#[derive(Clone)]
struct Ended(channel::Receiver<()>);

impl Ended {
    async fn wait(mut self) {
        while self.0.changed().await.is_ok() {}
    }

    fn is_so(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

impl Keeper {
    pub(super) fn new(means: Means, families: GuardFamilies, shown: AllShown) -> Self {
        Self {
            means,
            families,
            shown,
            running: HashMap::new(),
            ending: JoinSet::new(),
            retired: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// Until there are no more orders, and all have ended that were to.
    pub(super) async fn keep(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut is_last = false;
        while !is_last || !self.ending.is_empty() {
            tokio::select! {
                order = orders.recv(), if !is_last => match order {
                    Some(Order::Guard(guards)) => self.change(guards),
                    Some(Order::Stop(done)) => {
                        self.change(Vec::new());
                        self.waiting.push(done);
                    }
                    None => is_last = true,
                },
                Some(ended) = self.ending.join_next() => {
                    if let Ok(name) = ended {
                        self.ended(&name);
                    }
                }
            }
            if self.ending.is_empty() {
                for done in self.waiting.drain(..) {
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
            }
        }
    }

    fn change(&mut self, guards: Vec<Guard>) {
        let mut before = std::mem::take(&mut self.running);
        let mut shown = Vec::new();
        for guard in guards {
            let name = guard.name.clone();
            let running = match before.remove(&name) {
                Some(same) if same.guard == guard => same,
                Some(old) => self.start(guard, Some(old.retire())),
                None => self.start(guard, self.retired.get(&name).cloned()),
            };
            shown.push(running.shown.clone());
            self.running.insert(name, running);
        }
        for (name, gone) in before {
            tracing::info!(guard = %name, "it is guarded no more");
            let ended = gone.retire();
            self.retired.insert(name.clone(), ended.clone());
            self.ending.spawn(async move {
                ended.wait().await;
                name
            });
        }
        *self.shown.lock() = shown;
    }

    /// One of this name has ended; another may be there by now, with the same series.
    fn ended(&mut self, name: &str) {
        if self.retired.get(name).is_some_and(Ended::is_so) {
            self.retired.remove(name);
        }
        if !self.running.contains_key(name) {
            self.families.forget(name);
        }
    }

    fn start(&self, guard: Guard, old: Option<Ended>) -> Running {
        let shown = Arc::new(Mutex::new(Shown::new(&guard)));
        let (stop, mut stopped) = channel::channel(false);
        let (alive, ended) = channel::channel(());
        tracing::info!(guard = %guard.name, probe = %guard.probe.shown(), "guarding");
        let (of, means, families) = (guard.clone(), self.means.clone(), self.families.clone());
        let shows = shown.clone();
        tokio::spawn(async move {
            let _alive = alive;
            if let Some(old) = old {
                old.wait().await;
            }
            while !*stopped.borrow() {
                let watch = Watch::new(of.clone(), means.clone(), families.series(&of.name), shows.clone());
                let Err(error) = tokio::spawn(watch.run(stopped.clone())).await else { return };
                tracing::error!(guard = %of.name, %error, "a defect of Tidegate; this guard begins anew");
                tokio::select! {
                    () = tokio::time::sleep(ANEW) => {}
                    _ = stopped.changed() => {}
                }
            }
        });
        Running { guard, stop, ended: Ended(ended), shown }
    }
}
