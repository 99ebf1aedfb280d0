//! `tidegate serve`: puts the rooms together, runs them, and takes them down again.

mod control;
pub mod cores;
mod destroyer;
mod guarding;
pub mod handover;
mod hooks;
mod notify;
mod observe;
mod plugin_hooks;
mod reload;
mod runtime;
mod runtimes;
mod signals;
pub mod sockets;
mod watcher;

pub use control::RESTART_FAILED;
pub use guarding::guard;
pub use notify::SERVING;
pub use reload::Reloads;
pub use runtime::workers_wanted;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tidegate_watchdog::Watchdog;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::config::{self, Config, ProcessEnv};
use crate::gateway::Gateway;
use crate::incidents::Writer;
use crate::metrics::{Metrics, WatchdogCollector};
use crate::routing::plugins::Snapshot;
use crate::routing::{Plugins, Routes};
use crate::upstream::{self, Upstream};
use crate::{access, admin};
use sockets::{Given, Listening};

/// Why it did not serve.
#[derive(Debug)]
pub enum Error {
    /// The configuration; the text is complete.
    Config(String),
    /// The machine: an address, a thread, a descriptor.
    System(String),
}

/// A running Tidegate.
pub struct Server {
    control: control::Control,
    /// The main thread's runtime, and what it hears.
    main: (Runtime, signals::Signals),
    /// Where clients are served.
    pub data: SocketAddr,
    /// Where metrics, health and the admin API are served.
    pub admin: SocketAddr,
}

impl Server {
    /// Builds everything up to the bound sockets, without serving yet; the admin port answers from here on.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn start(config: Config) -> Result<Self, Error> {
        Self::start_with(config, Given::default())
    }

    /// The same with sockets that it was given. Where there is a process before, returns when that one lets it accept.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn start_with(config: Config, given: Given) -> Result<Self, Error> {
        let exposed = given.exposed();
        guard_open_proxy(&config, &[exposed.unwrap_or(config.tidegate.listen)])?;
        let settings = &config.tidegate;
        let (listen, admin) = (settings.listen, settings.admin);
        let Seen { metrics, watchdog, file, reach, takeovers } = Seen::start(settings)?;
        plugin_hooks::install(metrics.of_plugins(), &watchdog);
        destroyer::install(&watchdog);
        let there = Snapshot::of(&settings.plugins);
        let plugins = Arc::new(Plugins::load(&settings.plugins));
        reload::announce(&metrics, &watchdog, &Plugins::default(), &plugins);
        let upstream = Upstream::new(upstream::Settings::default())
            .map_err(|error| system("TLS to the providers", &error))?;
        let access = access::Log::start(&settings.access_log, &metrics.access_lost)
            .map_err(|error| Error::Config(format!("{error}\n")))?;
        let traces = observe::traces(&settings.traces, &metrics).map_err(|error| system("traces", &error))?;
        let data_runtime = runtime::build(&watchdog).map_err(|error| system("the runtime", &error))?;
        let runtime = &data_runtime.runtime;

        let routes = {
            let _runtime = runtime.enter();
            Routes::build(config, &plugins, &ProcessEnv, &metrics, &watchdog, None).map_err(Error::Config)?
        };
        for skipped in &routes.skipped {
            tracing::error!("left out: {}", skipped.reason);
        }
        let (data_socket, admin_socket) =
            (sockets::listen(given.data, listen)?, sockets::listen(given.admin, admin)?);
        let address =
            |listening: &Listening| listening.socket.local_addr().map_err(|error| system("a socket", &error));
        let (data, admin_addr) = (address(&data_socket)?, address(&admin_socket)?);
        let offer = handover::Offer { data: data_socket.bound_for, admin: admin_socket.bound_for };
        let admins = admin_socket.socket.try_clone().map_err(|error| system("the admin socket", &error))?;
        let gateway = Gateway::new(routes, upstream, metrics, watchdog, (access, traces));
        gateway.guards.announce(&gateway.routes.load().config.tidegate.guard);
        let _ = gateway.runtime.set(runtime.handle().metrics());
        watcher::start(&gateway, there).map_err(|error| system("the plugins' thread", &error))?;
        let own = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let own = own.map_err(|error| system("the main runtime", &error))?;
        let signals = {
            let _inside = own.enter();
            signals::Signals::register().map_err(|error| system("signals", &error))?
        };
        if let Some(predecessor) = &given.predecessor {
            predecessor.ready()?;
        }
        admin::start(gateway.clone(), admin_socket.socket)
            .map_err(|error| system("the admin thread", &error))?;
        let control = control::Control {
            gateway,
            listener: Some(data_socket.socket),
            admin: admins,
            offer,
            bound: data,
            predecessor: given.predecessor,
            successor: None,
            program: handover::Program::own(),
            runtimes: vec![data_runtime],
            reach,
            takeovers,
            file,
        };
        Ok(Self { control, main: (own, signals), data, admin: admin_addr })
    }

    /// Serves until a signal or `stop` says so, and drains. `file` is read again at SIGHUP.
    ///
    /// # Errors
    /// The socket cannot be had.
    pub fn run(self, file: Option<PathBuf>, stop: Option<watch::Receiver<bool>>) -> Result<(), Error> {
        self.control.run(self.main, file, stop)
    }

    /// The plugins in force.
    pub fn plugins(&self) -> Arc<Plugins> {
        self.control.gateway.routes.load().plugins.clone()
    }

    /// The shared state, for those who look from outside.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.control.gateway
    }
}

