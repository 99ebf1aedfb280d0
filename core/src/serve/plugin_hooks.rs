//! What the plugin host calls back into: calls and worker processes are counted, an end that nobody asked for is an
//! incident, and the watchdog knows which thread is in which plugin.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidegate_host::{CallHook, EndReason, Op, Outcome, WorkerEnd, WorkerHook};
use tidegate_watchdog::{PluginGuard, Report, Watchdog, plugin_enter};

use crate::metrics::{CallSeries, OTHER, PluginFamilies};

/// Plugins that are counted each by itself. A number is a name's for the life of the process, so there are as many as
/// names were ever loaded; those beyond are counted together.
const PLUGINS: usize = 512;

/// Of what a worker wrote to standard error, this much is kept in its incident.
const LINES: usize = 12;
const LINE: usize = 200;

struct PluginHooks {
    families: PluginFamilies,
    watchdog: Watchdog,
    /// By a plugin's number; filled at its first call, which may come long after the start. The first is for all others.
    series: Box<[OnceLock<[CallSeries; Op::ALL.len()]>]>,
    /// The workers that run: plugin, shard and process.
    workers: Mutex<BTreeSet<(u32, u32, u32)>>,
}

/// Installs the hooks, before any plugin is loaded. Only the first server of a process is hooked.
pub(super) fn install(families: PluginFamilies, watchdog: &Watchdog) {
    let hooks: &'static PluginHooks = Box::leak(Box::new(PluginHooks {
        families,
        watchdog: watchdog.clone(),
        series: (0..PLUGINS).map(|_| OnceLock::new()).collect(),
        workers: Mutex::default(),
    }));
    tidegate_host::set_call_hook(hooks);
    tidegate_host::set_worker_hook(hooks);
}

thread_local! {
    static INSIDE: Cell<Option<(PluginGuard, Instant)>> = const { Cell::new(None) };
}

impl PluginHooks {
    fn series(&self, plugin: u32) -> &[CallSeries; Op::ALL.len()] {
        let number = usize::try_from(plugin).ok().filter(|number| *number < PLUGINS).unwrap_or(0);
        self.series[number].get_or_init(|| {
            let name = tidegate_host::plugin_name(plugin).filter(|_| number > 0);
            if let Some(name) = name {
                self.watchdog.name_plugin(plugin, name);
            }
            Op::ALL.map(|op| self.families.call(name.unwrap_or(OTHER), op.name()))
        })
    }

    /// Notes that a worker came or went.
    fn track(&self, plugin: u32, name: &str, change: impl FnOnce(&mut BTreeSet<(u32, u32, u32)>) -> bool) {
        let mut workers = self.workers.lock();
        change(&mut workers);
        let running = workers.iter().filter(|(id, ..)| *id == plugin).count();
        self.families.running(name, running);
    }
}

impl CallHook for PluginHooks {
    fn enter(&self, plugin: u32, _: Op) {
        INSIDE.set(Some((plugin_enter(plugin), Instant::now())));
    }

    fn leave(&self, plugin: u32, op: Op, outcome: Outcome) {
        let since = INSIDE.take().map(|(_, since)| since);
        let series = &self.series(plugin)[op as usize];
        series.calls.inc();
        series.seconds.inc_by(since.map_or(0.0, |since| since.elapsed().as_secs_f64()));
        match outcome {
            Outcome::Ok => {}
            Outcome::Error => series.errors.inc(),
            Outcome::Panic => series.panics.inc(),
        }
    }
}

impl WorkerHook for PluginHooks {
    fn started(&self, plugin_id: u32, shard: u32, pid: u32) {
        let name = tidegate_host::plugin_name(plugin_id).unwrap_or(OTHER);
        self.track(plugin_id, name, |workers| workers.insert((plugin_id, shard, pid)));
        self.families.started(name);
        tracing::debug!(plugin = name, shard, pid, "a worker process came up");
    }

    fn ended(&self, end: &WorkerEnd) {
        let worker = (end.plugin_id, end.shard, end.pid);
        self.track(end.plugin_id, end.plugin, |workers| workers.remove(&worker));
        self.families.ended(end.plugin, &end.why, end.failed, end.replayed);
        if end.why == EndReason::Asked {
            tracing::debug!(plugin = end.plugin, shard = end.shard, pid = end.pid, "a worker process ended");
            return;
        }
        self.watchdog.report(report(end));
        let after = if end.repeated {
            "its worker processes ended three times within a minute"
        } else {
            "its worker process ended in the trial"
        };
        self.watchdog.plugin_fault(end.plugin, end.repeated, after);
    }
}

/// The incident of an end that nobody asked for. What the worker wrote to standard error is the plugin's own words.
fn report(end: &WorkerEnd) -> Report {
    let at = end.op.map_or_else(String::new, |op| format!(" in `{}`", op.name()));
    let sentence = format!("the worker process of the plugin \"{}\" {}{at}", end.plugin, end.why);
    let lines = end.stderr.lines();
    let skipped = lines.clone().count().saturating_sub(LINES);
    let report = Report::new(crate::incidents::PLUGIN_WORKER_ENDED, sentence)
        .plugin(end.plugin)
        .counter("pid", end.pid.into())
        .counter("shard", end.shard.into())
        .counter("failed_calls", end.failed.into())
        .counter("replayed_streams", end.replayed.into());
    lines.skip(skipped).fold(report, |report, line| {
        let cut: String = line.chars().take(LINE).collect();
        report.event(Duration::ZERO, format!("stderr: {cut}"))
    })
}

