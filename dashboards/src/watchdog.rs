//! Which stream burns CPU, what the watchdog did about it, and whether the watchdog itself is well.

use crate::dashboard::Dashboard;
use crate::panel::Panel;

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "tidegate-watchdog",
        title: "Tidegate / Watchdog",
        description: "Polls and CPU of streams, verdicts, stuck workers, and the watchdog's own health. Single streams are in `tidegate top` and at the admin address.",
        variables: vec![],
        rows: vec![
            ("Now", now()),
            ("Streams", streams()),
            ("Verdicts", verdicts()),
            ("Workers", workers()),
            ("Guard", guard()),
            ("The watchdog itself", itself()),
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::stat("Streams watched", "short", "Requests that have a record of the watchdog's now.")
            .query("sum(tidegate_watchdog_live_streams{@})", ""),
        Panel::stat("CPU in streams", "short", "Cores spent in polls of requests.")
            .query("sum(rate(tidegate_stream_busy_seconds_total{@}[@]))", "")
            .decimals(2),
        Panel::stat("Polls for nothing", "percentunit", "Polls that moved nothing, of all; 0 below a thousand a second. A stream that spins drives it towards 100 %.")
            .query(
                "sum(rate(tidegate_stream_no_progress_polls_total{@}[@])) / (sum(rate(tidegate_stream_polls_total{@}[@])) > 1000) or vector(0)",
                "",
            )
            .thresholds(0.7, 0.95)
            .max(1.0),
        Panel::stat("Streams ended", "locale", "By the watchdog, in the time shown; not those that an operator ended.")
            .query(r#"sum(increase(tidegate_watchdog_verdicts_total{@,rule!="operator",action=~"aborted|shut"}[$__range]))"#, "")
            .decimals(0)
            .thresholds(1.0, 10.0),
        Panel::stat("Workers stuck", "short", "Threads that are in one poll beyond the warning threshold.")
            .query("sum(tidegate_workers_stuck{@})", "")
            .thresholds(1.0, 2.0),
        Panel::stat("Quarantined", "short", "Plugins and deployments that are out of service after repeated faults.")
            .query("sum(tidegate_quarantined{@})", "")
            .thresholds(1.0, 2.0),
    ]
}

fn streams() -> Vec<Panel> {
    vec![
        Panel::lines("Polls", "ops", "Finished polls of requests, and those that moved nothing.")
            .query("sum(rate(tidegate_stream_polls_total{@}[@]))", "polls")
            .query("sum(rate(tidegate_stream_no_progress_polls_total{@}[@]))", "that moved nothing"),
        Panel::lines(
            "CPU in streams",
            "short",
            "Cores spent in finished polls. Compare it with the process's CPU on the overview.",
        )
        .query("rate(tidegate_stream_busy_seconds_total{@}[@])", "{{instance}}"),
        Panel::lines(
            "How long one poll takes",
            "s",
            "A poll that takes milliseconds keeps a thread from all other streams.",
        )
        .quantiles("tidegate_stream_poll_duration_seconds_bucket{@}")
        .thresholds(0.01, 0.1),
        Panel::heatmap(
            "Polls by how long they take",
            "s",
            "One far from the others is a plugin or a stream to look at.",
        )
        .query("sum by (le) (rate(tidegate_stream_poll_duration_seconds_bucket{@}[@]))", "{{le}}"),
    ]
}

fn verdicts() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Verdicts a minute, by rule and action",
            "short",
            "R1: polls without progress. R2: CPU without progress. R4: one poll does not return. R0, R5: the budget or a clock ended an attempt. `tidegate incidents` tells each one's story.",
        )
        .query("60 * sum by (rule, action) (rate(tidegate_watchdog_verdicts_total{@}[@]))", "{{rule}} {{action}}")
        .ranked(),
        Panel::table("Verdicts in the time shown", "locale", "`braked`: held back, because too many streams were judged at once.")
            .columns(&[("instance", "Instance"), ("rule", "Rule"), ("action", "Action")])
            .decimals(0)
            .query("sum by (instance, rule, action) (increase(tidegate_watchdog_verdicts_total{@}[$__range])) > 0", "Verdicts"),
        Panel::states("Quarantine", ("in service", "quarantined", "red"), "When a plugin or a deployment was out of service.")
            .query("max by (kind, name) (tidegate_quarantined{@})", "{{kind}} {{name}}"),
        Panel::lines("Polls stuck in a plugin, a minute", "short", "Polls that did not return from a call of this plugin.")
            .query("60 * sum by (plugin) (rate(tidegate_watchdog_plugin_stuck_total{@}[@]))", "{{plugin}}")
            .ranked(),
    ]
}