fn system(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::System(format!("{what}: {error}"))
}

/// What observes: there whatever else is served.
struct Seen {
    metrics: Metrics,
    watchdog: Watchdog,
    file: Option<Writer>,
    reach: runtimes::Runtimes,
    takeovers: mpsc::UnboundedReceiver<()>,
}

impl Seen {
    fn start(settings: &config::Tidegate) -> Result<Self, Error> {
        let metrics = Metrics::new().map_err(|error| system("metrics", &error))?;
        let (reach, (ask, takeovers)) = (runtimes::Runtimes::default(), mpsc::unbounded_channel());
        let file = Writer::start(&settings.watchdog.incidents, metrics.incidents_unwritten.clone()).map_err(
            |error| Error::Config(format!("the file of watchdog.incidents cannot be opened: {error}\n")),
        )?;
        let hands = hooks::Hands {
            runtimes: reach.clone(),
            takeovers: ask,
            file: file.clone(),
            counted: metrics.incidents.clone(),
        };
        let watch = observe::config(&settings.watchdog);
        let watchdog = Watchdog::start(watch, hands).map_err(|error| system("the watchdog", &error))?;
        let collector =
            WatchdogCollector::new(watchdog.clone()).map_err(|error| system("metrics", &error))?;
        metrics.register(collector).map_err(|error| system("metrics", &error))?;
        Ok(Self { metrics, watchdog, file, reach, takeovers })
    }
}

/// Without a key everybody who reaches the port spends the provider's money. `addresses`: where it is served, or will be.
fn guard_open_proxy(config: &Config, addresses: &[SocketAddr]) -> Result<(), Error> {
    if config.general.master_key.is_some() {
        return Ok(());
    }
    let Some(listen) = addresses.iter().find(|address| !address.ip().is_loopback()) else {
        let listen = addresses.first().unwrap_or(&config.tidegate.listen);
        tracing::warn!(%listen, "no master key: everybody on this machine can use the configured providers");
        return Ok(());
    };
    Err(Error::Config(format!(
        "{listen} can be reached from other machines and there is no master key: set general_settings.master_key or \
         LITELLM_MASTER_KEY, or listen on 127.0.0.1\n"
    )))
}

/// Reads a configuration and says in the log what is to be said about it.
///
/// # Errors
/// [`Error::Config`] with the whole report.
pub fn read(file: &std::path::Path) -> Result<Config, Error> {
    let config = config::load(file, &ProcessEnv).map_err(|report| Error::Config(report.to_string()))?;
    for notice in &config.notices {
        tracing::debug!("{notice}");
    }
    for (_, notice) in &config.left_out {
        tracing::error!("left out: {}: {}", notice.place, notice.message);
    }
    if !config.notices.is_empty() {
        tracing::info!(notices = config.notices.len(), "`tidegate check` lists what differs from litellm");
    }
    Ok(config)
}
