//! Signals: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reads the configuration again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Error;
use crate::config::ProcessEnv;
use crate::gateway::Gateway;
use crate::routing::{Plugins, Routes};

/// Listens for signals; what it returns turns true when serving is to end.
pub(super) fn signals(
    gateway: Arc<Gateway>,
    plugins: Arc<Plugins>,
    file: Option<PathBuf>,
    stop: Option<watch::Receiver<bool>>,
) -> io::Result<watch::Receiver<bool>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hup = signal(SignalKind::hangup())?;
    let (stopping, stopped) = watch::channel(false);
    let mut stop = stop.unwrap_or_else(|| watch::channel(false).1);
    let mut stoppable = true;
    let reloading = gateway.clone();
    // A task of its own: a configuration that cannot be read quickly must not keep SIGTERM waiting.
    tokio::spawn(async move {
        while hup.recv().await.is_some() {
            reload(&reloading, &plugins, file.as_deref()).await;
        }
    });
    tokio::spawn(async move {
        let mut signalled = false;
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
                answer = stop.changed(), if stoppable => {
                    stoppable = false;
                    if answer.is_err() {
                        continue;
                    }
                }
            }
            if std::mem::replace(&mut signalled, true) {
                tracing::warn!("a second signal: ending without waiting for requests");
                crate::logging::flush();
                // Nothing is left to be done in order: the user asked twice.
                #[expect(clippy::disallowed_methods, reason = "the second signal means now")]
                std::process::exit(1);
            }
            gateway.drain();
            stopping.send_replace(true);
        }
    });
    Ok(stopped)
}

async fn reload(gateway: &Arc<Gateway>, plugins: &Arc<Plugins>, file: Option<&Path>) {
    let Some(file) = file else {
        tracing::info!("SIGHUP: there is no configuration file to read again");
        return;
    };
    let (before, plugins, path) = (gateway.routes.load_full(), plugins.clone(), file.to_owned());
    let shared = gateway.clone();
    let built = tokio::task::spawn_blocking(move || {
        let config = super::read(&path)?;
        super::guard_open_proxy(&config)?;
        let changed = config.tidegate.listen != before.config.tidegate.listen
            || config.tidegate.admin != before.config.tidegate.admin;
        if changed {
            tracing::warn!("listen and admin take effect at the next start");
        }
        Routes::build(config, &plugins, &ProcessEnv, &shared.metrics, &shared.watchdog, Some(&before))
            .map_err(Error::Config)
    });
    let result = match built.await {
        Ok(Ok(routes)) => {
            tracing::info!(models = routes.names().count(), "the configuration was read again");
            gateway.swap(routes);
            "ok"
        }
        Ok(Err(Error::Config(text) | Error::System(text))) => {
            tracing::error!("the new configuration is refused, the old one stays in force:\n{text}");
            "refused"
        }
        Err(error) => {
            tracing::error!(%error, "the configuration could not be read again, the old one stays in force");
            "refused"
        }
    };
    gateway.metrics.reloads.with_label_values(&[result]).inc();
}
