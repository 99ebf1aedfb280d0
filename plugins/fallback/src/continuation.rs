//! Which deployment goes on with a stream that broke off after content, in a group that wants it.

use tidegate_plugin_sdk::{Action, Attempt, ErrorKind};

use crate::choose;
use crate::decide::Scene;
use crate::fallbacks;

/// A deployment of the same group that this request has not called, else the one that a fallback would go to. The host
/// refuses where the content does not allow it, or where there was a continuation already.
pub(crate) fn next(scene: &Scene<'_>) -> Option<Action> {
    let history = scene.history;
    let last = history.last().filter(|last| last.committed && is_worth_it(last))?;
    let group = history.target_of(last).filter(|_| scene.config.continues(history.group))?.group;
    let untried = scene.free(group).filter(|(index, _)| scene.last_on(*index).is_none());
    let here = choose::soonest(scene, untried.map(|(index, target)| (index, target, 0)));
    let target =
        here.map(|(target, _)| target).or_else(|| fallbacks::next(scene).map(|there| there.target))?;
    Some(Action::continue_on(target))
}

/// litellm's rule: an error of the request or of its content would come back; a 429, a 5xx and everything that has no
/// status may not.
fn is_worth_it(last: &Attempt) -> bool {
    match last.error {
        ErrorKind::ContentFilter | ErrorKind::ContextLength | ErrorKind::BadRequest => false,
        ErrorKind::RateLimit
        | ErrorKind::Overloaded
        | ErrorKind::Timeout
        | ErrorKind::Transport
        | ErrorKind::Truncated
        | ErrorKind::Malformed => true,
        _ => !(400..500).contains(&last.http_status) || matches!(last.http_status, 408 | 429),
    }
}
