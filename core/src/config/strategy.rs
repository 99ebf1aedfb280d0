//! `routing_strategy`: which of a group's deployments a call goes to.

use std::time::Duration;

use serde_json::{Value, json};

/// How the choice is made. All but the first are the policy's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Strategy {
    /// `simple-shuffle`: at random, by weight.
    #[default]
    Shuffle,
    /// `least-busy`: the fewest calls in flight.
    LeastBusy,
    /// `latency-based-routing`: the shortest times of the last answers.
    Latency {
        /// Which answers count.
        window: Window,
        /// `lowest_latency_buffer`: how much longer than the shortest is as good, as a share of it.
        buffer: f64,
    },
    /// `usage-based-routing-v2` and `usage-based-routing`: the fewest tokens in this minute; `rpm` and `tpm` are limits.
    Usage,
    /// `cost-based-routing`: the lowest price of a token.
    Cost,
}

/// The answers that say how fast a deployment is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// `max_latency_list_size`: how many of the last ones.
    pub size: usize,
    /// How long one counts.
    pub ttl: Duration,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: 10, ttl: Duration::from_secs(3600) }
    }
}

impl Strategy {
    /// Whether the times of answers are wanted, and which.
    pub fn window(self) -> Option<Window> {
        match self {
            Self::Latency { window, .. } => Some(window),
            _ => None,
        }
    }

    /// As the policy is told. `None`: the host draws, and the policy is not asked.
    pub(super) fn policy_json(self) -> Option<Value> {
        Some(match self {
            Self::Shuffle => return None,
            Self::LeastBusy => json!({"name": "least-busy"}),
            Self::Latency { buffer, .. } => {
                json!({"name": "latency-based-routing", "lowest_latency_buffer": buffer})
            }
            Self::Usage => json!({"name": "usage-based-routing-v2"}),
            Self::Cost => json!({"name": "cost-based-routing"}),
        })
    }
}
