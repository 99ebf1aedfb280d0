//! Every label and what it may say. The series are made from these sets, and so is the table of docs/metrics.md.

use tidegate_host::{EndReason, Op};
use tidegate_watchdog::{Action, Kind, Rule, Suspected};

use super::{Ending, LoopKind, NAMES, OTHER, OUTCOMES, SERVER, STATUSES};
use crate::guard::kinds;
use crate::guard::words::{ACTIONS, Answer, Class};
use crate::incidents;

/// What can become of a stream that broke off in a group that continues them.
pub(super) const CONTINUATIONS: [&str; 4] = ["complete", "failed", "client_gone", "refused"];

/// Tokens by what they were spent on. The last three are parts of the first two.
pub(super) const TOKENS: [&str; 5] = ["input", "output", "cached", "cache_write", "reasoning"];

/// Of those, what is guessed where nobody told.
pub(super) const GUESSED: [&str; 2] = ["input", "output"];

/// When a 429 came: before content had gone to the client, and after.
pub(super) const PHASES: [&str; 2] = ["start", "mid_stream"];

/// Why a client's connection was cut.
pub(super) const CUTS: [&str; 2] = ["client_idle", "stuck_poll"];

/// Why spans were dropped.
pub(super) const SPANS: [&str; 2] = ["queue", "collector"];

/// What became of a reload of the configuration.
pub(super) const RELOADS: [&str; 2] = ["ok", "refused"];

/// What became of a look into the plugin folders.
pub(super) const PLUGIN_RELOADS: [&str; 3] = ["ok", "partly", "refused"];

/// How a call of a plugin can fail.
pub(super) const PLUGIN_ERRORS: [&str; 2] = ["error", "panic"];

/// Kinds of incidents: the watchdog's, those of 429 loops, of plugins and of guards.
const INCIDENTS: [Kind; 19] = [
    Kind::StreamVerdict,
    Kind::PluginQuarantined,
    Kind::DeploymentQuarantined,
    Kind::QuarantineLifted,
    Kind::ThreadDemoted,
    Kind::RuntimeReplaced,
    Kind::GaveUp,
    LoopKind::Request.incident(),
    LoopKind::Client.incident(),
    LoopKind::Amplification.incident(),
    LoopKind::Chain.incident(),
    incidents::PLUGIN_WORKER_ENDED,
    incidents::PLUGIN_SWAPPED,
    kinds::ACTED,
    kinds::OBSERVED,
    kinds::FAILED,
    kinds::GONE,
    kinds::GAVE_UP,
    kinds::RECOVERED,
];

/// Their words, and `other` for a kind that is not among them: a defect, and no reason to lose it.
pub(super) fn incidents() -> impl Iterator<Item = &'static str> {
    INCIDENTS.iter().map(|kind| kind.as_str()).chain([OTHER])
}

/// The label of an incident.
pub(crate) fn incident_kind(kind: Kind) -> &'static str {
    if INCIDENTS.contains(&kind) { kind.as_str() } else { OTHER }
}

/// Where a plugin runs.
const ISOLATIONS: [&str; 2] = ["inline", "process"];

/// One label.
#[derive(Clone, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// The families that have it in this sense; none: all that have it.
    pub of: &'static [&'static str],
    /// What it may say.
    pub values: Values,
}

/// What a label may say.
#[derive(Clone, Debug)]
pub enum Values {
    /// Words of this program.
    Words(Vec<&'static str>),
    /// Names of the operator's.
    Names {
        /// Where they come from.
        from: &'static str,
        /// How many of them have series of their own; those beyond are `other`. `None`: as many as there are.
        most: Option<usize>,
    },
}

impl Label {
    /// Whether it may say so.
    pub fn allows(&self, value: &str) -> bool {
        match &self.values {
            Values::Words(words) => words.contains(&value),
            Values::Names { .. } => true,
        }
    }
}

/// The label of that name of a family.
pub fn label(name: &str, family: &str) -> Option<Label> {
    labels().into_iter().find(|one| one.name == name && (one.of.is_empty() || one.of.contains(&family)))
}

/// All labels. A family that says something of its own under a name stands before those that have the name in common.
pub fn labels() -> Vec<Label> {
    let words = |name, of, words: &[&'static str]| Label { name, of, values: Values::Words(words.to_vec()) };
    let names = |name, from, most| Label { name, of: &[], values: Values::Names { from, most } };
    let statuses: Vec<&str> = STATUSES.into_iter().chain([SERVER, OTHER]).collect();
    vec![
        names("group", "the configuration's `model_name`s", Some(NAMES)),
        names("to", "the configuration's `model_name`s", Some(NAMES)),
        names("deployment", "the configuration's deployments", Some(NAMES)),
        names("plugin", "loaded plugins", None),
        names("name", "loaded plugins and the configuration's deployments", Some(2 * NAMES)),
        names("guard", "the configuration's `guard:`, at most 64", None),
        names("version", "the build, or the plugin", None),
        words("isolation", &[], &ISOLATIONS),
        words("status", &[], &statuses),
        words("outcome", &[], &OUTCOMES),
        words("phase", &[], &PHASES),
        words("call", &[], &Op::ALL.map(Op::name)),
        words("rule", &[], &Rule::ALL.map(Rule::as_str)),
        words("action", &["tidegate_guard_actions_total"], &ACTIONS),
        words("action", &[], &Action::ALL.map(Action::as_str)),
        words("kind", &["tidegate_request_endings_total"], &Ending::ALL.map(Ending::as_str)),
        words("kind", &["tidegate_429_loops_total"], &LoopKind::ALL.map(LoopKind::as_str)),
        words("kind", &["tidegate_tokens_total"], &TOKENS),
        words("kind", &["tidegate_tokens_estimated_total"], &GUESSED),
        words(
            "kind",
            &["tidegate_quarantined", "tidegate_quarantines_total"],
            &[Suspected::Plugin, Suspected::Deployment].map(Suspected::as_str),
        ),
        words("kind", &["tidegate_incidents_total"], &incidents().collect::<Vec<_>>()),
        words("kind", &["tidegate_plugin_errors_total"], &PLUGIN_ERRORS),
        words("reason", &["tidegate_client_connections_cut_total"], &CUTS),
        words("reason", &["tidegate_traces_dropped_total"], &SPANS),
        words("reason", &["tidegate_plugin_worker_ends_total"], &EndReason::NAMES),
        words("result", &["tidegate_config_reloads_total"], &RELOADS),
        words("result", &["tidegate_plugin_reloads_total"], &PLUGIN_RELOADS),
        words("result", &["tidegate_continuations_total"], &CONTINUATIONS),
        words("result", &["tidegate_guard_probes_total"], &Answer::WORDS),
        words("class", &[], &Class::ALL.map(Class::word)),
    ]
}
