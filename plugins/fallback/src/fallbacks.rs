//! Which group comes next.

use tidegate_plugin_sdk::{Action, Attempt, ErrorKind};

use crate::choose;
use crate::config::FallbackList;
use crate::decide::Scene;
use crate::options::Fallbacks;

/// The first attempt in the next group that has a free deployment.
pub(crate) fn next(scene: &Scene<'_>) -> Option<Action> {
    let order = order(scene);
    let here = order.iter().rposition(|group| last_in(scene, group).is_some()).unwrap_or(0);
    order[here + 1..].iter().find_map(|group| {
        let free = scene.free(group).map(|(index, target)| (index, target, 0));
        let (target, delay_ms) = choose::soonest(scene, free)?;
        Some(Action::fallback(target, delay_ms))
    })
}

/// The groups that the request visits, the one that was asked for first. Each group's own fallbacks come before its
/// siblings, as in litellm, and no group comes twice. Which they are depends on how the group failed.
pub(crate) fn order<'a>(scene: &Scene<'a>) -> Vec<&'a str> {
    let depth = scene.options.max_fallbacks.unwrap_or(scene.config.router.max_fallbacks);
    let mut order = Vec::new();
    let mut to_visit = vec![(scene.history.group, 0)];
    // Ends: a group adds to the list only when it is seen for the first time.
    while let Some((group, level)) = to_visit.pop() {
        if order.contains(&group) {
            continue;
        }
        order.push(group);
        if level < depth {
            let targets = of_group(scene, group);
            to_visit.extend(targets.iter().rev().map(|target| (target.as_str(), level + 1)));
        }
    }
    order
}

/// The last attempt of this request in a group.
fn last_in<'a>(scene: &Scene<'a>, group: &str) -> Option<&'a Attempt> {
    let history = scene.history;
    let here = |a: &&Attempt| history.target_of(a).is_some_and(|target| target.group == group);
    history.attempts.iter().rev().find(here)
}

/// The fallbacks of a group in this request. One that was passed over because nothing of it was free has its usual ones.
fn of_group<'a>(scene: &Scene<'a>, group: &str) -> &'a [String] {
    let (router, options) = (&scene.config.router, scene.options);
    if options.disable_fallbacks {
        return &[];
    }
    if let Some(Fallbacks::Names(names)) = &options.fallbacks {
        return names;
    }
    let configured = |lists: &'a [FallbackList]| if lists.is_empty() { None } else { Some(lists) };
    let special = match last_in(scene, group).map(|last| last.error) {
        Some(ErrorKind::ContextLength) => {
            options.context_window_fallbacks.as_deref().or(configured(&router.context_window_fallbacks))
        }
        Some(ErrorKind::ContentFilter) => {
            options.content_policy_fallbacks.as_deref().or(configured(&router.content_policy_fallbacks))
        }
        _ => None,
    };
    if let Some(lists) = special {
        // No prefix is left out and no `*` counts here: a model that is not listed has no such fallback.
        return lists.iter().find(|list| list.group == group).map(targets).unwrap_or_default();
    }
    match &options.fallbacks {
        Some(Fallbacks::Lists(lists)) => usual(lists, &[], group),
        _ => usual(&router.fallbacks, &router.default_fallbacks, group),
    }
}

/// litellm's order of preference: the exact group, the group without its provider prefix, `*`. Of several entries
/// for the latter two the last counts, and `default_fallbacks` is a last `*`.
fn usual<'a>(lists: &'a [FallbackList], default: &'a [String], group: &str) -> &'a [String] {
    let named = |name: &str| lists.iter().rev().find(|list| list.group == name).map(targets);
    let exact = lists.iter().find(|list| list.group == group).map(targets);
    let stripped = || group.split_once('/').and_then(|(_, bare)| named(bare));
    let default = || if default.is_empty() { named("*") } else { Some(default) };
    exact.or_else(stripped).or_else(default).unwrap_or_default()
}

fn targets(list: &FallbackList) -> &[String] {
    &list.targets
}
