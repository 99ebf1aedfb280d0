//! Short ways to write down a history.

use tidegate_plugin_fallback::Fallback;
use tidegate_plugin_sdk::harness::PolicyHarness;
use tidegate_plugin_sdk::{Action, Attempt, Choice, ErrorKind, History, Host, Policy, Target};

/// An attempt that failed with `status` and its usual class, on the target with this index.
pub(crate) fn failed(target: u32, status: u32) -> Attempt {
    let error = match status {
        429 => ErrorKind::RateLimit,
        529 => ErrorKind::Overloaded,
        401 => ErrorKind::Auth,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        400 => ErrorKind::BadRequest,
        408 | 504 => ErrorKind::Timeout,
        500.. => ErrorKind::Server,
        _ => ErrorKind::Unknown,
    };
    Attempt { target, error, http_status: status, ..Attempt::default() }
}

pub(crate) fn target(id: &'static str, group: &'static str) -> Target<'static> {
    Target { id, group, fails_minute: 1, ..Target::default() }
}

/// A request for group `a` with these attempts behind it, time and budget ahead.
pub(crate) fn history(targets: &[Target<'static>], attempts: &[Attempt]) -> History<'static> {
    History {
        deadline_ms: 600_000,
        seed: 7,
        attempts_left: 10,
        retry_tokens: 10,
        group: "a",
        attempts: attempts.to_vec(),
        targets: targets.to_vec(),
        ..History::default()
    }
}

pub(crate) fn policy(config: &str) -> Fallback {
    Fallback::create(config, Host::silent()).unwrap_or_else(|why| panic!("{why}"))
}

/// Asked as the host asks: through the plugin's C table.
pub(crate) fn decide(config: &str, history: &History<'_>) -> Action {
    let plugin = PolicyHarness::new::<Fallback>(config).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    plugin.decide(history).unwrap_or_else(|status| panic!("status {status}"))
}

/// What is done and to which target; the delay and the cooldown left out.
pub(crate) fn choice(action: Action) -> (Choice, u32) {
    (action.choice, action.target)
}

pub(crate) const RAISED: (Choice, u32) = (Choice::Raise, 0);
