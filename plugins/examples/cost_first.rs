//! A policy that calls the cheapest target that can be called, and dearer ones when it fails, each once: first those of the
//! group, by price, then those of its fallbacks.
//!
//! The price of a request is what the configuration's `input_cost_per_token` and `output_cost_per_token` make of the prompt's
//! length and of an answer of `answer_tokens`. A target without any price counts as the dearest. Of those that cost the
//! same the lowest `order` goes first, then one is drawn by weight.
//!
//! ```yaml
//! tidegate: {policy: {name: cost-first, params: {answer_tokens: 200}}}   # 500 if not written
//! ```
#![forbid(unsafe_code)]

#[path = "common.rs"]
mod common;

use common::Settings;
use tidegate_plugin_sdk::{Action, History, Host, Policy, Target, export_plugin};

/// The policy.
pub struct CostFirst {
    settings: Settings,
    answer_tokens: u64,
}

impl Policy for CostFirst {
    const PICKS: bool = true;

    fn create(config_json: &str, _host: Host) -> Result<Self, String> {
        let settings = Settings::read(config_json, &["answer_tokens"])?;
        Ok(Self { answer_tokens: settings.number("answer_tokens", 500)?, settings })
    }

    fn pick(&self, history: &History<'_>) -> Action {
        self.cheapest(history).unwrap_or_default()
    }

    fn decide(&self, history: &History<'_>) -> Action {
        let cooldown_ms = self.settings.cooldown_ms(history);
        self.cheapest(history).unwrap_or_default().cooldown(cooldown_ms)
    }
}

impl CostFirst {
    /// The next target that this request has not called.
    fn cheapest(&self, history: &History<'_>) -> Option<Action> {
        let candidates: Vec<_> = history
            .free()
            .filter(|(index, target)| {
                history.last_on(*index).is_none() && common::can_follow(history, target)
            })
            .filter_map(|(index, target)| {
                let price = self.price(history, target).unwrap_or(u64::MAX);
                Some(((common::place(history, target)?, price, target.order), index, target))
            })
            .collect();
        let best = candidates.iter().map(|(rank, ..)| *rank).min()?;
        let alike: Vec<(u32, &Target<'_>)> = candidates
            .into_iter()
            .filter(|(rank, ..)| *rank == best)
            .map(|(_, index, target)| (index, target))
            .collect();
        history.draw(&alike).map(|target| history.go_to(target, 0))
    }

    /// In 1e-12 dollars, as far as it is known.
    fn price(&self, history: &History<'_>, target: &Target<'_>) -> Option<u64> {
        let part = |price: Option<u64>, tokens: u64| price.map(|price| price.saturating_mul(tokens));
        // A prompt is never empty, whatever the host says of its length.
        let input = part(target.input_cost, history.prompt_tokens.max(1));
        let output = part(target.output_cost, self.answer_tokens);
        match (input, output) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
        }
    }
}

export_plugin! { name: "cost-first", manifest: "{}", policy: CostFirst }
