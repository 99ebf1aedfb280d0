//! Fallback lists: `[{group: [group, ...]}, ...]`, and whether the groups they name exist.

use super::router::Routing;
use crate::config::diagnose::Sink;
use crate::config::node::{Node, Value};
use crate::config::source::Place;
use crate::config::wildcard::captures;
use crate::config::{read, suggest};

/// A model name that a setting refers to.
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) place: Place,
    /// What happens when there is no such model.
    pub(super) instead: &'static str,
}

pub(super) const NO_SOURCE: &str = "so this list is never used";
const NO_TARGET: &str = "so it is passed over";

/// Reads such a list and notes the names in it.
pub(super) fn read(
    sink: &mut Sink,
    name: &str,
    node: &Node,
    named: &mut Vec<Reference>,
) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for item in read::list(sink, name, node) {
        let Value::Mapping(mapping) = &item.value else {
            let message = format!(
                "an entry of `{name}` is a mapping from a model to its fallbacks, not {}",
                item.value.kind()
            );
            sink.error_hint(&item.place, message, Some("such as {model-a: [model-b, model-c]}".to_owned()));
            continue;
        };
        let [entry] = mapping.entries.as_slice() else {
            let message = format!(
                "each entry of `{name}` has exactly one model; this one has {}",
                mapping.entries.len()
            );
            sink.error_hint(
                &item.place,
                message,
                Some("start a new entry with `-` for each model".to_owned()),
            );
            continue;
        };
        named.push(Reference { name: entry.key.clone(), place: entry.key_place.clone(), instead: NO_SOURCE });
        all.push((entry.key.clone(), targets(sink, &entry.key, &entry.node, named)));
    }
    all
}

/// Reads the models of one list.
pub(super) fn targets(sink: &mut Sink, name: &str, node: &Node, named: &mut Vec<Reference>) -> Vec<String> {
    let mut targets = Vec::new();
    for item in read::list(sink, name, node) {
        if let Some(target) = read::text(sink, name, item) {
            named.push(Reference { name: target.clone(), place: item.place.clone(), instead: NO_TARGET });
            targets.push(target);
        }
    }
    targets
}

/// Says which of the names that settings refer to no model has.
pub(super) fn check_names(names: &[String], routing: &Routing, sink: &mut Sink) {
    let aliases = routing.aliases();
    for reference in &routing.named {
        let name = reference.name.as_str();
        let known = name == "*"
            || aliases.contains_key(name)
            || names.iter().any(|there| there == name || captures(there, name).is_some());
        if !known {
            let candidates = names.iter().chain(aliases.keys()).map(String::as_str);
            let hint = suggest::did_you_mean(name, candidates);
            let message = format!("`model_list` has no model named `{name}`, {}", reference.instead);
            sink.warn_hint(&reference.place, message, hint);
        }
    }
}
