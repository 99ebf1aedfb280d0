//! How long to wait before a deployment is called again.

use crate::choose;
use crate::decide::Scene;

/// The longest Retry-After that is waited for; litellm's bound too.
const LONGEST_RETRY_AFTER_MS: u64 = 60_000;
const FIRST_MS: u64 = 500;
const LONGEST_MS: u64 = 8_000;
const JITTER_MS: u64 = 750;

/// Milliseconds from now; `None`: not in this request. A deployment that has not failed in it is not waited for.
pub(crate) fn delay_ms(scene: &Scene<'_>, target: u32, retries_done: usize) -> Option<u64> {
    let Some(failed) = scene.last_on(target) else { return Some(0) };
    let wait_ms = match failed.retry_after_ms {
        Some(ms) if ms > LONGEST_RETRY_AFTER_MS => return None,
        Some(ms) if ms > 0 => ms,
        _ => computed_ms(scene, retries_done),
    };
    let wait_ms = wait_ms.saturating_add(choose::random(scene.history, u64::from(target)) % (JITTER_MS + 1));
    Some(failed.ended_ms.saturating_add(wait_ms).saturating_sub(scene.history.now_ms))
}

/// `min(max(0.5 s * 2^k, retry_after), 8 s)`, k being the retries already done.
fn computed_ms(scene: &Scene<'_>, retries_done: usize) -> u64 {
    // From 2^4 on the cap holds.
    let doubled = FIRST_MS << retries_done.min(4);
    let least = u64::try_from(scene.config.router.retry_after.as_millis()).unwrap_or(u64::MAX);
    doubled.max(least).min(LONGEST_MS)
}
