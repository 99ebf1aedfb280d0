//! `routing_strategy` and `routing_strategy_args`.

use std::time::Duration;

use crate::config::diagnose::Sink;
use crate::config::model::Deployment;
use crate::config::node::Node;
use crate::config::strategy::{Strategy, Window};
use crate::config::{read, suggest};

/// The most answers that are remembered of a deployment.
const MOST: usize = 1000;

const NAMES: [&str; 7] = [
    "simple-shuffle",
    "least-busy",
    "latency-based-routing",
    "usage-based-routing",
    "usage-based-routing-v2",
    "cost-based-routing",
    "provider-budget-routing",
];

/// The strategy of that name, with its defaults.
pub(super) fn named(node: &Node, sink: &mut Sink) -> Option<Strategy> {
    let name = read::text(sink, "routing_strategy", node)?;
    Some(match name.as_str() {
        "simple-shuffle" => Strategy::Shuffle,
        "least-busy" => Strategy::LeastBusy,
        "latency-based-routing" => Strategy::Latency { window: Window::default(), buffer: 0.0 },
        "usage-based-routing-v2" => Strategy::Usage,
        "usage-based-routing" => {
            sink.info(&node.place, "`usage-based-routing` does the same as `usage-based-routing-v2` here");
            Strategy::Usage
        }
        "cost-based-routing" => Strategy::Cost,
        "provider-budget-routing" => {
            let message = "budgets are not tracked, so `provider-budget-routing` spreads requests as `simple-shuffle` does";
            sink.warn(&node.place, message);
            Strategy::Shuffle
        }
        _ => {
            let hint = suggest::did_you_mean(&name, NAMES)
                .unwrap_or_else(|| format!("they are {}", NAMES.join(", ")));
            sink.error_hint(&node.place, format!("there is no routing strategy `{name}`"), Some(hint));
            return None;
        }
    })
}

/// The strategy with its arguments. What it does not take does nothing, and is named.
pub(super) fn with(mut strategy: Strategy, args: &Node, sink: &mut Sink) -> Strategy {
    let Some(mapping) = read::mapping(sink, "routing_strategy_args", args) else { return strategy };
    for entry in &mapping.entries {
        let (key, node) = (entry.key.as_str(), &entry.node);
        match (key, &mut strategy) {
            ("ttl", Strategy::Latency { window, .. }) => {
                let seconds =
                    read::number(sink, key, node).and_then(|ttl| Duration::try_from_secs_f64(ttl).ok());
                window.ttl = seconds.unwrap_or(window.ttl);
            }
            ("lowest_latency_buffer", Strategy::Latency { buffer, .. }) => {
                *buffer = read::number(sink, key, node).unwrap_or(*buffer);
            }
            ("max_latency_list_size", Strategy::Latency { window, .. }) => {
                window.size = read::count(sink, key, node).unwrap_or(window.size);
                if !(1..=MOST).contains(&window.size) {
                    sink.error(&node.place, format!("`{key}` must be from 1 to {MOST}"));
                }
            }
            ("ttl", Strategy::Usage) => {
                sink.info(
                    &entry.key_place,
                    "usage is counted by the minute of the clock; `ttl` is not needed",
                );
            }
            _ => sink.warn(
                &entry.key_place,
                format!("the routing strategy takes no argument `{key}`; it is ignored"),
            ),
        }
    }
    strategy
}

/// Says which deployments the strategy knows nothing of.
pub(super) fn check(strategy: Strategy, deployments: &[Deployment], sink: &mut Sink) {
    if strategy == Strategy::Cost {
        for deployment in deployments.iter().filter(|deployment| !deployment.has_price()) {
            sink.warn(
                &deployment.place,
                "no `input_cost_per_token` and `output_cost_per_token` are written: this deployment counts as the dearest",
            );
        }
    }
}
