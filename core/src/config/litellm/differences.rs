//! What this very configuration would do in litellm and does otherwise here: a note at its line. The general list is in
//! `docs/litellm-compat.md`.

use std::collections::BTreeSet;

use tidegate_engine::MAX_ATTEMPTS;

use super::router::Routing;
use crate::config::diagnose::Sink;
use crate::config::model::{Config, Group};

/// Says what is worth a word of a configuration that was read.
pub(super) fn say(config: &Config, routing: &Routing, sink: &mut Sink) {
    cycles(config, routing, sink);
    stars(config, routing, sink);
    bounds(config, sink);
}

/// Fallbacks that lead back to where they came from.
fn cycles(config: &Config, routing: &Routing, sink: &mut Sink) {
    let mut said = BTreeSet::new();
    for (group, _) in &config.router.fallbacks {
        let name = config.resolved(group);
        if said.contains(name) {
            continue;
        }
        let Some(reached) = returns(config, name) else { continue };
        // The others of one cycle are not worth a word each.
        said.extend(reached);
        if let Some(place) = routing.place_of_list(group) {
            let message = format!(
                "the fallbacks of `{group}` lead back to it: here a request visits each model once; litellm goes round until \
                 `max_fallbacks`"
            );
            sink.info(place, message);
        }
    }
}

/// The groups that fallbacks of a group come to before they come to that group again, if they do.
fn returns<'a>(config: &'a Config, group: &'a str) -> Option<BTreeSet<&'a str>> {
    let (mut seen, mut to_visit) = (BTreeSet::new(), vec![group]);
    // Ends: each name is followed once.
    while let Some(name) = to_visit.pop() {
        for target in config.fallbacks_of(name) {
            let target = config.resolved(target);
            if target == group && name != group {
                return Some(seen);
            }
            if seen.insert(target) {
                to_visit.push(target);
            }
        }
    }
    None
}

/// A `*` where only exact names count.
fn stars(config: &Config, routing: &Routing, sink: &mut Sink) {
    for (key, lists) in [
        ("context_window_fallbacks", &config.router.context_window_fallbacks),
        ("content_policy_fallbacks", &config.router.content_policy_fallbacks),
    ] {
        let place = routing.places.get(key);
        if let Some(place) = place.filter(|_| lists.iter().any(|(group, _)| group == "*")) {
            sink.warn(
                place,
                format!("`*` is no model in `{key}`, in litellm neither; the entry is never used"),
            );
        }
    }
}

/// Groups whose rules allow more calls than a request can have.
fn bounds(config: &Config, sink: &mut Sink) {
    let calls = |group: &Group| config.worst_case(group).silent_stream.attempts();
    let mut over = config.groups.iter().filter(|group| calls(group) > MAX_ATTEMPTS);
    let Some(group) = over.next() else { return };
    let Some(first) = config.deployments_of(group).next() else { return };
    let others = match over.count() {
        0 => String::new(),
        1 => ", as another model does".to_owned(),
        count => format!(", as {count} other models do"),
    };
    let message = format!(
        "the retries and fallbacks of `{}` come to {} calls for one request{others}; here it never has more than {MAX_ATTEMPTS}",
        group.name,
        calls(group)
    );
    sink.info(&first.place, message);
}
