//! The default policy: litellm's retry, fallback and cooldown rules (read from its 1.83.9 sources), as a pure
//! function of a request's history.
//!
//! Where it differs from litellm, on purpose:
//! - What is written is meant: `cooldown_time: 0` is no cooldown (litellm: 5 s), `allowed_fails: 3` is 3 (litellm:
//!   as if not written).
//! - A cooldown is the later of `cooldown_time` and the upstream's Retry-After, not one instead of the other.
//! - A deployment is not called again before its Retry-After is over, in no group size; one that asks for more than
//!   60 s is not waited for at all (litellm waits 0.5 s instead).
//! - An exhausted quota and a refused key are not retried on the same deployment; a quota puts it aside for at least
//!   ten minutes.
//! - A retry prefers deployments that this request has not tried.
//! - A request visits each group once, so a fallback cycle ends where it would return.
//! - A retry policy is asked about the latest failure of a group, not about its first, and `InternalServerError` counts
//!   in it (litellm never reads that one). It does not bring a spent quota back.
//! - A 0 in a policy of allowed failures is 0 (litellm: as if not written).
//!
//! - Of deployments that are equal by usage, the one with fewer requests goes first (litellm: any). A stream's latency
//!   is the time to its first content (litellm divides it by the answer's tokens).
#![forbid(unsafe_code)]

mod backoff;
mod choose;
mod config;
mod continuation;
mod cooldown;
mod decide;
mod errors;
mod fallbacks;
mod options;
mod pick;
mod retry;
mod strategy;

use tidegate_plugin_sdk::{Action, History, Host, Policy, export_plugin};

/// The policy. Its configuration is a JSON object; all keys are optional and the defaults litellm's; times are in
/// seconds, a `null` below means "not written", keys that are not listed are left to other policies:
///
/// ```json
/// {"router": {"num_retries": 2, "retry_after": 0, "allowed_fails": null, "cooldown_time": 5.0,
///             "disable_cooldowns": false, "max_fallbacks": 5,
///             "fallbacks": [{"GROUP": ["GROUP", "..."]}], "default_fallbacks": ["GROUP"],
///             "context_window_fallbacks": [], "content_policy_fallbacks": [],
///             "retry_policy": {"RateLimitError": 3}, "model_group_retry_policy": {"GROUP": {"TimeoutError": 0}},
///             "allowed_fails_policy": {"AuthenticationError": 0},
///             "strategy": {"name": "latency-based-routing", "lowest_latency_buffer": 0.1}},
///  "groups": {"GROUP": {"mid_stream": "fail"}},
///  "deployments": {"ID": {"cooldown_time": null, "num_retries": null, "allowed_fails": null,
///                         "allowed_fails_policy": null}}}
/// ```
///
/// The strategies are `simple-shuffle`, `least-busy`, `latency-based-routing`, `usage-based-routing-v2` and
/// `cost-based-routing`.
///
/// The options of a request replace parts of it: `fallbacks` (`["GROUP"]`, for any failure, or in the form above),
/// `context_window_fallbacks`, `content_policy_fallbacks`, `disable_fallbacks`, `num_retries`, `max_fallbacks`. With
/// `"retry_requested_group": false` a failure of the requested group goes to its fallbacks at once.
#[derive(Debug)]
pub struct Fallback {
    config: config::Config,
}

impl Policy for Fallback {
    const PICKS: bool = true;

    fn create(config_json: &str, _host: Host) -> Result<Self, String> {
        config::Config::parse(config_json).map(|config| Self { config })
    }

    /// Answers the last failure. With no attempt in the history, nothing of the requested group was available: the
    /// answer is then a fallback or RAISE.
    fn decide(&self, history: &History<'_>) -> Action {
        decide::decide(&self.config, history)
    }

    /// Chooses the first target as every later one is chosen.
    fn pick(&self, history: &History<'_>) -> Action {
        pick::pick(&self.config, history)
    }
}

export_plugin! { name: "fallback", manifest: "{}", policy: Fallback }
