//! The main thread: signals, the end, and another runtime where one is stuck. It has a runtime of its own, because it must
//! hear SIGTERM while every data worker is stuck.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::reload::Reloader;
use super::runtimes::Runtimes;
use super::{Error, notify, reload, runtime};
use crate::gateway::Gateway;
use crate::incidents::Writer;
use crate::listener::{self, LAST_WORDS};

/// How much longer than the drain itself it may take until the last task has ended.
const MARGIN: Duration = Duration::from_secs(1);

/// Everything that is needed to serve, and to go on serving.
pub(super) struct Control {
    pub(super) gateway: Arc<Gateway>,
    /// Stays here: each runtime accepts on a duplicate of it. A second listener on the same port would lose what the
    /// kernel queued for the first.
    pub(super) listener: Option<TcpListener>,
    pub(super) runtimes: Vec<Runtime>,
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
        file: Option<PathBuf>,
        stop: Option<watch::Receiver<bool>>,
    ) -> Result<(), Error> {
        let system = |error: std::io::Error| Error::System(error.to_string());
        let own = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
        let result = own.block_on(async {
            let reloader = Reloader { gateway: self.gateway.clone(), file };
            reload::start(reloader).map_err(system)?;
            let stop = reload::signals(self.gateway.clone(), stop).map_err(system)?;
            let serving = self.serve(stop.clone()).map_err(system)?;
            notify::ready(&self.reach);
            self.attend(serving, stop).await
        });
        let lost = self.gateway.watchdog.stats().lost_workers;
        self.gateway.watchdog.stop();
        if let Some(file) = &self.file {
            file.flush(MARGIN);
        }
        // Waiting for workers would wait for one that is stuck.
        own.shutdown_background();
        self.runtimes.into_iter().for_each(Runtime::shutdown_background);
        if lost > 0 && result.is_ok() {
            tracing::warn!(threads = lost, "ending without waiting for threads that are stuck");
            crate::logging::flush();
            tidegate_host::process::exit_at_once(0);
        }
        result
    }

    /// Waits for the end.
    async fn attend(&mut self, first: Serving, stop: watch::Receiver<bool>) -> Result<(), Error> {
        let mut all = vec![first];
        let mut stopped = std::pin::pin!({
            let mut stop = stop.clone();
            async move { drop(stop.wait_for(|stop| *stop).await) }
        });
        loop {
            let Some(serving) = all.last_mut() else { return Ok(()) };
            tokio::select! {
                () = stopped.as_mut() => break,
                ended = &mut serving.task => return ended.map_err(|error| Error::System(error.to_string())),
                Some(()) = self.takeovers.recv() => match self.take_over(stop.clone()) {
                    Ok(next) => {
                        serving.retire.send_replace(true);
                        all.push(next);
                        tracing::warn!("another runtime has taken over");
                    }
                    Err(error) => tracing::error!(%error, "no other runtime can take over"),
                },
            }
        }
        notify::stopping();
        if let Some(listener) = self.listener.take() {
            listener::close(&listener);
        }
        let limit = self.gateway.routes.load().config.tidegate.clocks.drain + LAST_WORDS + MARGIN;
        let ended = async {
            for serving in all {
                // One that panicked has ended too.
                let _ = serving.task.await;
            }
        };
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!("a runtime did not end by itself: its workers are stuck");
        }
        Ok(())
    }

    fn take_over(&mut self, stop: watch::Receiver<bool>) -> std::io::Result<Serving> {
        self.runtimes.push(runtime::build(&self.gateway.watchdog)?);
        // What lives on the old runtime's IO driver may never be woken again.
        self.gateway.upstream.forget();
        self.gateway.routes.load().deployments.iter().for_each(|deployment| deployment.revive());
        self.serve(stop)
    }

    /// Serves on the newest runtime. Accepting is a task of its workers, as the connections are: it must not depend on
    /// this thread.
    fn serve(&self, stop: watch::Receiver<bool>) -> std::io::Result<Serving> {
        let runtime = self.runtimes.last().ok_or_else(|| std::io::Error::other("there is no runtime"))?;
        let listener =
            self.listener.as_ref().ok_or_else(|| std::io::Error::other("it is ending"))?.try_clone()?;
        self.reach.add(runtime.handle().clone());
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (retire, retired) = watch::channel(false);
        let task = tokio::spawn(listener::serve(self.gateway.clone(), listener, stop, retired));
        Ok(Serving { task, retire })
    }
}
