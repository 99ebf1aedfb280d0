//! The proxy under test, in this process and on threads of its own, with the simulator and those who watch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidegate_sim::{Settings, Sim};
use tokio::sync::{Mutex, watch};

use super::simulated::Nothing;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::routing::{Plugins, Routes};
use crate::serve::{Error, Server};

/// The wait that simulated providers ask for.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Between two chunks of a paced answer.
const PACE: Duration = Duration::from_millis(20);
/// Floods are over by then; the proxy's limits are met before.
const FLOOD: Duration = Duration::from_secs(6);
/// More than the sockets of a client that does not read can hold.
const FLOOD_BYTES: u64 = 16 << 20;

/// The simulated providers.
///
/// # Errors
/// There is no socket to be had.
pub(super) async fn simulator() -> std::io::Result<Arc<Sim>> {
    let settings = Settings {
        pace: PACE,
        drip: Duration::ZERO,
        flood_bytes: FLOOD_BYTES,
        flood_time: FLOOD,
        retry_after: RETRY_AFTER,
        ..Settings::default()
    };
    Sim::start(settings).await.map(Arc::new)
}

/// A running proxy. Dropping it stops it.
pub(super) struct Stage {
    pub(super) gateway: Arc<Gateway>,
    pub(super) plugins: Arc<Plugins>,
    pub(super) data: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) sim: Arc<Sim>,
    /// Held from the moment a cell's configuration is in force until its request has been routed by it.
    pub(super) door: Mutex<()>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Stage {
    /// Starts the proxy with `config`, whose groups the canary's is among.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn set(config: Config, sim: Arc<Sim>) -> Result<Self, Error> {
        let server = Server::start(config)?;
        let (stop, stopped) = watch::channel(false);
        let (gateway, plugins) = (server.gateway().clone(), server.plugins());
        let (data, admin) = (server.data, server.admin);
        let named = std::thread::Builder::new().name("proxy".into());
        let thread = named.spawn(move || server.run(None, Some(stopped)));
        let thread = thread.map_err(|error| Error::System(format!("the proxy's thread: {error}")))?;
        let door = Mutex::default();
        Ok(Self { gateway, plugins, data, admin, sim, door, stop, thread: Some(thread) })
    }
}

impl Stage {
    /// A configuration with a state of its own: what one cell did to a deployment's health is not the next one's.
    ///
    /// # Errors
    /// A sentence: nothing of it can be served.
    pub(super) fn routes(&self, config: Config) -> Result<Arc<Routes>, String> {
        let (metrics, watchdog) = (&self.gateway.metrics, &self.gateway.watchdog);
        Routes::build(config, &self.plugins, &Nothing, metrics, watchdog, None).map(Arc::new)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The other end is gone where the proxy has ended by itself.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // Its panic was printed when it happened.
            let _ = thread.join();
        }
    }
}
