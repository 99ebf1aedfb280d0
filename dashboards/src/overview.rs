//! Is it well? Traffic, errors, latency, tokens, and the process itself.

use crate::dashboard::Dashboard;
use crate::panel::Panel;

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "tidegate-overview",
        title: "Tidegate / Overview",
        description: "Requests, errors, latency and tokens as clients see them, and what the process uses.",
        variables: vec![("group", "tidegate_requests_total")],
        rows: vec![
            ("Now", now()),
            ("Traffic", traffic()),
            ("Latency", latency()),
            ("Providers", providers()),
            ("Tokens", tokens()),
            ("Process", process()),
        ],
    }
}

/// Green, yellow and red as anybody expects them; 429 and 499 have their own.
const STATUS: &[(&str, &str)] = &[
    ("/^2/", "green"),
    ("/^4/", "yellow"),
    ("/^404$/", "light-yellow"),
    ("/^429$/", "orange"),
    ("/^499$/", "blue"),
    ("/^5/", "red"),
    ("/^502$/", "dark-red"),
    ("/^503$/", "light-red"),
    ("/^504$/", "super-light-red"),
];

const ENDINGS: &[(&str, &str)] =
    &[("complete", "green"), ("client_gone", "blue"), ("stream_error", "orange"), ("error", "red")];