#[cfg(test)]
mod tests {
    use tidegate_watchdog::{Config, Hooks, Incident, Suspected};

    use super::*;
    use crate::metrics::{Known, Metrics};

    struct Quiet;

    impl Hooks for Quiet {
        fn poke(&self) {}
        fn incident(&self, _: &std::sync::Arc<Incident>) {}
        fn warn(&self, _: &Incident) {}
    }

    fn hooks() -> (PluginHooks, Metrics) {
        let metrics = Metrics::new().expect("legal names");
        let watchdog = Watchdog::start(Config::default(), Quiet).expect("a thread");
        let hooks = PluginHooks {
            families: metrics.of_plugins(),
            watchdog,
            series: (0..PLUGINS).map(|_| OnceLock::new()).collect(),
            workers: Mutex::default(),
        };
        (hooks, metrics)
    }

    fn end(pid: u32, why: EndReason, repeated: bool) -> WorkerEnd {
        WorkerEnd {
            plugin: "p",
            plugin_id: 7,
            shard: 0,
            pid,
            why,
            op: Some(Op::StreamEvent),
            failed: 2,
            replayed: 3,
            stderr: (0..30).map(|line| format!("line {line} {}\n", "x".repeat(400))).collect(),
            repeated,
        }
    }

    fn text(metrics: &Metrics) -> String {
        String::from_utf8(metrics.encode(&[], &Known::new())).expect("text")
    }

    #[test]
    fn an_end_is_counted_and_told_and_one_that_was_asked_for_is_counted_alone() {
        let (hooks, metrics) = hooks();
        let (families, watchdog) = (&hooks.families, &hooks.watchdog);
        families.started("p");
        hooks.ended(&end(1, EndReason::Asked, false));
        assert!(watchdog.incidents().is_empty());
        hooks.ended(&end(2, EndReason::Signal(11), false));
        let incident = watchdog.incidents().pop().expect("an incident");
        let line = incident.to_string();
        for part in [
            "plugin_worker_ended",
            "\"p\" was ended by signal 11 in `stream_event`",
            "failed_calls=2",
            "replayed_streams=3",
        ] {
            assert!(line.contains(part), "{line}");
        }
        assert_eq!(incident.events.len(), LINES);
        assert!(incident.events.iter().all(|event| event.what.len() <= LINE + "stderr: ".len()));
        assert!(incident.events[LINES - 1].what.starts_with("stderr: line 29 "));
        let text = text(&metrics);
        for line in [
            "tidegate_plugin_worker_ends_total{plugin=\"p\",reason=\"asked\"} 1",
            "tidegate_plugin_worker_ends_total{plugin=\"p\",reason=\"signal\"} 1",
            "tidegate_plugin_worker_ends_total{plugin=\"p\",reason=\"deadline\"} 0",
            "tidegate_plugin_worker_failed_calls_total{plugin=\"p\"} 4",
            "tidegate_plugin_worker_replayed_streams_total{plugin=\"p\"} 6",
        ] {
            assert!(text.contains(line), "no {line} in {text}");
        }
    }

    #[test]
    fn only_repeated_ends_quarantine() {
        let (hooks, _) = hooks();
        let gate = hooks.watchdog.gate(Suspected::Plugin, "p");
        for pid in 0..9 {
            hooks.ended(&end(pid, EndReason::Deadline, false));
        }
        assert!(gate.is_open());
        hooks.ended(&end(9, EndReason::Asked, true));
        assert!(gate.is_open(), "nobody is to blame for that");
        hooks.ended(&end(10, EndReason::Deadline, true));
        assert!(!gate.is_open());
    }

    #[test]
    fn workers_that_never_came_up_are_not_subtracted() {
        let (hooks, metrics) = hooks();
        let id = 7;
        for pid in [1, 2] {
            hooks.track(id, "p", |workers| workers.insert((id, 0, pid)));
            hooks.families.started("p");
        }
        hooks.ended(&end(0, EndReason::Start("no".to_owned()), false));
        assert!(text(&metrics).contains("tidegate_plugin_workers{plugin=\"p\"} 2"));
        hooks.ended(&end(1, EndReason::Exit(1), false));
        assert!(text(&metrics).contains("tidegate_plugin_workers{plugin=\"p\"} 1"));
        assert!(text(&metrics).contains("tidegate_plugin_worker_starts_total{plugin=\"p\"} 2"));
    }

    #[test]
    fn a_plugin_is_counted_by_its_name_whenever_it_came_and_one_too_many_as_other() {
        let (hooks, metrics) = hooks();
        let many = u32::try_from(PLUGINS).expect("small") + 3;
        for plugin in [many, many + 1] {
            hooks.enter(plugin, Op::Decide);
            hooks.leave(plugin, Op::Decide, Outcome::Panic);
        }
        let text = text(&metrics);
        assert!(text.contains("tidegate_plugin_calls_total{call=\"decide\",plugin=\"other\"} 2"), "{text}");
        assert!(
            text.contains("tidegate_plugin_errors_total{call=\"decide\",kind=\"panic\",plugin=\"other\"} 2")
        );
    }
}
