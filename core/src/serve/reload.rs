//! Reloads: the configuration and the plugins at SIGHUP, the plugins alone when the admin API or the watcher of their
//! folders asks. One at a time, away from everything that serves; what is in force changes in one step, at its end.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_watchdog::{Report, Suspected, Watchdog};
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};

use super::{Error, notify};
use crate::config::{Config, ProcessEnv, Tidegate};
use crate::gateway::Gateway;
use crate::metrics::Metrics;
use crate::routing::plugins::{Change, Changes, Loaded, Outcome, settle};
use crate::routing::{Plugins, Routes};

/// Asks that may wait for the reload that runs. One would do: what it finds is the same.
const WAITING: usize = 8;

/// Somebody wants the plugins looked for again, and is told what came of it.
struct Ask(oneshot::Sender<Value>);

/// Where to ask for a reload of the plugins.
#[derive(Clone)]
pub struct Reloads(mpsc::Sender<Ask>);

impl Reloads {
    /// Asks; `None` when too many wait already, or it is ending.
    pub fn ask(&self) -> Option<oneshot::Receiver<Value>> {
        let (tell, told) = oneshot::channel();
        self.0.try_send(Ask(tell)).ok().map(|()| told)
    }
}

/// What a reload needs.
pub(super) struct Reloader {
    pub(super) gateway: Arc<Gateway>,
    /// The configuration's file, for SIGHUP.
    pub(super) file: Option<PathBuf>,
    /// Where clients are served: no reload changes that.
    pub(super) bound: SocketAddr,
    /// That is the service manager's to say, and not the configuration's.
    pub(super) given: bool,
}

/// Reloads when it is asked to, or by the signal, until the process ends.
pub(super) fn start(mut hup: Signal, reloader: Reloader) {
    let (reloads, mut asks) = mpsc::channel::<Ask>(WAITING);
    // Only the first server of a process has one.
    let _ = reloader.gateway.reloads.set(Reloads(reloads));
    let reloader = Arc::new(reloader);
    tokio::spawn(async move {
        loop {
            let (config, tell) = tokio::select! {
                signalled = hup.recv() => match signalled {
                    Some(()) => (true, None),
                    None => return,
                },
                Some(Ask(tell)) = asks.recv() => (false, Some(tell)),
            };
            let at_work = reloader.clone();
            // A thread of its own: a file may be slow to read, and a plugin's `create` to return.
            let done = tokio::task::spawn_blocking(move || at_work.reload(config));
            let told = done.await.unwrap_or_else(|error| {
                tracing::error!(%error, "the reload ended badly; what was in force stays");
                json!({"result": "refused", "reason": error.to_string(), "plugins": [], "refused": []})
            });
            if let Some(tell) = tell {
                // Whoever asked may have left.
                let _ = tell.send(told);
            }
        }
    });
}

impl Reloader {
    fn reload(&self, config: bool) -> Value {
        if config {
            // Whoever turns logs over sends the signal when the file is moved away.
            self.gateway.access.reopen();
        }
        match (config, &self.file) {
            (true, None) => {
                tracing::info!("SIGHUP: there is no configuration file to read again; plugins alone are");
            }
            (true, Some(_)) => return self.configuration(),
            (false, _) => {}
        }
        let now = self.gateway.routes.load().config.clone();
        match self.apply(now, false) {
            Ok(changes) => changes.to_json(),
            Err(reason) => {
                tracing::error!("the plugins are not reloaded, what was in force stays: {reason}");
                self.gateway.metrics.plugin_reloads.with_label_values(&["refused"]).inc();
                json!({"result": "refused", "reason": reason, "plugins": [], "refused": []})
            }
        }
    }

    /// The configuration's file, and the plugins with it.
    fn configuration(&self) -> Value {
        let result = self.read().and_then(|config| self.apply(config, true).map_err(Error::Config));
        let metrics = &self.gateway.metrics;
        match result {
            Ok(changes) => {
                let models = self.gateway.routes.load().names().count();
                tracing::info!(models, "the configuration was read again");
                metrics.reloaded(true);
                notify::status("Serving; the configuration was read again");
                changes.to_json()
            }
            Err(Error::Config(text) | Error::System(text)) => {
                tracing::error!("the new configuration is refused, the old one stays in force:\n{text}");
                metrics.reloaded(false);
                notify::status("Serving; the new configuration was refused, the log says why");
                json!({"result": "refused", "reason": text, "plugins": [], "refused": []})
            }
        }
    }

