//! The `tidegate:` section. It is ours, so an unknown key in it is an error, not a notice.

mod guard;
mod guard_words;
mod parts;
mod plugins;
mod policy;
pub(super) mod strict;
mod traces;
mod watchdog;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::clocks::{Clocks, WrittenClocks};
use super::diagnose::Sink;
use super::env::{self, Env};
use super::node::{Node, Value};
use super::retry_budget::{RetryBudget, WrittenRetryBudget};
use super::{read, suggest};
use crate::metrics::Compat;
use crate::secret::Secret;
pub use guard::{
    Action as GuardAction, Backoff, Guard, GuardMode, Probe as GuardProbe, Run, Target as GuardTarget,
};
pub use plugins::{Allowed, Isolation, PluginUse, Plugins};
pub use policy::{PolicyChoice, USUAL_POLICY};
use strict::strict;
pub use traces::{AccessLog, Traces};
pub use watchdog::{Incidents, Watchdog, WatchdogMode};

/// The section with its defaults filled in.
#[derive(Clone, Debug)]
pub struct Tidegate {
    /// Where clients connect; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where metrics, health and the admin API answer.
    pub admin: SocketAddr,
    /// What opens the admin API to other machines and to changes; litellm's master key where this is silent.
    pub admin_key: Option<Secret>,
    /// The clocks of a group without overrides; [`super::Config::clocks_for`] adds them.
    pub clocks: Clocks,
    /// The clocks that the file names: they go before litellm's timeouts.
    pub written_clocks: WrittenClocks,
    /// What happens to a stream whose upstream fails after content was sent; [`super::Config::mid_stream_for`] adds the
    /// overrides and litellm's own switch.
    pub mid_stream: MidStream,
    /// The same, if the file says so: it goes before litellm's switch.
    pub written_mid_stream: Option<MidStream>,
    /// Silence after which a stream that goes well gets a comment; zero: none.
    pub keep_alive: Duration,
    /// Names of others under which `/metrics` has the same numbers too.
    pub compat_metrics: Vec<Compat>,
    /// litellm's `x-litellm-*` headers on every answer to a chat request.
    pub litellm_headers: bool,
    /// Retries that a group may add to its requests.
    pub retry_budget: RetryBudget,
    /// Bounds on what a client or an upstream may send.
    pub limits: Limits,
    /// Who decides what follows a failure; `None`: the default policy. [`GroupOverrides::policy`] goes before it.
    pub policy: Option<PolicyChoice>,
    /// Which plugins are loaded, and how.
    pub plugins: Plugins,
    /// How the watchdog acts.
    pub watchdog: Watchdog,
    /// The log has the error sentences of providers, which may quote a prompt.
    pub log_upstream_errors: bool,
    /// Where traces go.
    pub traces: Traces,
    /// Where each request's line goes.
    pub access_log: AccessLog,
    /// Other processes to watch.
    pub guard: Vec<Guard>,
    /// Overrides by group.
    pub groups: BTreeMap<String, GroupOverrides>,
}

/// A group's overrides; `None` where it has none.
#[derive(Clone, Debug, Default)]
pub struct GroupOverrides {
    /// The clocks it names.
    pub clocks: WrittenClocks,
    /// Its own rule for a failure in mid-stream.
    pub mid_stream: Option<MidStream>,
    /// Its own [`Tidegate::keep_alive`].
    pub keep_alive: Option<Duration>,
    /// What it names of its retry budget.
    pub retry_budget: WrittenRetryBudget,
    /// Who decides for its requests.
    pub policy: Option<PolicyChoice>,
}

/// What happens to a stream whose upstream fails after content was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MidStream {
    /// One terminal error.
    #[default]
    Fail,
    /// One continuation on another deployment, where the content allows it.
    Continue,
}

/// Bounds on what a client or an upstream may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections at once.
    pub connections: u32,
    /// Bytes of a request's head.
    pub header: u64,
    /// Bytes of a request's body; `general_settings.max_request_size_mb` where this is silent.
    pub body: u64,
    /// Bytes of one upstream event.
    pub event: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 10_000, header: 64 << 10, body: 32 << 20, event: 16 << 20 }
    }
}

impl Default for Tidegate {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            admin: SocketAddr::from(([127, 0, 0, 1], 4001)),
            admin_key: None,
            clocks: Clocks::default(),
            written_clocks: WrittenClocks::default(),
            mid_stream: MidStream::default(),
            written_mid_stream: None,
            keep_alive: Duration::ZERO,
            compat_metrics: Vec::new(),
            litellm_headers: false,
            retry_budget: RetryBudget::default(),
            limits: Limits::default(),
            policy: None,
            plugins: Plugins::default(),
            watchdog: Watchdog::default(),
            log_upstream_errors: false,
            traces: Traces::default(),
            access_log: AccessLog::default(),
            guard: Vec::new(),
            groups: BTreeMap::new(),
        }
    }
}

impl Tidegate {
    /// The policy of groups without one of their own.
    pub fn policy_name(&self) -> &str {
        self.policy.as_ref().map_or(USUAL_POLICY, |choice| &choice.name)
    }
}