fn now() -> Vec<Panel> {
    vec![
        Panel::stat("Requests", "reqps", "Client requests that ended, a second.")
            .query(r#"sum(rate(tidegate_requests_total{@,group=~"$group"}[@]))"#, ""),
        Panel::stat(
            "Errors",
            "percentunit",
            "Share of the requests that got an HTTP error or an error event after content. Requests that clients left are not in it.",
        )
        .query(
            r#"sum(rate(tidegate_request_endings_total{@,kind=~"error|stream_error"}[@])) / (sum(rate(tidegate_request_endings_total{@,kind!="client_gone"}[@])) > 0) or vector(0)"#,
            "",
        )
        .thresholds(0.02, 0.1)
        .max(1.0),
        Panel::stat(
            "Time to first token, p95",
            "s",
            "From a request's last byte to the first content for the client; retries and fallbacks are in it.",
        )
        .query(
            r#"histogram_quantile(0.95, sum by (le) (rate(tidegate_time_to_first_token_seconds_bucket{@,group=~"$group"}[@]))) > 0"#,
            "",
        )
        .thresholds(5.0, 30.0),
        Panel::stat("In flight", "short", "Requests in flight, streams and others.")
            .query("sum(tidegate_active_streams{@})", ""),
        Panel::stat(
            "Deployments put aside",
            "short",
            "Deployments that get no requests now, because of a 429 or of repeated failures. See the dashboard on 429s.",
        )
        .query("sum(tidegate_deployment_cooling{@})", "")
        .thresholds(1.0, 3.0),
        Panel::stat(
            "Stuck workers",
            "short",
            "Threads of the runtime that are in one poll for too long. See the dashboard of the watchdog.",
        )
        .query("sum(tidegate_workers_stuck{@})", "")
        .thresholds(1.0, 2.0),
    ]
}

fn traffic() -> Vec<Panel> {
    vec![
        Panel::stack(
            "Requests by status",
            "reqps",
            "The HTTP status that the client was given. 499: it had left. A stream that failed after content has 200: see the endings.",
        )
        .query(r#"sum by (status) (rate(tidegate_requests_total{@,group=~"$group"}[@]))"#, "{{status}}")
        .colours(STATUS),
        Panel::stack("Requests by model group", "reqps", "What clients asked for. `other`: refused before the group was known.")
            .query(r#"sum by (group) (rate(tidegate_requests_total{@,group=~"$group"}[@]))"#, "{{group}}"),
        Panel::stack(
            "How requests end",
            "reqps",
            "Each request has one end: complete, an HTTP error, an error event after content (stream_error), or the client left.",
        )
        .query("sum by (kind) (rate(tidegate_request_endings_total{@}[@]))", "{{kind}}")
        .colours(ENDINGS),
        Panel::lines("Streams and connections", "short", "Requests in flight, and connections of clients.")
            .query("sum(tidegate_active_streams{@})", "in flight")
            .query("sum(tidegate_client_connections{@})", "connections"),
    ]
}

fn latency() -> Vec<Panel> {
    vec![
        Panel::lines("Time to first token, p95 by model group", "s", "From a request's last byte to the first content. It is the client's view: retries and fallbacks are in it.")
            .p95_by("group", r#"tidegate_time_to_first_token_seconds_bucket{@,group=~"$group"}"#)
            .ranked(),
        Panel::lines("Duration, p95 by model group", "s", "From a request's last byte to its end.")
            .p95_by("group", r#"tidegate_request_duration_seconds_bucket{@,group=~"$group"}"#)
            .ranked(),
        Panel::lines(
            "Time between pieces of a stream, p95 by model group",
            "s",
            "Between two pieces that a client was given. A provider that buffers, or a machine that is too busy, shows here.",
        )
        .p95_by("group", r#"tidegate_inter_chunk_seconds_bucket{@,group=~"$group"}"#)
        .ranked(),
        Panel::heatmap("Time between pieces, all streams", "s", "How many pieces came after so long.")
            .query(
                r#"sum by (le) (rate(tidegate_inter_chunk_seconds_bucket{@,group=~"$group"}[@]))"#,
                "{{le}}",
            ),
        Panel::heatmap("Time to first token, all requests", "s", "How many requests had their first content after so long.")
            .query(r#"sum by (le) (rate(tidegate_time_to_first_token_seconds_bucket{@,group=~"$group"}[@]))"#, "{{le}}"),
        Panel::heatmap("Duration, all requests", "s", "How many requests ended after so long.")
            .query(r#"sum by (le) (rate(tidegate_request_duration_seconds_bucket{@,group=~"$group"}[@]))"#, "{{le}}"),
    ]
}

fn providers() -> Vec<Panel> {
    vec![
        Panel::stack("Calls by deployment", "reqps", "Calls to providers that ended.")
            .query("sum by (deployment) (rate(tidegate_attempts_total{@}[@]))", "{{deployment}}"),
        Panel::stack("Calls that failed, by reason", "reqps", "What was wrong, in Tidegate's words: the same for every provider.")
            .query(r#"sum by (outcome) (rate(tidegate_attempts_total{@,outcome!="ok"}[@]))"#, "{{outcome}}"),
        Panel::lines("Failed share by deployment", "percentunit", "Of the calls to a deployment, those that did not end well.")
            .query(
                r#"sum by (deployment) (rate(tidegate_attempts_total{@,outcome!~"ok|cancelled"}[@])) / sum by (deployment) (rate(tidegate_attempts_total{@}[@]) > 0)"#,
                "{{deployment}}",
            )
            .thresholds(0.1, 0.5)
            .max(1.0)
            .ranked(),
        Panel::lines(
            "Time to a provider's first content, mean by deployment",
            "s",
            "From a call's begin to its first content. One deployment that is slower than its like belongs behind them.",
        )
        // The buckets of this family are few, since it has one set for each deployment: a quantile of them says little.
        .query(
            "sum by (deployment) (rate(tidegate_upstream_first_content_seconds_sum{@}[@])) / sum by (deployment) (rate(tidegate_upstream_first_content_seconds_count{@}[@]))",
            "{{deployment}}",
        )
        .ranked(),
        Panel::lines("Connections to providers", "short", "Open ones, and those of them that wait to be used again.")
            .query("sum(tidegate_upstream_connections{@})", "open")
            .query("sum(tidegate_upstream_idle_connections{@})", "idle"),
    ]
}

fn tokens() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Tokens a second",
            "short",
            "As providers count them. Cached and cache_write are part of input, reasoning of output.",
        )
        .query(r#"sum by (kind) (rate(tidegate_tokens_total{@,group=~"$group"}[@]))"#, "{{kind}}")
        .ranked(),
        Panel::stack("Tokens a second by deployment", "short", "Input and output together.").query(
            r#"sum by (deployment) (rate(tidegate_tokens_total{@,group=~"$group",kind=~"input|output"}[@]))"#,
            "{{deployment}}",
        ),
        Panel::table(
            "Tokens in the time shown",
            "locale",
            "By model group and kind, as providers count them.",
        )
        .columns(&[("group", "Model group"), ("kind", "Kind")])
        .decimals(0)
        .query(
            r#"sum by (group, kind) (increase(tidegate_tokens_total{@,group=~"$group"}[$__range])) > 0"#,
            "Tokens",
        ),
        Panel::lines(
            "Tokens that were guessed",
            "short",
            "Of streams that broke off or were left, and of providers that do not count.",
        )
        .query(r#"sum by (kind) (rate(tidegate_tokens_estimated_total{@,group=~"$group"}[@]))"#, "{{kind}}"),
    ]
}

fn process() -> Vec<Panel> {
    vec![
        Panel::lines(
            "CPU",
            "short",
            "Cores in use. All of them with no traffic is what the watchdog is for.",
        )
        .query("rate(process_cpu_seconds_total{@}[@])", "{{instance}}")
        .width(8),
        Panel::lines("Memory", "bytes", "Resident memory.")
            .query("process_resident_memory_bytes{@}", "{{instance}}")
            .width(8),
        Panel::lines(
            "File descriptors in use",
            "percentunit",
            "Open ones, as a share of the limit. At 100 % no connection comes in or goes out.",
        )
        .query("process_open_fds{@} / process_max_fds{@}", "{{instance}}")
        .thresholds(0.7, 0.9)
        .width(8),
        Panel::lines("Threads and tasks", "short", "Threads of the process, tasks of its runtime.")
            .query("process_threads{@}", "{{instance}} threads")
            .query("tidegate_tasks{@}", "{{instance}} tasks")
            .width(6),
        Panel::lines(
            "Log lines and spans lost",
            "short",
            "Lines that standard error, or the access log's file, did not take, and spans that no collector took. Nothing waits for them.",
        )
        .query("rate(tidegate_log_lines_lost_total{@}[@])", "{{instance}} log")
        .query("rate(tidegate_access_log_lines_lost_total{@}[@])", "{{instance}} access log")
        .query("sum by (instance, reason) (rate(tidegate_traces_dropped_total{@}[@]))", "{{instance}} spans: {{reason}}")
        .query("rate(tidegate_traces_exported_total{@}[@])", "{{instance}} spans taken")
        .width(6),
        Panel::table(
            "Instances",
            "short",
            "Ready: 1 while it takes new requests. Configuration: 0 when the last reload was refused, so that it is not what the file has. The link leads to the status page, where the admin port can be reached.",
        )
        .columns(&[("instance", "Instance"), ("version", "Version")])
        .query("tidegate_build_info{@}", "")
        .query("sum by (job, instance) (tidegate_ready{@})", "Ready")
        .query("sum by (job, instance) (tidegate_config_last_reload_successful{@})", "Configuration")
        .link("Instance", "Status page", "http://${__value.raw}/")
        .width(12),
    ]
}
