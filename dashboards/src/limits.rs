//! Who is limited, what goes in circles, and when it will be over.

use crate::dashboard::Dashboard;
use crate::panel::Panel;

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "tidegate-limits",
        title: "Tidegate / 429 and fallback",
        description: "Which deployment is limited, which requests go in circles, what is put aside, and where requests went instead.",
        variables: vec![("group", "tidegate_requests_total"), ("deployment", "tidegate_attempts_total")],
        rows: vec![
            ("Now", now()),
            ("429s", limited()),
            ("Loops and amplification", loops()),
            ("Fallbacks and budgets", fallbacks()),
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::stat(
            "429s from providers",
            "reqps",
            "In the HTTP head, in a 2xx body, or in an event of a stream.",
        )
        .query(r#"sum(rate(tidegate_upstream_429_total{@,deployment=~"$deployment"}[@]))"#, "")
        .thresholds(0.1, 1.0),
        Panel::stat(
            "429s in mid-stream",
            "reqps",
            "After content had gone to the client: the kind that hangs other proxies.",
        )
        .query(
            r#"sum(rate(tidegate_upstream_429_total{@,deployment=~"$deployment",phase="mid_stream"}[@]))"#,
            "",
        )
        .thresholds(0.01, 0.1),
        Panel::stat("429s to clients", "reqps", "Requests that nobody could serve in time.")
            .query(r#"sum(rate(tidegate_requests_total{@,group=~"$group",status="429"}[@]))"#, "")
            .thresholds(0.1, 1.0),
        Panel::stat(
            "Calls for each request",
            "none",
            "Calls to providers divided by requests of clients, over the last minute. Above 2 is an alert.",
        )
        .query("max(tidegate_retry_amplification_ratio{@})", "")
        .thresholds(1.5, 2.0),
        Panel::stat("Deployments put aside", "short", "They get no requests until their time is over.")
            .query(r#"sum(tidegate_deployment_cooling{@,deployment=~"$deployment"})"#, "")
            .thresholds(1.0, 3.0),
        Panel::stat(
            "429 loops",
            "locale",
            "429s that came back in circles, of all kinds, in the time shown.",
        )
        .decimals(0)
        .query("sum(increase(tidegate_429_loops_total{@}[$__range]))", "")
        .thresholds(1.0, 10.0),
    ]
}

fn limited() -> Vec<Panel> {
    vec![
        Panel::stack("429s by deployment", "reqps", "Who is limited.")
            .query(
                r#"sum by (deployment) (rate(tidegate_upstream_429_total{@,deployment=~"$deployment"}[@]))"#,
                "{{deployment}}",
            ),
        Panel::stack("429s by phase", "reqps", "Start: before content, so that the request can go elsewhere. Mid-stream: after content.")
            .query(
                r#"sum by (phase) (rate(tidegate_upstream_429_total{@,deployment=~"$deployment"}[@]))"#,
                "{{phase}}",
            )
            .colours(&[("start", "yellow"), ("mid_stream", "red")]),
        Panel::lines("Share of calls refused with 429", "percentunit", "Of the calls to a deployment. Ask for more quota, or lower its weight.")
            .query(
                r#"sum by (deployment) (rate(tidegate_attempts_total{@,deployment=~"$deployment",outcome="rate_limit"}[@])) / sum by (deployment) (rate(tidegate_attempts_total{@,deployment=~"$deployment"}[@]) > 0)"#,
                "{{deployment}}",
            )
            .thresholds(0.1, 0.5)
            .max(1.0)
            .ranked(),
        Panel::states("Put aside", ("in service", "put aside", "orange"), "When each deployment got no requests, and when it came back.")
            .query(r#"max by (deployment) (tidegate_deployment_cooling{@,deployment=~"$deployment"})"#, "{{deployment}}"),
        Panel::lines("Times put aside, a minute", "short", "A deployment that is put aside again and again has too little quota for its share.")
            .query(
                r#"60 * sum by (deployment) (rate(tidegate_cooldowns_total{@,deployment=~"$deployment"}[@]))"#,
                "{{deployment}}",
            )
            .ranked(),
        Panel::lines("Calls in flight by deployment", "short", "What each provider has of us now.")
            .query(r#"sum by (deployment) (tidegate_deployment_in_flight{@,deployment=~"$deployment"})"#, "{{deployment}}")
            .ranked(),
    ]
}

fn loops() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Loops a minute, by kind",
            "short",
            "request: three 429s in one request with nothing for its client between. client: it came back before Retry-After was over. amplification: more than 2 calls a request. chain: a fallback chain returned to a group. `tidegate incidents` names the client.",
        )
        .query("60 * sum by (kind) (rate(tidegate_429_loops_total{@}[@]))", "{{kind}}")
        .ranked(),
        Panel::lines("Calls for each request, over the last minute", "none", "Retries and fallbacks multiply the load on providers that are limited already.")
            .query("tidegate_retry_amplification_ratio{@}", "{{instance}}")
            .thresholds(1.5, 2.0),
        Panel::lines("Calls that one request spent", "none", "The mean by model group. 1: served at the first try; less: refused without a call, since all is put aside.")
            .query(
                r#"sum by (group) (rate(tidegate_attempts_per_request_sum{@,group=~"$group"}[@])) / sum by (group) (rate(tidegate_attempts_per_request_count{@,group=~"$group"}[@]) > 0)"#,
                "{{group}}",
            )
            .ranked(),
        Panel::heatmap("Calls that requests spent", "none", "How many requests needed so many calls.")
            .query(r#"sum by (le) (rate(tidegate_attempts_per_request_bucket{@,group=~"$group"}[@]))"#, "{{le}}"),
    ]
}

fn fallbacks() -> Vec<Panel> {
    vec![
        Panel::stack(
            "Fallbacks",
            "reqps",
            "Calls that left the group of the call before, and where they went.",
        )
        .query(
            r#"sum by (group, to) (rate(tidegate_fallbacks_total{@,group=~"$group"}[@]))"#,
            "{{group}} to {{to}}",
        ),
        Panel::stack(
            "Streams that broke off and were continued",
            "reqps",
            "In groups with `mid_stream: continue`, by what became of them.",
        )
        .query(r#"sum by (result) (rate(tidegate_continuations_total{@,group=~"$group"}[@]))"#, "{{result}}"),
        Panel::lines(
            "Retries that the budget allows",
            "short",
            "At 0 nothing is tried again in the group: so much of it fails that retries only add load.",
        )
        .query(r#"min by (group) (tidegate_retry_budget_tokens{@,group=~"$group"})"#, "{{group}}")
        .ranked(),
        Panel::lines(
            "How long the policy decides",
            "s",
            "From a failure to what follows it; clients wait for that.",
        )
        .quantiles("tidegate_policy_decision_seconds_bucket{@}"),
        Panel::lines(
            "Retries that the budget refused",
            "reqps",
            "Requests that could not be tried again because the budget was used up.",
        )
        .query(
            r#"sum by (group) (rate(tidegate_retry_budget_exhausted_total{@,group=~"$group"}[@]))"#,
            "{{group}}",
        )
        .ranked(),
    ]
}