/// Reads the section. `names` are the groups of `model_list`, skipped entries included; `body` is litellm's own limit.
pub(crate) fn read(
    node: Option<&Node>,
    names: &[String],
    body: Option<u64>,
    env: &dyn Env,
    sink: &mut Sink,
) -> Tidegate {
    let mut section = Tidegate::default();
    if let Some(body) = body {
        section.limits.body = body;
    }
    let Some(node) = node.map(|node| resolved(node, env, sink)) else { return section };
    strict(sink, "tidegate", &node, KEYS, |sink, key, entry| match key {
        "listen" => parts::address(sink, key, &entry.node, &mut section.listen),
        "admin" => parts::address(sink, key, &entry.node, &mut section.admin),
        "admin_key" => section.admin_key = parts::admin_key(sink, &entry.node, env),
        "clocks" => section.written_clocks = parts::clocks(sink, &entry.node),
        "mid_stream" => section.written_mid_stream = parts::mid_stream(sink, &entry.node),
        "compat_metrics" => section.compat_metrics = parts::compat_metrics(sink, &entry.node),
        "litellm_headers" => {
            section.litellm_headers = read::flag(sink, key, &entry.node).unwrap_or_default();
        }
        "keep_alive" => section.keep_alive = parts::keep_alive(sink, &entry.node).unwrap_or_default(),
        "retry_budget" => {
            section.retry_budget = parts::retry_budget(sink, &entry.node).over(RetryBudget::default());
        }
        "policy" => section.policy = policy::policy(sink, &entry.node),
        "limits" => parts::limits(sink, &entry.node, &mut section.limits),
        "plugins" => section.plugins = plugins::plugins(sink, &entry.node),
        "watchdog" => section.watchdog = watchdog::watchdog(sink, &entry.node),
        "log_upstream_errors" => {
            section.log_upstream_errors = read::flag(sink, key, &entry.node).unwrap_or_default();
        }
        "traces" => section.traces = traces::traces(sink, &entry.node),
        "access_log" => section.access_log = traces::access_log(sink, &entry.node),
        "guard" => section.guard = guard::guards(sink, &entry.node),
        _ => section.groups = groups(sink, &entry.node, names),
    });
    plugins::policies_are_allowed(sink, &section, &node);
    section.clocks = section.written_clocks.over(Clocks::default());
    section.mid_stream = section.written_mid_stream.unwrap_or_default();
    if section.listen == section.admin && section.listen.port() != 0 {
        let place =
            read::mapping(sink, "tidegate", &node).and_then(|map| map.get("admin").or(map.get("listen")));
        let message = format!("`listen` and `admin` are both {}; each needs its own port", section.listen);
        sink.error(&place.unwrap_or(&node).place, message);
    }
    section
}

/// The section with its variables replaced, but for the one of `admin_key`: that counts as more than not written where it is not
/// set.
fn resolved(node: &Node, env: &dyn Env, sink: &mut Sink) -> Node {
    let Value::Mapping(section) = &node.value else { return env::resolve(node, env, sink) };
    let mut section = section.clone();
    for entry in section.entries.iter_mut().filter(|entry| entry.key != "admin_key") {
        entry.node = env::resolve(&entry.node, env, sink);
    }
    Node { place: node.place.clone(), value: Value::Mapping(section) }
}

const KEYS: &[&str] = &[
    "listen",
    "admin",
    "admin_key",
    "clocks",
    "mid_stream",
    "keep_alive",
    "compat_metrics",
    "litellm_headers",
    "retry_budget",
    "policy",
    "limits",
    "plugins",
    "watchdog",
    "log_upstream_errors",
    "traces",
    "access_log",
    "guard",
    "groups",
];

fn groups(sink: &mut Sink, node: &Node, names: &[String]) -> BTreeMap<String, GroupOverrides> {
    let mut groups = BTreeMap::new();
    let Some(mapping) = read::mapping(sink, "groups", node) else { return groups };
    for entry in &mapping.entries {
        if !names.contains(&entry.key) {
            let hint = suggest::did_you_mean(&entry.key, names.iter().map(String::as_str));
            sink.error_hint(
                &entry.key_place,
                format!("`model_list` has no model named `{}`", entry.key),
                hint,
            );
            continue;
        }
        let mut overrides = GroupOverrides::default();
        strict(
            sink,
            &format!("tidegate.groups.{}", entry.key),
            &entry.node,
            &["clocks", "mid_stream", "keep_alive", "retry_budget", "policy"],
            |sink, key, entry| match key {
                "clocks" => overrides.clocks = parts::clocks(sink, &entry.node),
                "policy" => overrides.policy = policy::policy(sink, &entry.node),
                "keep_alive" => overrides.keep_alive = parts::keep_alive(sink, &entry.node),
                "retry_budget" => overrides.retry_budget = parts::retry_budget(sink, &entry.node),
                _ => overrides.mid_stream = parts::mid_stream(sink, &entry.node),
            },
        );
        groups.insert(entry.key.clone(), overrides);
    }
    groups
}
