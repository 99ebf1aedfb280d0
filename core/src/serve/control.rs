//! The main thread: signals, the end, another runtime where one is stuck, another process where one is wanted. It has a
//! runtime of its own, because it must hear SIGTERM while every data worker is stuck.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::handover::{self, Handing, Offer, Predecessor, Program, Successor};
use super::reload::Reloader;
use super::runtimes::Runtimes;
use super::signals::{self, Signals};
use super::{Error, notify, reload, runtime};
use crate::gateway::Gateway;
use crate::incidents::Writer;
use crate::listener::{self, Ending, LAST_WORDS};

/// How much longer than the drain itself it may take until the last task has ended.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// How long a signal that systemd has sent may take through this process, before it is said to be another's.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// How long the last tasks of a runtime may take to be dropped.
const DROPPING: Duration = Duration::from_millis(500);

/// How long a takeover waits for the locks of what it leaves behind.
const LEAVING: Duration = Duration::from_secs(1);

/// The drain's time was not enough for a guard.
pub(super) const GUARD_LEFT: &str =
    "a guard was not done with a process when the drain was over: look whether it runs";

/// What `systemctl status` shows after a restart that came to nothing begins so.
pub const RESTART_FAILED: &str = "Serving; the restart failed";

/// Everything that is needed to serve, and to go on serving.
pub(super) struct Control {
    pub(super) gateway: Arc<Gateway>,
    /// Stays here: each runtime accepts on a duplicate of it. A second listener on the same port would lose what the
    /// kernel queued for the first.
    pub(super) listener: Option<TcpListener>,
    /// A duplicate of the admin port's, for the next process.
    pub(super) admin: TcpListener,
    /// What both were bound for.
    pub(super) offer: Offer,
    /// See [`Reloader`].
    pub(super) bound: SocketAddr,
    /// Who serves until it is told that this process does.
    pub(super) predecessor: Option<Predecessor>,
    /// Who serves after this process, and knows by it when this one has ended.
    pub(super) successor: Option<Arc<Successor>>,
    /// What a restart starts.
    pub(super) program: Program,
    pub(super) runtimes: Vec<runtime::Data>,
    pub(super) reach: Runtimes,
    /// The watchdog asks for another runtime.
    pub(super) takeovers: mpsc::UnboundedReceiver<()>,
    /// Where incidents are written.
    pub(super) file: Option<Writer>,
}

/// One runtime that serves.
struct Serving {
    task: JoinHandle<()>,
    retire: watch::Sender<bool>,
}

impl Control {
    pub(super) fn run(
        mut self,
        (own, Signals { end, reload: hup, restart }): (Runtime, Signals),
        file: Option<PathBuf>,
        stop: Option<watch::Receiver<bool>>,
    ) -> Result<(), Error> {
        let system = |error: std::io::Error| Error::System(error.to_string());
        let mut listening = None;
        let result = own.block_on(async {
            let reloader = Reloader {
                gateway: self.gateway.clone(),
                file,
                bound: self.bound,
                given: self.offer.data.is_none(),
            };
            reload::start(hup, reloader);
            // What a service manager listens on too is not ours to shut.
            let ending =
                watch::Sender::new(Ending { shared: self.offer.data.is_none(), ..Ending::default() });
            let heard =
                signals::listen(end, self.gateway.clone(), stop.clone(), ending.clone()).map_err(system)?;
            listening = Some(heard);
            let serving = self.serve(ending.subscribe()).map_err(system)?;
            let predecessor = self.predecessor.take().map(Arc::new);
            let taken_over = predecessor.is_some();
            if let Some(predecessor) = predecessor.clone() {
                // Beside this thread, which goes on hearing SIGTERM.
                let led = tokio::task::spawn_blocking(move || predecessor.serving());
                led.await.map_err(|error| Error::System(error.to_string()))?;
            }
            let before = predecessor
                .map(|predecessor| tokio::spawn(leave(predecessor, ending.subscribe(), self.limit())));
            // Not before: systemd hears the process that it knows and no other, and two with the same guards would both act.
            notify::ready(&self.reach);
            match self.gateway.guards.apply(&self.gateway.routes.load().config.tidegate.guard) {
                // Nobody else serves any more.
                Err(error) if taken_over => tracing::error!(%error, "nothing is guarded"),
                applied => applied.map_err(system)?,
            }
            let attended = self.attend(serving, ending.clone(), restart).await;
            if let Some(before) = before
                && ending.borrow().now
            {
                // Its time is bounded, and a panic there is no reason to stay.
                let _ = before.await;
            }
            attended
        });
        let mut stuck = self.gateway.watchdog.stats().lost_workers > 0;
        // In another program's process its end is not ours.
        let ours = stop.is_none();
        // What they drop has its line and its spans to write.
        for data in std::mem::take(&mut self.runtimes) {
            let began = Instant::now();
            data.runtime.shutdown_timeout(DROPPING);
            stuck |= ours && began.elapsed() >= DROPPING;
        }
        self.gateway.watchdog.stop();
        if let Some(file) = &self.file {
            file.flush(MARGIN);
        }
        self.gateway.traces.flush();
        self.gateway.access.flush();
        // Waiting for workers would wait for one that is stuck.
        own.shutdown_background();
        // By its end of the pair, which the kernel closes otherwise, the next process knows that this one has ended.
        drop(self.successor);
        drop(listening);
        stuck |= ours && super::destroyer::is_at_work();
        if stuck && result.is_ok() {
            tracing::warn!("ending without waiting for threads that are stuck");
            crate::logging::flush();
            tidegate_host::process::exit_at_once(0);
        }
        result
    }

