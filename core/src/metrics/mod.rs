//! What Prometheus sees. Every label has a closed set of values: configured groups and deployments, loaded plugins, words
//! of this program; anything else is `other`. Facts about single streams go to the admin API and the log.

mod cap;
mod compat;
mod guards;
mod labels;
mod loops;
mod plugins;
#[cfg(target_os = "linux")]
mod process;
mod proto;
mod series;
mod watch;

use std::collections::HashSet;
use std::sync::Arc;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::proto::MetricFamily;
use prometheus::{
    CounterVec, Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use cap::Cap;
pub(crate) use compat::gen_ai_provider;
pub use compat::{Compat, Facts, Known};
pub use guards::{GuardFamilies, GuardSeries};
pub(crate) use labels::incident_kind;
pub use labels::{Label, Values, label, labels};
pub use loops::{Amplification, ClientLoops, LoopKind, Returning};
pub use plugins::{CallSeries, PluginFamilies};
pub use series::{Counted, DeploymentSeries, GroupSeries};
pub use watch::WatchdogCollector;

/// The label of a model that is not configured, and of what is beyond a bound on names.
pub const OTHER: &str = "other";

/// Groups, and deployments, with series of their own.
const NAMES: usize = 1_000;

/// Pairs of groups between which fallbacks are counted.
const PAIRS: usize = 10_000;

/// Statuses that a client can be given; others are [`SERVER`] or `other`.
const STATUSES: [&str; 16] = [
    "200", "400", "401", "403", "404", "405", "408", "409", "413", "422", "429", "499", "500", "502", "503",
    "504",
];

/// The status of what failed on the server's side with a rare one: 529, 501, 507, a CDN's 520 to 526. It matches `5..`, by
/// which alerts and dashboards find failures.
const SERVER: &str = "5xx";

/// How an attempt can end; the failures are `Failure::kind`.
const OUTCOMES: [&str; 17] = [
    "ok",
    "cancelled",
    "aborted",
    "unknown",
    "rate_limit",
    "overloaded",
    "auth",
    "bad_request",
    "context_length",
    "content_filter",
    "timeout",
    "transport",
    "server",
    "not_found",
    "permission",
    "truncated",
    "malformed",
];

/// How a request can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Ending {
    /// The dialect's normal end.
    Complete,
    /// An HTTP error status.
    Error,
    /// An error event in a stream that had begun.
    StreamError,
    /// The client left.
    ClientGone,
}

impl Ending {
    const ALL: [Self; 4] = [Self::Complete, Self::Error, Self::StreamError, Self::ClientGone];

