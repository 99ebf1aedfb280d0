//! `routing_strategy`: which of the targets that could be called alike is called.

use serde::Deserialize;
use tidegate_plugin_sdk::Target;

use crate::config::Config;

/// How the choice is made.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub(crate) enum Strategy {
    /// At random, by weight.
    #[default]
    SimpleShuffle,
    /// The fewest calls in flight.
    LeastBusy,
    /// The shortest times of the last answers; one of which nothing is known goes first.
    LatencyBasedRouting {
        /// How much longer than the shortest is as good, as a share of it.
        #[serde(default)]
        lowest_latency_buffer: f64,
    },
    /// The fewest tokens of this minute, then the fewest requests.
    #[serde(rename = "usage-based-routing-v2")]
    UsageBasedRouting,
    /// The lowest price of a token; one without a price is the dearest.
    CostBasedRouting,
}

/// A target that could be called, with its index and its delay.
pub(crate) type Candidate<'a> = (u32, &'a Target<'a>, u64);

/// Keeps those that are best by the strategy. What is left is drawn among.
pub(crate) fn narrow<'a>(config: &Config, candidates: Vec<Candidate<'a>>) -> Vec<Candidate<'a>> {
    match config.router.strategy.unwrap_or_default() {
        Strategy::SimpleShuffle => candidates,
        Strategy::LeastBusy => least(candidates, |target| f64::from(target.inflight), 0.0),
        Strategy::LatencyBasedRouting { lowest_latency_buffer } => {
            least(candidates, |target| target.answer_us as f64, lowest_latency_buffer)
        }
        Strategy::UsageBasedRouting => {
            let fewest = least(candidates, |target| target.tokens_minute as f64, 0.0);
            least(fewest, |target| f64::from(target.requests_minute), 0.0)
        }
        Strategy::CostBasedRouting => least(candidates, token_price, 0.0),
    }
}

/// Of a token of the prompt and one of the answer together, as far as it is known.
fn token_price(target: &Target<'_>) -> f64 {
    match (target.input_cost, target.output_cost) {
        (None, None) => f64::INFINITY,
        (input, output) => input.unwrap_or(0) as f64 + output.unwrap_or(0) as f64,
    }
}

/// Whether the draw among what is left goes by weight.
pub(crate) fn by_weight(config: &Config) -> bool {
    matches!(config.router.strategy.unwrap_or_default(), Strategy::SimpleShuffle)
}

/// Those whose value is the lowest, or not above it by more than `buffer` times that.
fn least<'a>(
    candidates: Vec<Candidate<'a>>,
    value: impl Fn(&Target<'a>) -> f64,
    buffer: f64,
) -> Vec<Candidate<'a>> {
    let lowest = candidates.iter().map(|(_, target, _)| value(target)).min_by(f64::total_cmp);
    // An infinite lowest value times 0 is no number.
    let bound =
        lowest.map_or(0.0, |lowest| if lowest.is_finite() { lowest + buffer * lowest } else { lowest });
    candidates.into_iter().filter(|(_, target, _)| value(target) <= bound).collect()
}