    /// Waits for the end.
    async fn attend(
        &mut self,
        first: Serving,
        ending: watch::Sender<Ending>,
        mut restart: Signal,
    ) -> Result<(), Error> {
        let mut all = vec![first];
        let mut stopped = std::pin::pin!({
            let mut ending = ending.subscribe();
            async move { drop(ending.wait_for(|ending| ending.now).await) }
        });
        let mut handing: Option<JoinHandle<Result<Successor, String>>> = None;
        let mut succeeded = false;
        let mut guards = None;
        loop {
            let Some(serving) = all.last_mut() else { return Ok(()) };
            tokio::select! {
                // Where nobody is served the task has ended as soon as it is told to: that is an end in order too.
                biased;
                () = stopped.as_mut() => break,
                ended = &mut serving.task => {
                    return ended.map_err(|error| Error::System(error.to_string()));
                }
                Some(()) = restart.recv() => match handing {
                    Some(_) => tracing::info!("SIGUSR2: a restart is under way"),
                    None => handing = self.hand_over(&ending),
                },
                handed = joined(&mut handing) => {
                    handing = None;
                    match handed {
                        Ok(next) => {
                            tokio::time::sleep(ON_ITS_WAY).await;
                            if ending.borrow().now {
                                next.ends();
                                break;
                            }
                            guards = Some(self.gateway.guards.stop());
                            next.leads();
                            let pid = next.pid;
                            self.successor = Some(self.follow(next, ending.clone()));
                            tracing::info!(pid, "another process serves now; this one finishes what it has");
                            self.gateway.leave();
                            ending.send_modify(|ending| ending.succeeded = true);
                            succeeded = true;
                            break;
                        }
                        Err(why) => failed(&why),
                    }
                },
                Some(()) = self.takeovers.recv() => match self.take_over(ending.subscribe()).await {
                    Ok(next) => {
                        serving.retire.send_replace(true);
                        all.push(next);
                        tracing::warn!("another runtime has taken over");
                    }
                    Err(error) => tracing::error!(%error, "no other runtime can take over"),
                },
            }
        }
        // Nobody attends to the watchdog any more; what ends the process now is the drain's own time.
        self.gateway.watchdog.drains();
        self.takeovers.close();
        // Another process may accept by now, and a signal for the service came to this one.
        if let Some(handing) = handing
            && ending.borrow().handed
            && let Ok(Ok(Ok(next))) = tokio::time::timeout(handover::MORE, handing).await
        {
            next.ends();
        }
        if !succeeded {
            notify::stopping();
        }
        let guards = guards.unwrap_or_else(|| self.gateway.guards.stop());
        if let Some(listener) = self.listener.take()
            && !ending.borrow().shared
        {
            listener::close(&listener);
        }
        let limit = self.limit();
        let ended = async {
            for serving in all {
                // One that panicked has ended too.
                let _ = serving.task.await;
            }
        };
        let (ended, guards) =
            tokio::join!(tokio::time::timeout(limit, ended), tokio::time::timeout(limit, guards));
        if ended.is_err() {
            tracing::warn!("a runtime did not end by itself: its workers are stuck");
        }
        if guards.is_err() {
            tracing::warn!("{GUARD_LEFT}");
        }
        Ok(())
    }

