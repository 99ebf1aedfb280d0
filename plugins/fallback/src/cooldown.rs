//! Whether, and for how long, a deployment that failed is put aside.

use tidegate_plugin_sdk::{Attempt, ErrorKind, History, Target};

use crate::config::Config;

/// A longer Retry-After is not believed: one broken header must not take a deployment away for a day.
const LONGEST_RETRY_AFTER_MS: u64 = 3_600_000;
/// A quota that is used up does not come back within minutes; calls until then only spend the next one's.
const QUOTA_MS: u64 = 600_000;
/// litellm's `SINGLE_DEPLOYMENT_TRAFFIC_FAILURE_THRESHOLD`.
const ALL_FAILED_REQUESTS: u32 = 1_000;
/// litellm's `DEFAULT_FAILURE_THRESHOLD_MINIMUM_REQUESTS`.
const MOSTLY_FAILED_REQUESTS: u32 = 5;

/// Milliseconds; 0: no cooldown.
pub(crate) fn after(config: &Config, history: &History<'_>, failed: &Attempt) -> u64 {
    let Some(target) = history.target_of(failed) else { return 0 };
    let written = config.cooldown_time(target.id);
    if config.router.disable_cooldowns || written.is_zero() || !(failed.quota || is_deployments_fault(failed))
    {
        return 0;
    }
    let alone = history.targets.iter().filter(|t| t.group == target.group).count() <= 1;
    let due = match config.allowed_fails(target.id, failed) {
        _ if failed.quota => true,
        Some(allowed) => recent(target) > allowed,
        None => by_share(status(failed), target.fails_minute, target.oks_minute, alone),
    };
    if !due {
        return 0;
    }
    // Less than a millisecond is still not "none".
    let written_ms = u64::try_from(written.as_millis()).unwrap_or(u64::MAX).max(1);
    let least_ms = if failed.quota { QUOTA_MS } else { 0 };
    written_ms.max(least_ms).max(failed.retry_after_ms.unwrap_or(0).min(LONGEST_RETRY_AFTER_MS))
}

/// litellm forgets its count when no failure follows for the time of a cooldown. A host that does not count so has the
/// last minute.
fn recent(target: &Target<'_>) -> u32 {
    if target.fails_recent == 0 { target.fails_minute } else { target.fails_recent }
}

/// Failures to connect and errors of the request say nothing about the deployment (litellm's list of statuses).
fn is_deployments_fault(failed: &Attempt) -> bool {
    match (failed.error, status(failed)) {
        (ErrorKind::Transport, _) | (_, 0) => false,
        (_, 401 | 402 | 404 | 408 | 429) => true,
        (_, status) => !(400..500).contains(&status),
    }
}

/// The HTTP status; 429 where the provider says the same with another one (Google's 403 with a rate limit).
fn status(failed: &Attempt) -> u32 {
    if failed.error == ErrorKind::RateLimit { 429 } else { failed.http_status }
}

/// The rule where `allowed_fails` is not written.
fn by_share(status: u32, fails: u32, oks: u32, alone: bool) -> bool {
    let total = fails.saturating_add(oks);
    let all_failed = oks == 0 && total >= ALL_FAILED_REQUESTS;
    let mostly_failed = fails > oks && total >= MOSTLY_FAILED_REQUESTS;
    match status {
        401 | 404 => true,
        402 | 429 if !alone => true,
        _ => all_failed || (mostly_failed && !alone),
    }
}
