//! Another attempt in the same group.

use std::cmp::Ordering;

use tidegate_plugin_sdk::{Action, Attempt, ErrorKind, Target};

use crate::decide::Scene;
use crate::{backoff, choose};

/// The next attempt in the group of the last one, if there is to be one.
///
/// Deployments of a higher `order` are litellm's first fallback: each order has retries of its own, and they are
/// tried whatever the error is, unless it is one that the prompt causes everywhere.
pub(crate) fn next(scene: &Scene<'_>) -> Option<Action> {
    let last = scene.history.last()?;
    let failed = scene.history.target_of(last)?;
    let stage = stage(scene, failed);
    let retries_done = stage.len().checked_sub(1)?;
    let first = scene.history.target_of(stage.first()?)?;

    let options = scene.options;
    // A policy that names the error says how often, and that it is worth a try, whatever it is.
    let by_policy = scene.config.retries_by_policy(failed.group, last);
    let retries = by_policy.unwrap_or_else(|| scene.config.num_retries(first.id, options.num_retries));
    let asked_for = failed.group == scene.history.group && options.retry_requested_group == Some(false);
    // Without a token the core would refuse a retry; a step to a higher order is a fallback, which takes none.
    let within_order = !asked_for
        && (by_policy.is_some() || may_retry(last))
        && scene.history.retry_tokens > 0
        && retries_done < retries as usize;
    let beyond_order = !options.disable_fallbacks
        && !matches!(last.error, ErrorKind::ContextLength | ErrorKind::ContentFilter);
    let candidates = scene.free(failed.group).filter(|(index, target)| {
        let in_reach = match target.order.cmp(&failed.order) {
            // Going back would start the retries of that order again.
            Ordering::Less => false,
            Ordering::Equal => within_order,
            Ordering::Greater => beyond_order,
        };
        in_reach && !is_refused(scene, *index)
    });
    let waits = candidates.filter_map(|(index, target)| {
        let delay_ms = backoff::delay_ms(scene, index, retries_done)?;
        let in_time = scene.history.now_ms.saturating_add(delay_ms) < scene.history.deadline_ms;
        in_time.then_some((index, target, delay_ms))
    });
    choose::soonest(scene, waits).map(|(target, delay_ms)| Action::retry(target, delay_ms))
}

/// The attempts since the request came to this order of this group.
fn stage<'a>(scene: &Scene<'a>, failed: &Target<'_>) -> &'a [Attempt] {
    let history = scene.history;
    let same = |attempt: &&Attempt| {
        history.target_of(attempt).is_some_and(|t| t.group == failed.group && t.order == failed.order)
    };
    let length = history.attempts.iter().rev().take_while(same).count();
    &history.attempts[history.attempts.len() - length..]
}

/// litellm retries 408, 409, 429 and 5xx, and a refused key where another deployment may have another key.
fn may_retry(last: &Attempt) -> bool {
    match last.error {
        ErrorKind::ContextLength | ErrorKind::ContentFilter | ErrorKind::NotFound => false,
        ErrorKind::BadRequest => last.http_status == 409,
        ErrorKind::Auth | ErrorKind::Permission => true,
        _ => last.retryable || last.quota || matches!(last.http_status, 408 | 409 | 429 | 500..),
    }
}

/// This deployment has said in this request that it will not serve it, now or soon. Of a refused key the configuration may
/// know better; a spent quota is spent.
fn is_refused(scene: &Scene<'_>, target: u32) -> bool {
    let no_key = |attempt: &Attempt| {
        let group = scene.history.target_of(attempt).map_or("", |target| target.group);
        let by_policy = scene.config.retries_by_policy(group, attempt).is_some_and(|retries| retries > 0);
        matches!(attempt.error, ErrorKind::Auth | ErrorKind::Permission) && !by_policy
    };
    let mut its = scene.history.attempts.iter().filter(|attempt| attempt.target == target);
    its.any(|attempt| attempt.quota || no_key(attempt))
}