    /// The longest that its end takes.
    fn limit(&self) -> Duration {
        self.gateway.routes.load().config.tidegate.clocks.drain + LAST_WORDS + MARGIN
    }

    /// Ends with the process that serves now, where that is told to end before this one has.
    fn follow(&self, next: Successor, ending: watch::Sender<Ending>) -> Arc<Successor> {
        let (next, limit) = (Arc::new(next), self.limit());
        let heard = next.clone();
        tokio::task::spawn_blocking(move || {
            if heard.is_ending(limit) {
                ending.send_modify(|ending| ending.now = true);
            }
        });
        next
    }

    /// Begins a restart, on a thread of its own: the new process takes its time to load.
    fn hand_over(&self, ending: &watch::Sender<Ending>) -> Option<JoinHandle<Result<Successor, String>>> {
        if let Some(why) = handover::refused() {
            failed(why);
            return None;
        }
        let sockets = self.listener.as_ref().map(|data| (data.try_clone(), self.admin.try_clone()));
        let Some((Ok(data), Ok(admin))) = sockets else {
            failed("the sockets cannot be duplicated");
            return None;
        };
        tracing::info!("SIGUSR2: starting the program anew");
        let (program, offer, ending) = (self.program.clone(), self.offer, ending.clone());
        let handing = Handing { program, data, admin, offer, ending, limit: handover::START };
        Some(tokio::task::spawn_blocking(move || handover::hand_over(&handing)))
    }

    async fn take_over(&mut self, ending: watch::Receiver<Ending>) -> std::io::Result<Serving> {
        self.runtimes.push(runtime::build(&self.gateway.watchdog)?);
        // What lives on the old runtime's IO driver may never be woken again.
        let gateway = self.gateway.clone();
        let left = tokio::task::spawn_blocking(move || {
            gateway.upstream.forget();
            gateway.routes.load().deployments.iter().for_each(|deployment| deployment.revive());
        });
        // Each of that is under a short lock, and a stuck worker may have been stopped inside one.
        if tokio::time::timeout(LEAVING, left).await.is_err() {
            tracing::error!("what lives on the stuck runtime cannot be left: its pooled connections stay");
        }
        self.serve(ending)
    }

    /// Serves on the newest runtime. Accepting is a task of its workers, as the connections are: it must not depend on
    /// this thread.
    fn serve(&self, ending: watch::Receiver<Ending>) -> std::io::Result<Serving> {
        let runtime::Data { runtime, number } =
            self.runtimes.last().ok_or_else(|| std::io::Error::other("there is no runtime"))?;
        let listener =
            self.listener.as_ref().ok_or_else(|| std::io::Error::other("it is ending"))?.try_clone()?;
        self.reach.add(runtime.handle().clone());
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (retire, retired) = watch::channel(false);
        let task = tokio::spawn(listener::serve(self.gateway.clone(), listener, ending, retired));
        self.gateway.watchdog.serves(*number);
        Ok(Serving { task, retire })
    }
}

/// When the service is to end, tells the process before, and waits for its end.
async fn leave(predecessor: Arc<Predecessor>, mut ending: watch::Receiver<Ending>, limit: Duration) {
    if ending.wait_for(|ending| ending.now).await.is_ok() {
        predecessor.ending();
        let _ = tokio::task::spawn_blocking(move || predecessor.ended(limit)).await;
    }
}

/// What came of a restart that is under way; for ever, where none is.
async fn joined(handing: &mut Option<JoinHandle<Result<Successor, String>>>) -> Result<Successor, String> {
    match handing {
        Some(handing) => handing.await.unwrap_or_else(|error| Err(error.to_string())),
        None => std::future::pending().await,
    }
}

/// This process serves on.
pub(super) fn failed(why: &str) {
    tracing::error!("the restart failed, this process serves on: {why}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let first = why.lines().next().unwrap_or_default();
    notify::status(&format!("{RESTART_FAILED} ({}): {first}", crate::utc::utc(now)));
}
