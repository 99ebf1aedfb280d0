//! Says of each key that litellm knows and Tidegate does not what happens instead. Nothing is dropped silently.

use super::tables::{GENERAL, MET, METADATA, MODEL_INFO, ROUTER, SECTIONS, SETTINGS, TOP_LEVEL, Table};
use crate::config::diagnose::{Severity, Sink};
use crate::config::node::{Entry, Mapping};
use crate::config::suggest;

/// Top-level keys that no part reads.
pub(super) fn top_level(root: &Mapping, sink: &mut Sink) {
    for entry in root.entries.iter().filter(|entry| !SECTIONS.contains(&entry.key.as_str())) {
        say("a config", TOP_LEVEL, SECTIONS, entry, sink);
    }
}

pub(super) fn router(entry: &Entry, known: &[&str], sink: &mut Sink) {
    say("`router_settings`", ROUTER, known, entry, sink);
}

pub(super) fn settings(entry: &Entry, known: &[&str], sink: &mut Sink) {
    say("`litellm_settings`", SETTINGS, known, entry, sink);
}

pub(super) fn general(entry: &Entry, known: &[&str], sink: &mut Sink) {
    say("`general_settings`", GENERAL, known, entry, sink);
}

pub(super) fn model_info(entry: &Entry, sink: &mut Sink) {
    let key = entry.key.as_str();
    if lookup(MODEL_INFO, key).is_some() {
        say("`model_info`", MODEL_INFO, &[], entry, sink);
    } else if key == "mode" {
        mode(entry, sink);
    } else if key.contains("cost") {
        sink.info(&entry.key_place, format!("`{key}`: costs are not tracked yet; the price is ignored"));
    } else if !METADATA.contains(&key) {
        sink.info(&entry.key_place, format!("`{key}` describes the model; it changes nothing here"));
    }
}

/// The modes that there are routes for.
const SERVED: [&str; 4] = ["chat", "completion", "embedding", "responses"];

fn mode(entry: &Entry, sink: &mut Sink) {
    use crate::config::node::Value;
    if let Value::String(mode) = &entry.node.value
        && !SERVED.contains(&mode.as_str())
    {
        sink.warn(
            &entry.node.place,
            format!("models of the mode `{mode}` are not supported yet; there is no route for them"),
        );
    }
}

/// Keys beside `model_name`, `litellm_params` and `model_info`.
pub(super) fn entry_keys(entry: &Mapping, sink: &mut Sink) {
    const KNOWN: &[&str] = &["model_name", "litellm_params", "model_info"];
    for entry in entry.entries.iter().filter(|entry| !KNOWN.contains(&entry.key.as_str())) {
        let key = &entry.key;
        let place = &entry.key_place;
        if super::params::role(key) == super::params::Role::Unknown {
            let hint = suggest::did_you_mean(key, KNOWN.iter().copied());
            sink.warn_hint(
                place,
                format!("an entry of `model_list` has no key `{key}`; it is ignored"),
                hint,
            );
        } else {
            let hint = Some("move it into `litellm_params`".to_owned());
            sink.warn_hint(
                place,
                format!("`{key}` counts only inside `litellm_params`, in litellm too; it is ignored"),
                hint,
            );
        }
    }
}

fn lookup(table: Table, key: &str) -> Option<&'static str> {
    let hit = |(name, _): &&(&str, &str)| match name.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => *name == key,
    };
    let exact = table.iter().find(|(name, _)| *name == key);
    exact.or_else(|| table.iter().find(hit)).map(|(_, instead)| *instead)
}

fn say(section: &str, table: Table, known: &[&str], entry: &Entry, sink: &mut Sink) {
    let key = &entry.key;
    if let Some(instead) = lookup(table, key) {
        if !entry.node.is_null() {
            let severity = if MET.contains(&key.as_str()) { Severity::Info } else { Severity::Warning };
            sink.push(severity, &entry.key_place, format!("`{key}`: {instead}"), None);
        }
        return;
    }
    let names = table.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('*'));
    let hint = suggest::did_you_mean(key, known.iter().copied().chain(names));
    sink.warn_hint(
        &entry.key_place,
        format!("{section} has no key `{key}` that is known here; it is ignored"),
        hint,
    );
}
