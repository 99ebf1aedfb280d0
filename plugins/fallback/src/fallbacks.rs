//! Which group comes next.

use tidegate_plugin_sdk::Action;

use crate::choose;
use crate::config::{Config, FallbackList};
use crate::decide::Scene;

/// The first attempt in the next group that has a free deployment.
pub(crate) fn next(scene: &Scene<'_>) -> Option<Action> {
    let history = scene.history;
    // A context-window or content-policy list, where one is configured, takes this list's place here.
    let order = order(scene.config, history.group);
    let visited = |group: &str| {
        history.attempts.iter().any(|a| history.target_of(a).is_some_and(|target| target.group == group))
    };
    let here = order.iter().rposition(|group| visited(group)).unwrap_or(0);
    order[here + 1..].iter().find_map(|group| {
        let free = scene.free(group).map(|(index, target)| (index, target, 0));
        let (target, delay_ms) = choose::soonest(history, free)?;
        Some(Action::fallback(target, delay_ms))
    })
}

/// The groups that a request for `group` visits, itself first. Each group's own fallbacks come before its siblings,
/// as in litellm, and no group comes twice.
fn order<'a>(config: &'a Config, group: &'a str) -> Vec<&'a str> {
    let mut order = Vec::new();
    let mut to_visit = vec![(group, 0)];
    // Ends: a group adds to the list only when it is seen for the first time.
    while let Some((group, depth)) = to_visit.pop() {
        if order.contains(&group) {
            continue;
        }
        order.push(group);
        if depth < config.router.max_fallbacks {
            let targets = of_group(config, group);
            to_visit.extend(targets.iter().rev().map(|target| (target.as_str(), depth + 1)));
        }
    }
    order
}

/// litellm's order of preference: the exact group, the group without its provider prefix, `*`. Of several entries
/// for the latter two the last counts, and `default_fallbacks` is a last `*`.
fn of_group<'a>(config: &'a Config, group: &str) -> &'a [String] {
    let lists = &config.router.fallbacks;
    let named = |name: &str| lists.iter().rev().find(|list| list.group == name).map(targets);
    let exact = lists.iter().find(|list| list.group == group).map(targets);
    let stripped = || group.split_once('/').and_then(|(_, bare)| named(bare));
    let default = || {
        let default = &config.router.default_fallbacks;
        if default.is_empty() { named("*") } else { Some(default.as_slice()) }
    };
    exact.or_else(stripped).or_else(default).unwrap_or_default()
}

fn targets(list: &FallbackList) -> &[String] {
    &list.targets
}
