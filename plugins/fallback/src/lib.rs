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
//!
//! Not here yet: context-window and content-policy fallback lists (a branch in `fallbacks`), routing strategies
//! (`Policy::pick`), request-level options, and continuation of committed streams (a branch in `decide`).
#![forbid(unsafe_code)]

mod backoff;
mod choose;
mod config;
mod cooldown;
mod decide;
mod fallbacks;
mod retry;

use tidegate_plugin_sdk::{Action, History, Host, Policy, export_plugin};

/// The policy. Its configuration is a JSON object; all keys are optional and the defaults litellm's; times are in
/// seconds, a `null` below means "not written", keys that are not listed are left to other policies:
///
/// ```json
/// {"router": {"num_retries": 2, "retry_after": 0, "allowed_fails": null, "cooldown_time": 5.0,
///             "disable_cooldowns": false, "max_fallbacks": 5,
///             "fallbacks": [{"GROUP": ["GROUP", "..."]}], "default_fallbacks": ["GROUP"]},
///  "deployments": {"ID": {"cooldown_time": null, "num_retries": null}}}
/// ```
#[derive(Debug)]
pub struct Fallback {
    config: config::Config,
}

impl Policy for Fallback {
    fn create(config_json: &str, _host: Host) -> Result<Self, String> {
        config::Config::parse(config_json).map(|config| Self { config })
    }

    /// Answers the last failure. With no attempt in the history, nothing of the requested group was available: the
    /// answer is then a fallback or RAISE.
    fn decide(&self, history: &History<'_>) -> Action {
        decide::decide(&self.config, history)
    }
}

export_plugin! { name: "fallback", manifest: "{}", policy: Fallback }
