//! What the watchdog and the plugin host call back into.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use prometheus::IntCounter;
use tidegate_host::{CallHook, Op, Outcome};
use tidegate_watchdog::{Hooks, Incident, PluginGuard, Watchdog, plugin_enter};
use tokio::runtime::Handle;

use crate::metrics::Metrics;
use crate::routing::Plugins;

/// Wakes a worker of the runtime, once there is one.
///
/// One poll that does not return can stop every other task, because the worker that polled the IO driver is the one that
/// is stuck and nobody was told; a task spawned from outside wakes another (tokio-rs/tokio#4730).
#[derive(Clone, Default)]
pub(super) struct Poke(Arc<OnceLock<Handle>>);

impl Poke {
    pub(super) fn set(&self, runtime: Handle) {
        let _ = self.0.set(runtime);
    }

    pub(super) fn hooks(&self) -> impl Hooks {
        self.clone()
    }
}

impl Hooks for Poke {
    fn poke(&self) {
        if let Some(runtime) = self.0.get() {
            runtime.spawn(std::future::ready(()));
        }
    }

    fn incident(&self, incident: &Arc<Incident>) {
        tracing::error!(incident = %incident.id, "watchdog: {incident}");
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
