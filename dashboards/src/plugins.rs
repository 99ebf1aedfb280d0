//! Which plugin is slow, fails, or dies.

use crate::dashboard::Dashboard;
use crate::panel::Panel;

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "tidegate-plugins",
        title: "Tidegate / Plugins",
        description: "Calls of plugins and their failures, worker processes, and what reloads brought.",
        variables: vec![("plugin", "tidegate_plugin_info")],
        rows: vec![
            ("Now", now()),
            ("Calls", calls()),
            ("Worker processes", workers()),
            ("In force, and reloads", in_force()),
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::stat("Calls", "ops", "Calls of functions of plugins.")
            .query(r#"sum(rate(tidegate_plugin_calls_total{@,plugin=~"$plugin"}[@]))"#, ""),
        Panel::stat(
            "Calls that failed",
            "ops",
            "The plugin could not do its work. Words about a bad request or a cut stream are its work.",
        )
        .query(r#"sum(rate(tidegate_plugin_errors_total{@,plugin=~"$plugin"}[@]))"#, "")
        .thresholds(0.01, 1.0),
        Panel::stat("In force", "short", "Plugins that are loaded, summed over instances.")
            .query(r#"count(tidegate_plugin_info{@,plugin=~"$plugin"})"#, ""),
        Panel::stat("Worker processes", "short", "Of plugins with `isolation: process`.")
            .query(r#"sum(tidegate_plugin_workers{@,plugin=~"$plugin"})"#, ""),
        Panel::stat("Worker ends", "locale", "Ends of worker processes that nobody asked for, in the time shown.")
            .query(
                r#"sum(increase(tidegate_plugin_worker_ends_total{@,plugin=~"$plugin",reason!="asked"}[$__range]))"#,
                "",
            )
            .decimals(0)
            .thresholds(1.0, 5.0),
        Panel::stat(
            "Refused files",
            "short",
            "Plugin files that were found and refused. `GET /api/plugins` says why.",
        )
        .query("sum(tidegate_plugins_refused{@})", "")
        .thresholds(1.0, 2.0),
    ]
}

fn calls() -> Vec<Panel> {
    vec![
        Panel::stack("Calls by plugin", "ops", "A provider is called for each request and for the pieces of its answer, a policy when a call failed.")
            .query(r#"sum by (plugin) (rate(tidegate_plugin_calls_total{@,plugin=~"$plugin"}[@]))"#, "{{plugin}}"),
        Panel::stack("Calls by function", "ops", "The functions of tidegate.h.")
            .query(r#"sum by (call) (rate(tidegate_plugin_calls_total{@,plugin=~"$plugin"}[@]))"#, "{{call}}"),
        Panel::lines("Failures", "ops", "`error`: it could not do its work. `panic`: caught; three within a minute put the plugin out of service.")
            .query(
                r#"sum by (plugin, kind) (rate(tidegate_plugin_errors_total{@,plugin=~"$plugin"}[@]))"#,
                "{{plugin}} {{kind}}",
            )
            .ranked(),
        Panel::stack(
            "What plugins cost",
            "percentunit",
            "Share of one core that calls in this process take. What a plugin in a process of its own takes is that process's.",
        )
        .query(
            r#"sum by (plugin) (rate(tidegate_plugin_call_seconds_total{@,plugin=~"$plugin"}[@]))"#,
            "{{plugin}}",
        ),
        Panel::lines("What one call costs", "s", "The mean, by plugin and function.")
            .query(
                r#"sum by (plugin, call) (rate(tidegate_plugin_call_seconds_total{@,plugin=~"$plugin"}[@])) / sum by (plugin, call) (rate(tidegate_plugin_calls_total{@,plugin=~"$plugin"}[@]) > 0)"#,
                "{{plugin}} {{call}}",
            )
            .ranked(),
        Panel::lines("Polls that did not return, a minute", "short", "What the watchdog found in this plugin.")
            .query(
                r#"60 * sum by (plugin) (rate(tidegate_watchdog_plugin_stuck_total{@,plugin=~"$plugin"}[@]))"#,
                "{{plugin}}",
            )
            .ranked(),
    ]
}

fn workers() -> Vec<Panel> {
    vec![
        Panel::lines("Running", "short", "Worker processes of plugins with `isolation: process`.")
            .query(r#"sum by (plugin) (tidegate_plugin_workers{@,plugin=~"$plugin"})"#, "{{plugin}}"),
        Panel::lines("Ends that nobody asked for, a minute", "short", "A deadline, a signal, an exit, too much memory, or bytes that make no sense.")
            .query(
                r#"60 * sum by (plugin, reason) (rate(tidegate_plugin_worker_ends_total{@,plugin=~"$plugin",reason!="asked"}[@]))"#,
                "{{plugin}} {{reason}}",
            )
            .ranked(),
        Panel::lines("Starts, a minute", "short", "Worker processes that came up and loaded their plugin.")
            .query(r#"60 * sum by (plugin) (rate(tidegate_plugin_worker_starts_total{@,plugin=~"$plugin"}[@]))"#, "{{plugin}}"),
        Panel::lines("What ends cost, a minute", "short", "Calls that failed because their worker ended, and streams that the next worker took over.")
            .query(
                r#"60 * sum by (plugin) (rate(tidegate_plugin_worker_failed_calls_total{@,plugin=~"$plugin"}[@]))"#,
                "{{plugin}} failed",
            )
            .query(
                r#"60 * sum by (plugin) (rate(tidegate_plugin_worker_replayed_streams_total{@,plugin=~"$plugin"}[@]))"#,
                "{{plugin}} taken over",
            ),
    ]
}

fn in_force() -> Vec<Panel> {
    vec![
        Panel::table("In force", "short", "Every plugin with its version, and where it runs.")
            .columns(&[
                ("plugin", "Plugin"),
                ("version", "Version"),
                ("isolation", "Isolation"),
                ("instance", "Instance"),
            ])
            .query(r#"tidegate_plugin_info{@,plugin=~"$plugin"}"#, "")
            .height(9),
        Panel::lines(
            "Looks into the plugin folders, a minute",
            "short",
            "`partly`: something new is in force and something else that is new was refused.",
        )
        .query("60 * sum by (result) (rate(tidegate_plugin_reloads_total{@}[@]))", "{{result}}")
        .width(6)
        .height(9),
        Panel::lines(
            "Reloads of the configuration, a minute",
            "short",
            "`refused`: the old one stays in force; the log has the reason.",
        )
        .query("60 * sum by (result) (rate(tidegate_config_reloads_total{@}[@]))", "{{result}}")
        .width(6)
        .height(9),
    ]
}
