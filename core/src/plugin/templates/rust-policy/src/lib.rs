#![forbid(unsafe_code)]
use tidegate_plugin_sdk::*;

export_plugin! { name: "patience", manifest: "{}", policy: Patience }

/// A deployment that asked to be left alone without saying how long.
const REST_MS: u64 = 5000;

/// Tries each deployment of the group once, then each of its fallbacks.
pub struct Patience;

impl Policy for Patience {
    fn create(_config_json: &str, _host: Host) -> Result<Self, String> {
        Ok(Patience)
    }

    fn decide(&self, history: &History<'_>) -> Action {
        let Some(last) = history.last() else { return Action::raise() };
        let rest = if last.error == ErrorKind::RateLimit { last.retry_after_ms.unwrap_or(REST_MS) } else { 0 };
        if last.committed || history.attempts_left == 0 {
            return Action::raise().cooldown(rest);
        }
        let group = history.target_of(last).map_or(history.group, |target| target.group);
        let next = match last.retryable {
            true => free(history, |target| target.group == group).map(|target| Action::retry(target, 0)),
            false => None,
        };
        let next = next.or_else(|| {
            free(history, |target| target.group != group).map(|target| Action::fallback(target, 0))
        });
        next.unwrap_or(Action::raise()).cooldown(rest)
    }
}

/// A deployment that can be called now and was not yet, drawn with the history's seed: the same history must always
/// give the same answer, so a policy has no other source of chance.
fn free(history: &History<'_>, fits: impl Fn(&Target<'_>) -> bool) -> Option<u32> {
    let untried = |index: u32| history.attempts.iter().all(|attempt| attempt.target != index);
    let free: Vec<u32> = (0..)
        .zip(&history.targets)
        .filter(|(index, target)| {
            fits(target) && untried(*index) && !target.unavailable && !target.special && target.cooldown_ms == 0
        })
        .map(|(index, _)| index)
        .collect();
    let drawn = history.seed.checked_rem(free.len() as u64)?;
    free.get(usize::try_from(drawn).ok()?).copied()
}