fn workers() -> Vec<Panel> {
    vec![
        Panel::lines("Workers", "short", "Threads of the data runtime; those in one poll for too long; those given up as lost, or at the lowest priority.")
            .query("sum(tidegate_workers{@})", "workers")
            .query("sum(tidegate_workers_stuck{@})", "stuck")
            .query("sum(tidegate_threads_lost{@})", "lost")
            .query("sum(tidegate_threads_demoted{@})", "demoted"),
        Panel::lines("Time that workers were stuck", "short", "Seconds a second, summed over workers: 1 is one worker all the time.")
            .query("rate(tidegate_worker_stuck_seconds_total{@}[@])", "{{instance}}"),
        Panel::lines("Pokes and takeovers, a minute", "short", "A poke wakes the runtime while a worker is stuck; a takeover moves everything to a new runtime.")
            .query("60 * rate(tidegate_watchdog_pokes_total{@}[@])", "{{instance}} pokes")
            .query("60 * rate(tidegate_watchdog_takeovers_total{@}[@])", "{{instance}} takeovers"),
        Panel::lines("Connections cut, a minute", "short", "The client did not read for too long, or the watchdog shut the socket of a stuck poll.")
            .query("60 * sum by (reason) (rate(tidegate_client_connections_cut_total{@}[@]))", "{{reason}}"),
    ]
}

fn guard() -> Vec<Panel> {
    vec![
        Panel::states("Guarded processes", ("answers", "down", "red"), "Whether each answered its last probe: other processes that `guard:` watches, such as a litellm.")
            .query("max by (guard) (1 - tidegate_guard_up{@})", "{{guard}}"),
        Panel::lines("What probes came to, a minute", "short", "Three misses in a row are a hang. `starved`: the machine had no CPU left, and the probe does not count.")
            .query("60 * sum by (guard, result) (rate(tidegate_guard_probes_total{@}[@]))", "{{guard}} {{result}}")
            .ranked(),
        Panel::lines("How long a probe takes", "s", "The 95th percentile, misses included: it rises before a process hangs for good.")
            .p95_by("guard", "tidegate_guard_probe_seconds_bucket{@}")
            .width(8),
        Panel::lines("CPU of guarded processes", "short", "Cores that the busiest process of each kept busy. A core for long, without answers, is a spin; CPU alone ends nothing.")
            .query("max by (guard) (tidegate_guard_cpu_ratio{@})", "{{guard}}")
            .width(8),
        Panel::lines("Actions, a minute", "short", "What was done about a hang, by what the process was doing. `tidegate incidents` has the stories.")
            .query("60 * sum by (guard, class, action) (rate(tidegate_guard_actions_total{@}[@])) > 0", "{{guard}} {{class}} {{action}}")
            .query("sum by (guard) (tidegate_guard_given_up{@})", "{{guard}} given up")
            .query("sum by (guard) (1 - tidegate_guard_process_found{@})", "{{guard}} process not found")
            .width(8),
    ]
}

fn itself() -> Vec<Panel> {
    vec![
        Panel::lines("How late it looks", "s", "Much more than a tick means that the machine has no CPU left for it.")
            .query("tidegate_watchdog_tick_lag_seconds{@}", "{{instance}}")
            .thresholds(0.1, 0.5),
        Panel::lines("Looks", "ops", "Looks at the workers, and those given up because the whole process had been paused or starved.")
            .query("rate(tidegate_watchdog_ticks_total{@}[@])", "{{instance}}")
            .query("rate(tidegate_watchdog_skipped_ticks_total{@}[@])", "{{instance}} given up"),
        Panel::lines("Incidents a minute, by kind", "short", "Each has a story of its own: `tidegate incidents`, or the status page.")
            .query("60 * sum by (kind) (rate(tidegate_incidents_total{@}[@])) > 0", "{{kind}}")
            .ranked(),
        Panel::lines("What it could not do, a minute", "short", "Requests that came when every record was taken; incidents that were only counted, or not written to their file.")
            .query("60 * rate(tidegate_watchdog_unwatched_streams_total{@}[@])", "{{instance}} unwatched")
            .query("60 * rate(tidegate_watchdog_reports_suppressed_total{@}[@])", "{{instance}} only counted")
            .query("60 * rate(tidegate_incidents_unwritten_total{@}[@])", "{{instance}} not written"),
    ]
}