    /// Its word in labels and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Error => "error",
            Self::StreamError => "stream_error",
            Self::ClientGone => "client_gone",
        }
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $make:expr;)*) => {
        /// The metric families of one process.
        pub struct Metrics {
            registry: Registry,
            groups: Cap,
            deployments: Cap,
            pairs: Cap,
            $($(#[$doc])* pub $field: $type,)*
        }

        impl Metrics {
            /// Registers every family.
            ///
            /// # Errors
            /// Two families have one name, or a name is not legal: a defect of this program.
            pub fn new() -> prometheus::Result<Self> {
                let registry = Registry::new();
                $(let $field: $type = $make?; registry.register(Box::new($field.clone()))?;)*
                #[cfg(target_os = "linux")]
                registry.register(Box::new(process::Process::new()))?;
                let (groups, deployments, pairs) = (Cap::new(NAMES), Cap::new(NAMES), Cap::new(PAIRS));
                let metrics = Self { registry, groups, deployments, pairs, $($field,)* };
                metrics.prepare();
                Ok(metrics)
            }
        }
    };
}

fn counter(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn histogram(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<HistogramVec> {
    HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
}

/// Seconds between two pieces of a stream: from pieces that came together to a model that thinks.
const GAPS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Seconds that a policy takes: microseconds in this process, more in one of its own.
const DECISIONS: [f64; 8] = [0.000_001, 0.000_01, 0.000_1, 0.001, 0.01, 0.1, 1.0, 10.0];

/// Seconds to an upstream call's first content. There may be hundreds of deployments, so these are few: a scrape of 200
/// is to stay below 1 MB.
const CALLS: [f64; 5] = [0.25, 1.0, 2.5, 10.0, 60.0];

/// Seconds until a health check is answered.
const PROBES: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Seconds, from a cached answer to the longest reasoning.
const SECONDS: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

metrics! {
    /// Requests by what the client was told.
    requests: IntCounterVec = counter("tidegate_requests_total", "Requests that ended, by the HTTP status that the client was given. A stream that failed after its first content has the status `200`: see `tidegate_request_endings_total`.", &["group", "status"]);
    /// Requests by how they ended.
    endings: IntCounterVec = counter("tidegate_request_endings_total", "Requests that ended, by the kind of their one terminal. `kind=\"stream_error\"` is a stream that was told its error after content.", &["kind"]);
    /// Of streams and whole answers alike.
    duration: HistogramVec = histogram("tidegate_request_duration_seconds", "From the request's last byte to its terminal.", &["group"], &SECONDS);
    /// The client's view: retries and fallbacks are in it.
    first_token: HistogramVec = histogram("tidegate_time_to_first_token_seconds", "From the request's last byte to the first content for the client; for an answer that is not a stream, to the whole answer. Retries and fallbacks are in it: it is the client's view.", &["group"], &SECONDS);
    /// The client's view of a stream's flow.
    gap: HistogramVec = histogram("tidegate_inter_chunk_seconds", "Between two pieces of a stream that its client was given; a piece is what came from the provider together, one event or many. Keep-alives are none.", &["group"], &GAPS);
    /// Upstream calls.
    attempts: IntCounterVec = counter("tidegate_attempts_total", "Upstream calls that ended.", &["deployment", "outcome"]);
    /// Upstream calls per request.
    attempts_per_request: HistogramVec = histogram("tidegate_attempts_per_request", "Upstream calls that one request spent.", &["group"], &[1.0, 2.0, 3.0, 4.0, 8.0, 16.0]);
    /// What providers say that their answers cost.
    tokens: IntCounterVec = counter("tidegate_tokens_total", "Tokens as the provider counted them, for every answer, streamed or whole, whether or not the client asked for the usage. The group is the deployment's own. `cached` and `cache_write` are part of `input`, `reasoning` of `output`.", &["group", "deployment", "kind"]);
    /// What their answers may have cost where they did not say.
    tokens_estimated: IntCounterVec = counter("tidegate_tokens_estimated_total", "Tokens that nobody told of, guessed: of the prompt one for four bytes of the request, of the answer one for each event with content. Streams that broke off or were left, and providers that do not count.", &["group", "deployment", "kind"]);
    /// A deployment's view of its answers.
    upstream_first_content: HistogramVec = histogram("tidegate_upstream_first_content_seconds", "From an upstream call's begin to its first content; for an answer that is not a stream, to the whole answer.", &["deployment"], &CALLS);
    /// 429s by where they came.
    upstream_429: IntCounterVec = counter("tidegate_upstream_429_total", "Attempts that failed with status 429, in the HTTP head, in a 2xx body or in an event.", &["deployment", "phase"]);
    /// See `LoopKind`.
    loops: IntCounterVec = counter("tidegate_429_loops_total", "429s that came back in circles.", &["kind"]);
    /// Retries that a group's budget did not allow.
    budget_exhausted: IntCounterVec = counter("tidegate_retry_budget_exhausted_total", "Requests that could not be tried again because the retry budget of that group was used up.", &["group"]);
    /// See `routing::Budget`.
    budget_tokens: GaugeVec = GaugeVec::new(Opts::new("tidegate_retry_budget_tokens", "Retries that the group's budget allows now."), &["group"]);
    /// What a failure waits for before it goes on.
    decision: Histogram = Histogram::with_opts(HistogramOpts::new("tidegate_policy_decision_seconds", "From a failed attempt's end to the policy's answer about it. A policy in a process of its own takes longer.").buckets(DECISIONS.to_vec()));
    /// Attempts that left their group.
    fallbacks: IntCounterVec = counter("tidegate_fallbacks_total", "Attempts that left the group of the attempt before: the requested group, and the group they went to. A first attempt that starts in a fallback group, because its own group is cooling, is not in it.", &["group", "to"]);
    /// Broken streams in groups that continue them.
    continuations: IntCounterVec = counter("tidegate_continuations_total", "Streams that broke off after content in a group with `mid_stream: continue`, by what became of them. `refused`: nobody went on, because the content does not allow it or no deployment was free.", &["group", "result"]);
    /// Cooldowns ordered.
    cooldowns: IntCounterVec = counter("tidegate_cooldowns_total", "Times that the policy put a deployment aside.", &["deployment"]);
    /// Cooldowns running.
    cooling: IntGaugeVec = IntGaugeVec::new(Opts::new("tidegate_deployment_cooling", "1 while a deployment is put aside."), &["deployment"]);
    /// Calls in flight.
    in_flight: IntGaugeVec = IntGaugeVec::new(Opts::new("tidegate_deployment_in_flight", "Upstream calls in flight."), &["deployment"]);
    /// Requests in flight.
    active: IntGauge = IntGauge::new("tidegate_active_streams", "Requests in flight, streams and others.");
    /// Connections open.
    connections: IntGauge = IntGauge::new("tidegate_client_connections", "Client connections open on the data port.");
    /// Connections by why they were cut.
    connections_cut: IntCounterVec = counter("tidegate_client_connections_cut_total", "Client connections that Tidegate cut: the client did not read, or said nothing at all, for `clocks.client_idle`, or did not take the end of a stream that was ended by hand; or the watchdog shut the socket of a stuck poll.", &["reason"]);
    /// Upstream connections that wait in the pool.
    pooled: IntGauge = IntGauge::new("tidegate_upstream_idle_connections", "Idle HTTP/1.1 connections and open HTTP/2 connections in the upstream pool.");
    /// Upstream connections that are open.
    upstream_open: IntGauge = IntGauge::new("tidegate_upstream_connections", "Upstream connections open, in use or waiting to be used again. With nothing in flight they are `tidegate_upstream_idle_connections`.");
    /// Tasks that have not ended.
    tasks: IntGauge = IntGauge::new("tidegate_tasks", "Tasks of the data runtime that have not ended: one a client connection, one a stream of HTTP/2, one a Vertex AI deployment that was called, and a few of the process's own. It goes back to its level of the start when nothing is in flight.");
    /// Calls of plugin functions.
    plugin_calls: IntCounterVec = counter("tidegate_plugin_calls_total", "Calls of plugin functions that returned.", &["plugin", "call"]);
    /// What they cost.
    plugin_seconds: CounterVec = CounterVec::new(Opts::new("tidegate_plugin_call_seconds_total", "Time spent in calls of plugin functions, of a plugin in this process. The calls of one in a process of its own take none here, whatever they take there."), &["plugin", "call"]);
    /// Calls that failed.
    plugin_errors: IntCounterVec = counter("tidegate_plugin_errors_total", "Calls in which the plugin could not do its work. What it says of the client's request or of the upstream's bytes, such as `TG_E_INVALID` or `TG_E_TRUNCATED`, is its work. A caught panic is `kind=\"panic\"`.", &["plugin", "call", "kind"]);
    /// Worker processes that run now.
    plugin_workers: IntGaugeVec = IntGaugeVec::new(Opts::new("tidegate_plugin_workers", "Worker processes that run: of plugins with `isolation: process`."), &["plugin"]);
    /// Worker processes that came up.
    plugin_worker_starts: IntCounterVec = counter("tidegate_plugin_worker_starts_total", "Worker processes that came up and loaded their plugin.", &["plugin"]);
    /// Worker processes that are gone.
    plugin_worker_ends: IntCounterVec = counter("tidegate_plugin_worker_ends_total", "Worker processes that ended.", &["plugin", "reason"]);
    /// Calls that were at a worker when it ended.
    plugin_worker_failed_calls: IntCounterVec = counter("tidegate_plugin_worker_failed_calls_total", "Calls that failed because their worker ended.", &["plugin"]);
    /// Streams that lived on.
    plugin_worker_replayed_streams: IntCounterVec = counter("tidegate_plugin_worker_replayed_streams_total", "Streams that the next worker took over.", &["plugin"]);
    /// What is in force.
    plugin_info: IntGaugeVec = IntGaugeVec::new(Opts::new("tidegate_plugin_info", "1 for each plugin in force: `inline` or `process`."), &["plugin", "version", "isolation"]);
    /// Looks into the plugin folders.
    plugin_reloads: IntCounterVec = counter("tidegate_plugin_reloads_total", "Looks into the plugin folders: by the admin API, the watcher, or SIGHUP. `ok`; `partly`: something new is in force and something else that is new was refused; `refused`: nothing new is.", &["result"]);
    /// Plugin files that are refused.
    plugins_refused: IntGauge = IntGauge::new("tidegate_plugins_refused", "Plugin files that are refused. The log says why, and `GET /api/plugins`.");
    /// Incidents as they come.
    incidents: IntCounterVec = counter("tidegate_incidents_total", "Incidents, each with a story of its own in `tidegate incidents`.", &["kind"]);
    /// Incidents that are in the ring alone.
    incidents_unwritten: IntCounter = IntCounter::new("tidegate_incidents_unwritten_total", "Incidents that could not be written to the file of `watchdog.incidents`. They are in `/api/incidents`.");
    /// Log lines that nobody took.
    log_lost: IntCounter = IntCounter::new("tidegate_log_lines_lost_total", "Log lines that standard error did not take, in time or at all: a pipe that nobody reads, a full disk. Nothing waits for the log.");
    /// Lines of the access log's file that the disk did not take.
    access_lost: IntCounter = IntCounter::new("tidegate_access_log_lines_lost_total", "Lines of the access log that its file did not take, in time or at all.");
    /// Spans that a collector took.
    traces_exported: IntCounter = IntCounter::new("tidegate_traces_exported_total", "Spans that the collector of traces took.");
    /// Spans that nobody took.
    traces_dropped: IntCounterVec = counter("tidegate_traces_dropped_total", "Spans that were dropped: the queue was full, or the collector was away or refused them.", &["reason"]);
    /// Configuration reloads.
    reloads: IntCounterVec = counter("tidegate_config_reloads_total", "Reloads by SIGHUP.", &["result"]);
    /// Whether the configuration that was asked for last is in force.
    reload_successful: IntGauge = IntGauge::new("tidegate_config_last_reload_successful", "1 unless the last reload by SIGHUP was refused: then another configuration is in force than the file has.");
    /// Whether new requests are wanted.
    ready: IntGauge = IntGauge::new("tidegate_ready", "1 while it takes new requests, 0 once it drains; `/health/readiness` says the same.");
    /// Upstream calls per client request over the last 60 s.
    amplification: Gauge = Gauge::new("tidegate_retry_amplification_ratio", "Upstream calls divided by client requests, over the last 60 s.");
    /// Of the last probe.
    guard_up: IntGaugeVec = IntGaugeVec::new(Opts::new("tidegate_guard_up", "1 where the guarded process answered the last probe well."), &["guard"]);
    /// Otherwise nothing can be done.
    guard_found: IntGaugeVec = IntGaugeVec::new(Opts::new("tidegate_guard_process_found", "1 where there is one process to act on, or none need be known."), &["guard"]);
    /// See `guard::probe`.
    guard_probes: IntCounterVec = counter("tidegate_guard_probes_total", "Probes of the serving port.", &["guard", "result"]);
    /// Misses too.
    guard_seconds: HistogramVec = histogram("tidegate_guard_probe_seconds", "What a probe took, answered or not.", &["guard"], &PROBES);
    /// Of the busiest process of its tree.
    guard_cpu: GaugeVec = GaugeVec::new(Opts::new("tidegate_guard_cpu_ratio", "Cores that the busiest of the process and its children kept busy during the last probe, or since the one before where that was answered at once."), &["guard"]);
    /// See `guard::watch`.
    guard_actions: IntCounterVec = counter("tidegate_guard_actions_total", "What was done about a process that hung, and what it was doing.", &["guard", "class", "action"]);
    /// See `guard::judge`.
    guard_given_up: IntGaugeVec = IntGaugeVec::new(Opts::new("tidegate_guard_given_up", "1 while nothing more is done, because it hung again after each of several actions."), &["guard"]);
    /// The build.
    build: IntGaugeVec = IntGaugeVec::new(Opts::new("tidegate_build_info", "Always 1; the version is a label."), &["version"]);
}

impl Metrics {
    /// Makes the series whose names are known exist with the value 0. Those of groups and deployments follow when they are
    /// configured.
    fn prepare(&self) {
        self.build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        self.reload_successful.set(1);
        for kind in Ending::ALL {
            self.endings.with_label_values(&[kind.as_str()]);
        }
        for kind in LoopKind::ALL {
            self.loops.with_label_values(&[kind.as_str()]);
        }
        for kind in labels::incidents() {
            self.incidents.with_label_values(&[kind]);
        }
        for reason in labels::CUTS {
            self.connections_cut.with_label_values(&[reason]);
        }
        for reason in labels::SPANS {
            self.traces_dropped.with_label_values(&[reason]);
        }
        for result in labels::RELOADS {
            self.reloads.with_label_values(&[result]);
        }
        for result in labels::PLUGIN_RELOADS {
            self.plugin_reloads.with_label_values(&[result]);
        }
        self.group(OTHER);
    }

    /// The configuration was asked to be read again.
    pub fn reloaded(&self, good: bool) {
        self.reloads.with_label_values(&[labels::RELOADS[usize::from(!good)]]).inc();
        self.reload_successful.set(good.into());
    }

    /// Loops of a kind so far.
    pub fn loops_of(&self, kind: LoopKind) -> u64 {
        self.loops.with_label_values(&[kind.as_str()]).get()
    }

    /// Counts one loop.
    pub fn looped(&self, kind: LoopKind) {
        self.loops.with_label_values(&[kind.as_str()]).inc();
    }

    /// Adds a collector that looks when it is asked.
    ///
    /// # Errors
    /// One of its names is taken.
    pub fn register(&self, collector: impl Collector + 'static) -> prometheus::Result<()> {
        self.registry.register(Box::new(collector))
    }

    /// The retries that a group's budget allows.
    pub fn budget(&self, group: &str, tokens: f64) {
        self.budget_tokens.with_label_values(&[&*self.groups.label(group)]).set(tokens);
    }

    /// Takes away what is so of deployments and groups that are no more, those that are not among these labels and names: what
    /// was so of one last would be so for ever. What was counted of them stays.
    pub fn forget_others(&self, deployments: &HashSet<&str>, groups: &[&str]) {
        let is_there = |label: &str| deployments.contains(label);
        forget(&self.cooling, "deployment", is_there);
        forget(&self.in_flight, "deployment", is_there);
        let groups: HashSet<Arc<str>> = groups.iter().map(|group| self.groups.label(group)).collect();
        forget(&self.budget_tokens, "group", |label| label == OTHER || groups.contains(label));
    }

    /// The text format 0.0.4, with the same numbers under `others`' names too.
    pub fn encode(&self, others: &[Compat], known: &Known) -> Vec<u8> {
        let mut text = Vec::new();
        let mut families = self.registry.gather();
        families.extend(compat::families(&families, others, known));
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }
}

/// Takes away each series of `family` whose `label` is not known.
fn forget<T>(family: &MetricVec<T>, label: &str, is_there: impl Fn(&str) -> bool)
where
    T: MetricVecBuilder,
    MetricVec<T>: Collector,
{
    for metric in family.collect().iter().flat_map(MetricFamily::get_metric) {
        let name = compat::label(metric, label);
        if !is_there(&name) {
            // It was there a moment ago, and nobody else takes one away.
            let _ = family.remove_label_values(&[&*name]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_so_of_a_deployment_goes_with_it_and_what_was_counted_stays() {
        let metrics = Metrics::new().unwrap();
        let [old, kept] = ["old", "kept"].map(|name| metrics.deployment("fast", name));
        for one in [&old, &kept] {
            one.cooling.set(1);
            one.in_flight.set(2);
            one.put_aside();
        }
        let of = |name: &str| -> Vec<(bool, String)> {
            let text = String::from_utf8(metrics.encode(&[], &Known::default())).unwrap();
            let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
            let value = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
            lines.map(|line| (line.contains("kept"), value(line))).collect()
        };
        let all = || {
            ["tidegate_deployment_cooling", "tidegate_deployment_in_flight", "tidegate_cooldowns_total"]
                .map(of)
        };
        assert_eq!(all().map(|series| series.len()), [2, 2, 2]);
        metrics.forget_others(&HashSet::from(["kept"]), &["fast"]);
        let [cooling, in_flight, counted] = all();
        assert_eq!((cooling, in_flight), (vec![(true, "1".into())], vec![(true, "2".into())]));
        assert_eq!(counted.len(), 2, "{counted:?}");
        // A stream that began with it may still be there, and it may come back.
        old.cooling.set(1);
        assert_eq!(all()[0].len(), 1);
        metrics.deployment("fast", "old");
        assert!(all()[0].contains(&(false, "0".to_owned())), "{:?}", all());
        // A group's retry budget.
        let budgets = || of("tidegate_retry_budget_tokens").len();
        metrics.budget("fast", 3.0);
        metrics.budget("kept", 4.0);
        let before = budgets();
        metrics.forget_others(&HashSet::new(), &["kept"]);
        assert_eq!((before, budgets()), (3, 2), "the other one is of no group");
    }
}
