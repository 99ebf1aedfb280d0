//! The quirks of a vendor file, held against what the serving plugin says that it knows.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use tidegate_host::QuirkKind;

use crate::config::diagnose::Sink;
use crate::config::node::{Node, Value};
use crate::config::{read, suggest};

/// Each quirk as JSON, for the plugin.
pub(super) fn read(
    node: &Node,
    speaks: &str,
    known: &BTreeMap<String, QuirkKind>,
    sink: &mut Sink,
) -> Map<String, Json> {
    let mut quirks = Map::new();
    for entry in read::mapping(sink, "quirks", node).map_or(&[][..], |mapping| &mapping.entries) {
        let Some(kind) = known.get(&entry.key) else {
            let names = || known.keys().map(String::as_str);
            let hint = suggest::did_you_mean(&entry.key, names())
                .unwrap_or_else(|| format!("it knows {}", names().collect::<Vec<_>>().join(", ")));
            let message = format!("the plugin `{speaks}` knows no quirk `{}`", entry.key);
            sink.error_hint(&entry.key_place, message, Some(hint));
            continue;
        };
        quirks.extend(value(*kind, &entry.key, &entry.node, sink).map(|value| (entry.key.clone(), value)));
    }
    quirks
}

fn value(kind: QuirkKind, name: &str, node: &Node, sink: &mut Sink) -> Option<Json> {
    match kind {
        QuirkKind::Flag => read::flag(sink, name, node).map(Json::Bool),
        QuirkKind::Text => read::text(sink, name, node).map(Json::String),
        QuirkKind::Texts => Some(read::texts(sink, name, node).into()),
        QuirkKind::Map => map(name, node, sink),
        QuirkKind::Any => Some(node.to_json()),
    }
}

fn map(name: &str, node: &Node, sink: &mut Sink) -> Option<Json> {
    if let Value::Null = node.value {
        return None;
    }
    let mapping = read::mapping(sink, name, node)?;
    let pairs = mapping.entries.iter().filter_map(|entry| {
        let text = read::text(sink, &entry.key, &entry.node)?;
        Some((entry.key.clone(), Json::String(text)))
    });
    Some(Json::Object(pairs.collect()))
}
