//! `tidegate guard`: the guards and the admin port alone. No model is served, no plugin loaded and no data port bound, so that
//! it can stand beside the very proxy that it watches, and read that proxy's own file.

use std::path::Path;

use tokio::sync::watch;

use super::control::{self, GUARD_LEFT, MARGIN};
use super::signals::{self, Signals};
use super::{Error, Seen, notify, sockets, system};
use crate::config::{Config, Router};
use crate::gateway::Gateway;
use crate::listener::Ending;
use crate::routing::Routes;
use crate::traces::Traces;
use crate::upstream::{self, Upstream};
use crate::{access, admin};

/// Guards until a signal says so. `file` is read again at SIGHUP.
///
/// # Errors
/// The configuration has no guard, or the machine does not give what is needed.
pub fn guard(file: &Path) -> Result<(), Error> {
    let config = read(file)?;
    let Seen { metrics, watchdog, file: incidents, reach, takeovers: _nobody } =
        Seen::start(&config.tidegate)?;
    let upstream = Upstream::new(upstream::Settings::default()).map_err(|error| system("TLS", &error))?;
    let socket = sockets::listen(None, config.tidegate.admin)?.socket;
    let address = socket.local_addr().map_err(|error| system("a socket", &error))?;
    // No request comes.
    let quiet = (access::Log::Off, Traces::off(false));
    let gateway = Gateway::new(Routes::none(config), upstream, metrics, watchdog, quiet);
    gateway.guards.announce(&gateway.routes.load().config.tidegate.guard);
    admin::start(gateway.clone(), socket).map_err(|error| system("the admin thread", &error))?;
    let guards = |gateway: &Gateway| gateway.guards.apply(&gateway.routes.load().config.tidegate.guard);
    guards(&gateway).map_err(|error| system("the guards' thread", &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| system("the runtime", &error))?;
    runtime.block_on(async {
        let failed = |error: std::io::Error| system("signals", &error);
        let Signals { end, reload: mut hup, mut restart } = Signals::register().map_err(failed)?;
        let ending = watch::Sender::new(Ending::default());
        let mut stop = ending.subscribe();
        let _heard = signals::listen(end, gateway.clone(), None, ending).map_err(failed)?;
        reach.add(tokio::runtime::Handle::current());
        notify::ready(&reach);
        tracing::info!(admin = %address, "guarding; no model is served");
        loop {
            tokio::select! {
                _ = stop.wait_for(|ending| ending.now) => break,
                Some(()) = restart.recv() => control::failed("a guard has nothing to hand over: use `systemctl restart`"),
                Some(()) = hup.recv() => match read(file) {
                    Ok(config) => {
                        if config.tidegate.admin != gateway.routes.load().config.tidegate.admin {
                            tracing::warn!("admin takes effect at the next start");
                        }
                        gateway.swap(Routes::none(config));
                        gateway.metrics.reloads.with_label_values(&["ok"]).inc();
                        tracing::info!("the configuration was read again");
                        if let Err(error) = guards(&gateway) {
                            tracing::error!(%error, "the guards are as they were");
                        }
                    }
                    Err(Error::Config(text) | Error::System(text)) => {
                        gateway.metrics.reloads.with_label_values(&["refused"]).inc();
                        tracing::error!("the new configuration is refused, the old one stays in force:\n{text}");
                    }
                },
            }
        }
        notify::stopping();
        let limit = gateway.routes.load().config.tidegate.clocks.drain + MARGIN;
        if tokio::time::timeout(limit, gateway.guards.stop()).await.is_err() {
            tracing::warn!("{GUARD_LEFT}");
        }
        Ok(())
    })?;
    gateway.watchdog.stop();
    if let Some(incidents) = incidents {
        incidents.flush(MARGIN);
    }
    runtime.shutdown_background();
    Ok(())
}

/// The file without what it says of models.
fn read(file: &Path) -> Result<Config, Error> {
    let mut config = super::read(file)?;
    if config.tidegate.guard.is_empty() {
        let file = file.display();
        return Err(Error::Config(format!(
            "{file}: there is nothing to guard: `tidegate.guard` lists the processes; docs/guard.md has examples\n"
        )));
    }
    config.deployments.clear();
    config.groups.clear();
    config.aliases.clear();
    config.router = Router::default();
    config.tidegate.groups.clear();
    Ok(config)
}