    fn read(&self) -> Result<Config, Error> {
        let file = self.file.as_deref().unwrap_or_else(|| std::path::Path::new(""));
        let mut config = super::read(file)?;
        let next = (!self.given).then_some(config.tidegate.listen);
        let addresses: Vec<SocketAddr> = [self.bound].into_iter().chain(next).collect();
        super::guard_open_proxy(&config, &addresses)?;
        keep_what_stays(&self.gateway.routes.load().config.tidegate, &mut config.tidegate);
        Ok(config)
    }

    /// Looks for plugins, makes routes of this configuration with them, and puts both in force. The error is a sentence;
    /// nothing has changed then. `new`: the configuration may be another than the one in force.
    fn apply(&self, config: Config, new: bool) -> Result<Changes, String> {
        let Gateway { routes, metrics, watchdog, .. } = &*self.gateway;
        let before = routes.load_full();
        let found = before.plugins.look_again(&config.tidegate.plugins, &|name| before.uses(name));
        if !new && found.is_same(&before.plugins) {
            let changes = Changes::between(&before.plugins, &found);
            metrics.plugin_reloads.with_label_values(&[changes.result()]).inc();
            return Ok(changes);
        }
        let build = |plugins: Arc<Plugins>| {
            Routes::build(config.clone(), &plugins, &ProcessEnv, metrics, watchdog, Some(&before))
        };
        let next = settle(&before, found, &config.tidegate.plugins, &build)?;
        let changes = Changes::between(&before.plugins, &next.plugins);
        for skipped in &next.skipped {
            tracing::error!("left out: {}", skipped.reason);
        }
        if new {
            tell_of_lost(&before, &next);
        } else {
            next.keep_tokens(&before);
        }
        announce(metrics, watchdog, &before.plugins, &next.plugins);
        let guards = next.config.tidegate.guard.clone();
        self.gateway.swap(next);
        let now = routes.load();
        now.forget_others(metrics);
        // Nobody tries it any more, so its quarantine would never end.
        now.gone_since(&before).for_each(|name| watchdog.renew(Suspected::Deployment, name));
        if let Err(error) = self.gateway.guards.apply(&guards) {
            tracing::error!(%error, "the guards are as they were");
        }
        changes.plugins.iter().for_each(|change| self.tell(change));
        for (provider, described) in &changes.vendors {
            let how =
                if *described { "as its vendor file says now" } else { "no more: its vendor file is gone" };
            tracing::info!(provider, "the provider is served {how}");
        }
        metrics.plugin_reloads.with_label_values(&[changes.result()]).inc();
        Ok(changes)
    }

    fn tell(&self, change: &Change) {
        let (name, version) = (&*change.name, &*change.version.version);
        let sha256 = change.version.sha256.get(..8).unwrap_or_default();
        let sentence = match &change.outcome {
            Outcome::Unchanged => return,
            Outcome::Kept(why) => {
                return tracing::warn!(plugin = name, version, "the plugin in force stays: {why}");
            }
            Outcome::Removed => format!("the plugin {name} {version} is no longer in force"),
            Outcome::Loaded(None) => format!("the plugin {name} {version} ({sha256}) is in force"),
            Outcome::Loaded(Some(old)) => {
                let old_sha256 = old.sha256.get(..8).unwrap_or_default();
                let old = &old.version;
                format!("the plugin {name} {version} ({sha256}) has taken the place of {old} ({old_sha256})")
            }
        };
        // What the version before did says nothing of this one.
        self.gateway.watchdog.renew(Suspected::Plugin, name);
        self.gateway.watchdog.report(Report::new(crate::incidents::PLUGIN_SWAPPED, sentence).plugin(name));
    }
}

/// What was made at the start stays as it was made, and is shown so: a word for what the file has changed of it.
fn keep_what_stays(now: &Tidegate, next: &mut Tidegate) {
    if (next.listen, next.admin) != (now.listen, now.admin) {
        tracing::warn!("listen and admin take effect at the next start, or at SIGUSR2");
        (next.listen, next.admin) = (now.listen, now.admin);
    }
    if (&next.access_log, &next.traces) != (&now.access_log, &now.traces) {
        tracing::warn!("access_log and traces take effect at the next start");
        (next.access_log, next.traces) = (now.access_log.clone(), now.traces.clone());
    }
    if next.watchdog != now.watchdog {
        tracing::warn!("watchdog takes effect at the next start, or at SIGUSR2");
        next.watchdog = now.watchdog.clone();
    }
    let (limits, before) = (&mut next.limits, now.limits);
    if (limits.connections, limits.header) != (before.connections, before.header) {
        tracing::warn!("limits.connections and limits.header take effect at the next start, or at SIGUSR2");
        (limits.connections, limits.header) = (before.connections, before.header);
    }
}

