//! The cells of somebody's own configuration: each group, with its fallbacks well and with its fallbacks failing too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidegate_sim::Dialect;

use super::client_fault::ClientFault;
use super::configuration::{BOTH, Faults, STREAM};
use super::fault::Fault;
use super::plan::{Plan, Setup};
use super::promise::{Rescue, Terms};
use super::simulated::{CANARY, Simulated, simulate};
use super::worst;
use crate::config::{Config, Hurry, MidStream};
use crate::routing::Plugins;

/// No silence of the drill is longer: what is configured beyond it is shortened in proportion.
const PATIENCE: Duration = Duration::from_secs(4);
/// No wait is shortened below this: a machine may be busy.
const LEAST: Duration = Duration::from_secs(2);
/// Back-offs between attempts are not shortened.
const PAUSES: Duration = Duration::from_secs(10);
/// The largest event that is worth playing; a larger one costs time and shows the same.
const EVENT: u64 = 6 << 20;
/// What the wildcard of a group's name stands for.
const SAMPLE: &str = "drill-sample";

/// What of a configuration is changed so that the drill ends soon.
pub(super) fn hurried(config: &mut Config) -> Option<Hurry> {
    let longest = config
        .deployments
        .iter()
        .flat_map(|deployment| [true, false].map(|stream| config.clocks_of(deployment, stream)))
        .map(|clocks| clocks.first_content.max(clocks.content_idle))
        .max()
        .unwrap_or_default();
    config.tidegate.limits.event = config.tidegate.limits.event.min(EVENT);
    if longest <= PATIENCE {
        return None;
    }
    let hurry = Hurry { factor: PATIENCE.div_duration_f64(longest), least: LEAST, pauses: PAUSES };
    config.hurry(hurry);
    Some(hurry)
}

/// The cells of every group.
///
/// # Errors
/// A sentence: the drill's own neighbour has no plugin.
pub(super) fn plan(written: &Config, plugins: &Plugins, sim: SocketAddr) -> Result<Plan, String> {
    let mut config = written.clone();
    hurried(&mut config);
    let simulated = Arc::new(simulate(config, plugins, sim)?);
    let original = Arc::new(written.clone());
    let mut plan = Plan { setups: Vec::new(), cells: Vec::new(), left_out: simulated.left_out.clone() };
    let mut clients = None;
    for group in simulated.config.groups.iter().filter(|group| group.name != CANARY) {
        if group.deployments.is_empty() {
            plan.left_out.push(format!("group \"{}\": none of its deployments can be simulated", group.name));
            continue;
        }
        let model = group.name.replace('*', SAMPLE);
        let reach = simulated.config.reach(&model, None);
        let drilled =
            |name: &&&str| simulated.config.group(name).is_some_and(|group| !group.deployments.is_empty());
        let others: Vec<&str> = reach.groups[1..reach.general].iter().filter(drilled).copied().collect();
        let setup = |situation: &str, rescue: Rescue| {
            let (budget, about) = describe(&original, &model, &others, rescue);
            Arc::new(Setup {
                table: format!("{}/{situation}", group.name),
                variant: None,
                about,
                simulated: simulated.clone(),
                original: original.clone(),
                model: model.clone(),
                struck: (rescue != Rescue::Failing).then(|| vec![group.name.clone()]),
                terms: Terms {
                    rescue,
                    own: dialects(&simulated, plugins, &[&group.name]),
                    others: dialects(&simulated, plugins, &others),
                    budget,
                    exact: None,
                    patient: patient(&original, &group.name),
                },
            })
        };
        if others.is_empty() {
            plan.add(&setup("alone", Rescue::None), Faults::All, BOTH);
        } else {
            let goes_on = original.mid_stream_for(&model) == MidStream::Continue;
            let good = if goes_on { Rescue::Continued } else { Rescue::Good };
            plan.add(&setup("fallbacks-good", good), Faults::All, BOTH);
            plan.add(&setup("fallbacks-failing", Rescue::Failing), Faults::Failures, BOTH);
        }
        clients.get_or_insert_with(|| setup("clients", Rescue::None));
    }
    if let Some(setup) = clients {
        plan.add(&setup, Faults::Clients, STREAM);
    }
    let any = simulated.config.groups.iter().any(|group| group.name == "*");
    if any || simulated.config.general.completion_model.is_some() {
        // Every model is known.
        plan.cells.retain(|cell| !matches!(cell.fault, Fault::Client(ClientFault::UnknownModel)));
    }
    let limits = &simulated.config.tidegate.limits;
    if limits.event < EVENT || limits.body < EVENT {
        // Its four megabytes are more than is allowed here, or nearly.
        plan.cells.retain(|cell| cell.fault.name() != "huge-event");
    }
    Ok(plan)
}

/// Whether a stall leaves time for another attempt, in streams and whole answers.
fn patient(config: &Config, group: &str) -> bool {
    let own = config.deployments.iter().filter(|deployment| deployment.group == group);
    own.flat_map(|deployment| [true, false].map(|stream| config.clocks_of(deployment, stream)))
        .all(|clocks| clocks.total > clocks.first_content)
}

fn describe(config: &Config, model: &str, others: &[&str], rescue: Rescue) -> (u32, String) {
    let budget = config.attempts(model, None);
    let group = config.group(model).map_or(model, |group| &group.name);
    let total = |stream| {
        let own = config.deployments.iter().filter(|deployment| deployment.group == group);
        worst::shown(
            own.map(|deployment| config.clocks_of(deployment, stream).total).max().unwrap_or_default(),
        )
    };
    let fallbacks = match rescue {
        Rescue::None if others.is_empty() => "it has no fallback".to_owned(),
        Rescue::None => "the upstream is well or silent, and the client is at fault".to_owned(),
        Rescue::Good | Rescue::Continued => format!("it falls back to {}, which is well", others.join(", ")),
        Rescue::Failing => format!("it falls back to {}, which fails in the same way", others.join(", ")),
    };
    let times = if budget == 1 { "call" } else { "calls" };
    let about = format!(
        "{fallbacks}; a request makes at most {budget} {times}, and ends within {} (a stream) or {} (a whole answer)",
        total(true),
        total(false)
    );
    (budget, about)
}

/// The dialects of several groups, each once.
fn dialects(simulated: &Simulated, plugins: &Plugins, groups: &[&str]) -> Vec<Dialect> {
    let mut all = Vec::new();
    for dialect in groups.iter().flat_map(|group| simulated.dialects(plugins, group)) {
        if !all.contains(&dialect) {
            all.push(dialect);
        }
    }
    all
}
