//! Mappings in which every key must be known, and words of which one must be chosen.

use crate::config::diagnose::Sink;
use crate::config::node::{Entry, Node};
use crate::config::{read, suggest};

/// Calls `take` for each known key; every other key is an error with its place.
pub(in crate::config) fn strict(
    sink: &mut Sink,
    section: &str,
    node: &Node,
    keys: &[&str],
    mut take: impl FnMut(&mut Sink, &str, &Entry),
) {
    let Some(mapping) = read::mapping(sink, section, node) else { return };
    for entry in &mapping.entries {
        if keys.contains(&entry.key.as_str()) {
            take(sink, &entry.key, entry);
        } else {
            let hint = suggest::did_you_mean(&entry.key, keys.iter().copied())
                .unwrap_or_else(|| format!("its keys are {}", keys.join(", ")));
            sink.error_hint(&entry.key_place, format!("`{section}` has no key `{}`", entry.key), Some(hint));
        }
    }
}

/// One of a few words.
pub(in crate::config) fn choice<T: Copy>(
    sink: &mut Sink,
    name: &str,
    node: &Node,
    words: &[(&str, T)],
) -> Option<T> {
    // YAML 1.1 reads a bare `off` as false; here it is meant as the word.
    let written = match &node.value {
        crate::config::node::Value::Bool(false) => "off".to_owned(),
        _ => read::text(sink, name, node)?,
    };
    let found = words.iter().find(|(word, _)| *word == written).map(|(_, value)| *value);
    if found.is_none() {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = suggest::did_you_mean(&written, all.iter().copied());
        sink.error_hint(&node.place, format!("`{name}` is one of {}", all.join(", ")), hint);
    }
    found
}
