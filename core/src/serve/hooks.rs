//! What the watchdog and the plugin host call back into.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use tidegate_host::{CallHook, Op, Outcome};
use tidegate_watchdog::{Dump, Hooks, Incident, Kind, PluginGuard, Watchdog, plugin_enter};
use tokio::sync::mpsc;

use super::runtimes::Runtimes;
use crate::incidents::Writer;
use crate::metrics::Metrics;
use crate::routing::Plugins;
use crate::routing::group::seed;

/// sysexits.h EX_SOFTWARE: the service manager is to start it anew.
const GAVE_UP: i32 = 70;

/// The end comes within this time, at random: where many gave up for one reason they are not to come back at once.
const JITTER_MS: u64 = 500;

/// How long the last incidents may take to reach the file.
const FLUSH: Duration = Duration::from_secs(1);

/// What the watchdog can have done.
pub(super) struct Hands {
    pub(super) runtimes: Runtimes,
    pub(super) takeovers: mpsc::UnboundedSender<()>,
    pub(super) file: Option<Writer>,
}

impl Hooks for Hands {
    fn poke(&self) {
        self.runtimes.poke();
    }

    fn demote(&self, thread: i32) -> bool {
        tidegate_host::process::demote(thread)
    }

    fn raise(&self, thread: i32) -> bool {
        tidegate_host::process::raise(thread)
    }

    fn take_over(&self) {
        if self.takeovers.send(()).is_err() {
            tracing::error!("watchdog: it is ending: no other runtime takes over");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the watchdog's own thread, and its last act")]
    fn give_up(&self, dump: &Dump) {
        for worker in &dump.workers {
            tracing::error!("watchdog: {worker}");
        }
        for stream in &dump.streams {
            tracing::error!("watchdog: {}", crate::incidents::json::stream(stream));
        }
        if let Some(file) = &self.file {
            file.flush(FLUSH);
        }
        std::thread::sleep(Duration::from_millis(seed() % JITTER_MS));
        tracing::error!(code = GAVE_UP, "watchdog: ending, for the service manager to start it anew");
        crate::logging::flush();
        tidegate_host::process::exit_at_once(GAVE_UP)
    }

    fn incident(&self, incident: &Arc<Incident>) {
        let id = incident.id;
        match incident.kind {
            Kind::StreamVerdict | Kind::RuntimeReplaced | Kind::GaveUp => {
                tracing::error!(incident = %id, "watchdog: {incident}");
            }
            Kind::QuarantineLifted => tracing::info!(incident = %id, "watchdog: {incident}"),
            _ => tracing::warn!(incident = %id, "watchdog: {incident}"),
        }
        if let Some(file) = &self.file {
            file.line(crate::incidents::json::incident(incident).to_string());
        }
    }

    fn warn(&self, incident: &Incident) {
        tracing::warn!("watchdog: {incident}");
    }
}

/// Counts plugin calls, and tells the watchdog which thread is in which plugin.
struct PluginCalls {
    counters: Vec<(IntCounter, IntCounter, IntCounter)>,
}

thread_local! {
    static INSIDE: Cell<Option<PluginGuard>> = const { Cell::new(None) };
}

impl PluginCalls {
    fn counters(&self, plugin: u32, op: Op) -> Option<&(IntCounter, IntCounter, IntCounter)> {
        self.counters.get(usize::try_from(plugin).ok()?.checked_mul(Op::ALL.len())? + op as usize)
    }
}

impl CallHook for PluginCalls {
    fn enter(&self, plugin: u32, _: Op) {
        INSIDE.set(Some(plugin_enter(plugin)));
    }

    fn leave(&self, plugin: u32, op: Op, outcome: Outcome) {
        INSIDE.set(None);
        let Some((calls, errors, panics)) = self.counters(plugin, op) else { return };
        calls.inc();
        match outcome {
            Outcome::Ok => {}
            Outcome::Error => errors.inc(),
            Outcome::Panic => panics.inc(),
        }
    }
}

/// Installs the hook for the plugins of this process. Only the first server of a process is hooked.
pub(super) fn watch_plugins(plugins: &Plugins, metrics: &Metrics, watchdog: &Watchdog) {
    let ids = plugins.iter().map(|plugin| plugin.id()).max().unwrap_or(0);
    let mut names = vec!["other"; usize::try_from(ids).unwrap_or(0) + 1];
    for plugin in plugins.iter() {
        watchdog.name_plugin(plugin.id(), plugin.name());
        if let Some(name) = usize::try_from(plugin.id()).ok().and_then(|id| names.get_mut(id)) {
            *name = plugin.name();
        }
    }
    let counters =
        names.iter().flat_map(|name| Op::ALL.iter().map(|op| metrics.plugin_call(name, op.name()))).collect();
    tidegate_host::set_call_hook(Box::leak(Box::new(PluginCalls { counters })));
}
