//! All gates by what stands behind them, and who is to blame for a verdict.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::config::Quarantine;
use crate::gate::Gate;
use crate::incident::{Action, Incident, Rule};
use crate::report::{Kind, Report};
use crate::shared::Shared;
use crate::ticks::Ticks;

/// What can be quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspected {
    /// A plugin, by its name.
    Plugin,
    /// A deployment, by its name.
    Deployment,
}

impl Suspected {
    /// The name used in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Deployment => "deployment",
        }
    }
}

/// One gate's state, for metrics.
#[derive(Debug, Clone)]
pub struct QuarantineInfo {
    /// What it is.
    pub what: Suspected,
    /// Its name.
    pub name: Arc<str>,
    /// It is quarantined now.
    pub quarantined: bool,
    /// How often it was.
    pub total: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<BTreeMap<(Suspected, Arc<str>), Gate>>);

impl Gates {
    /// The gate of `name`, made when it is first asked for.
    pub(crate) fn get(&self, shared: &Arc<Shared>, what: Suspected, name: &str) -> Gate {
        let name: Arc<str> = name.into();
        let mut gates = self.0.lock();
        let gate = gates.entry((what, Arc::clone(&name)));
        gate.or_insert_with(|| make(&shared.ticks, &shared.config.rules.quarantine, shared, what, name))
            .clone()
    }

    /// A verdict was carried out, or held back by the brake: whoever is to blame gets a strike. The plugin that was being
    /// called is, else the deployment.
    pub(crate) fn blame(&self, shared: &Arc<Shared>, incident: &Incident) {
        let Some(verdict) = &incident.verdict else { return };
        let known_stuck = verdict.rule == Rule::StuckPoll && incident.plugin.is_some();
        let weight = match verdict.action {
            // No more aborts are to be had: the next rung.
            Action::Braked => u32::MAX,
            Action::Aborted | Action::Shut | Action::Counted if known_stuck => u32::MAX,
            Action::Aborted | Action::Shut => 1,
            Action::Counted | Action::Warned | Action::Observed => return,
        };
        let (what, name) = match (&incident.plugin, &incident.deployment) {
            (Some(plugin), _) => (Suspected::Plugin, plugin),
            (None, Some(deployment)) => (Suspected::Deployment, deployment),
            (None, None) => return,
        };
        self.strike(shared, what, name, weight, &format!("incident {}", incident.id));
    }

    /// So many faults of what has this name, and after what: says so where it is quarantined by them.
    pub(crate) fn strike(
        &self,
        shared: &Arc<Shared>,
        what: Suspected,
        name: &Arc<str>,
        weight: u32,
        after: &str,
    ) {
        if self.get(shared, what, name).fault(weight) {
            let pause = shared.config.rules.quarantine.trial;
            let (kind, sentence) = match what {
                Suspected::Plugin => (Kind::PluginQuarantined, "the plugin"),
                Suspected::Deployment => (Kind::DeploymentQuarantined, "the deployment"),
            };
            let sentence = format!(
                "after {after} {sentence} {name} is not asked for {pause:?}, then one request tries it"
            );
            shared.report(labelled(Report::new(kind, sentence), what, name));
        }
    }

    pub(crate) fn list(&self) -> Vec<QuarantineInfo> {
        let gates = self.0.lock();
        let info = |((what, name), gate): (&(Suspected, Arc<str>), &Gate)| {
            let (quarantined, total) = gate.totals();
            QuarantineInfo { what: *what, name: Arc::clone(name), quarantined, total }
        };
        gates.iter().map(info).collect()
    }
}

fn make(ticks: &Ticks, rule: &Quarantine, shared: &Arc<Shared>, what: Suspected, name: Arc<str>) -> Gate {
    let shared: Weak<Shared> = Arc::downgrade(shared);
    let lifted = move || {
        if let Some(shared) = shared.upgrade() {
            let report =
                Report::new(Kind::QuarantineLifted, format!("a trial of the {} went well", what.as_str()));
            shared.report(labelled(report, what, &name));
        }
    };
    Gate::new(ticks.clone(), rule.clone(), Box::new(lifted))
}

fn labelled(report: Report, what: Suspected, name: &Arc<str>) -> Report {
    match what {
        Suspected::Plugin => report.plugin(Arc::clone(name)),
        Suspected::Deployment => report.deployment(Arc::clone(name)),
    }
}