/// A model that clients were served, and are not any more, is loud: by mistake it is an outage.
fn tell_of_lost(before: &Routes, next: &Routes) {
    let there: BTreeSet<&str> = next.names().collect();
    for lost in before.names().filter(|name| !there.contains(name)) {
        let config = &next.config;
        let bad = config.left_out.iter().any(|(name, _)| name.as_deref() == Some(lost));
        if bad || config.groups.iter().any(|group| group.name == lost) {
            tracing::error!(model = lost, "this model is served no more: its deployments are left out");
        } else {
            tracing::warn!(model = lost, "this model is served no more: the configuration has it no longer");
        }
    }
}

/// What Prometheus and the watchdog are told of the plugins in force.
pub(super) fn announce(metrics: &Metrics, watchdog: &Watchdog, before: &Plugins, plugins: &Plugins) {
    metrics.plugins_refused.set(i64::try_from(plugins.refused.len()).unwrap_or(i64::MAX));
    let labels = |loaded: &Loaded| {
        (loaded.plugin.name(), loaded.plugin.version().to_owned(), loaded.isolation.as_str())
    };
    let now: BTreeSet<_> = plugins.loaded().map(labels).collect();
    for (name, version, isolation) in &now {
        metrics.plugin_info.with_label_values(&[name, version.as_str(), isolation]).set(1);
    }
    // One by one: a scrape in between must not find none.
    for (name, version, isolation) in before.loaded().map(labels).filter(|old| !now.contains(old)) {
        // It is there, or a scrape has not seen it yet.
        let _ = metrics.plugin_info.remove_label_values(&[name, &version, isolation]);
    }
    for plugin in plugins.iter() {
        watchdog.name_plugin(plugin.id(), plugin.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access;
    use crate::serve::Seen;
    use crate::traces::Traces;
    use crate::upstream::{self, Upstream};

    fn reloader(folder: &std::path::Path, bound: &str, given: bool) -> Reloader {
        let config = crate::config::parse("{}", std::path::Path::new("c.yaml"), &ProcessEnv).unwrap();
        let Seen { metrics, watchdog, .. } = Seen::start(&config.tidegate).unwrap();
        let upstream = Upstream::new(upstream::Settings::default()).unwrap();
        let quiet = (access::Log::Off, Traces::off(false));
        let gateway = Gateway::new(Routes::none(config), upstream, metrics, watchdog, quiet);
        Reloader { gateway, file: Some(folder.join("c.yaml")), bound: bound.parse().unwrap(), given }
    }

    #[test]
    fn what_takes_a_start_stays_as_it_is_in_force() {
        use crate::config::{AccessLog, WatchdogMode};
        let now = Tidegate::default();
        let mut next =
            Tidegate { listen: ([127, 0, 0, 1], 1).into(), access_log: AccessLog::Off, ..now.clone() };
        next.watchdog.mode = WatchdogMode::Observe;
        (next.limits.connections, next.limits.body) = (1, 2);
        next.log_upstream_errors = true;
        keep_what_stays(&now, &mut next);
        assert_eq!((next.listen, &next.access_log), (now.listen, &now.access_log));
        assert_eq!((&next.watchdog, next.limits.connections), (&now.watchdog, now.limits.connections));
        assert_eq!((next.limits.body, next.log_upstream_errors), (2, true), "a reload changes these");
    }

    #[test]
    fn a_reload_opens_no_port_that_is_bound_to_the_network() {
        let folder = tempfile::tempdir().unwrap();
        let read = |bound: &str, given: bool, listen: &str, key: bool| {
            let key = if key { "general_settings: {master_key: sk-1}" } else { "" };
            let text = format!("tidegate: {{listen: \"{listen}:4000\"}}\n{key}");
            std::fs::write(folder.path().join("c.yaml"), text).unwrap();
            let reloader = reloader(folder.path(), bound, given);
            let read = reloader.read();
            reloader.gateway.watchdog.stop();
            read.map(|_| ()).map_err(|(Error::Config(text) | Error::System(text))| text)
        };
        let refused = read("10.99.0.1:4620", false, "127.0.0.1", false).unwrap_err();
        assert!(refused.contains("10.99.0.1:4620") && refused.contains("no master key"), "{refused}");
        // The next start would bind this one.
        assert!(read("127.0.0.1:4620", false, "10.99.0.1", false).is_err());
        assert!(read("127.0.0.1:4620", true, "10.99.0.1", false).is_ok(), "nobody binds what the file says");
        assert!(read("10.99.0.1:4620", true, "127.0.0.1", false).is_err());
        assert!(read("127.0.0.1:4620", false, "127.0.0.1", false).is_ok());
        assert!(read("10.99.0.1:4620", false, "127.0.0.1", true).is_ok());
    }
}
