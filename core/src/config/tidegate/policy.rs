//! `policy`: which plugin decides what follows a failure, and what it is told.

use serde_json::{Map, Value};

use super::strict::strict;
use crate::config::diagnose::{Notice, Severity, Sink};
use crate::config::node::{self, Node};
use crate::config::read;
use crate::config::source::Place;

/// The policy of a group for which none is written.
pub const USUAL_POLICY: &str = "fallback";

/// A policy as it is written: a plugin's name, or `{name: NAME, params: {...}}`.
#[derive(Clone, Debug)]
pub struct PolicyChoice {
    /// The plugin.
    pub name: String,
    /// What the plugin is given as they stand.
    pub params: Map<String, Value>,
    /// Where it is written.
    pub place: Place,
}

impl PolicyChoice {
    /// An error about it, drawn with its place: which plugins there are is known only when they are loaded.
    pub fn error(&self, message: String, hint: Option<String>) -> String {
        self.notice(message, hint).to_string()
    }

    /// The same, to be drawn with others.
    pub fn notice(&self, message: String, hint: Option<String>) -> Notice {
        Notice { severity: Severity::Error, place: self.place.clone(), message, hint }
    }

    /// Whether one instance can serve both.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.params == other.params
    }
}

pub(super) fn policy(sink: &mut Sink, node: &Node) -> Option<PolicyChoice> {
    if !matches!(node.value, node::Value::Mapping(_)) {
        let name = read::text(sink, "policy", node)?;
        return Some(PolicyChoice { name, params: Map::new(), place: node.place.clone() });
    }
    let (mut name, mut params, mut place) = (None, Map::new(), node.place.clone());
    strict(sink, "policy", node, &["name", "params"], |sink, key, entry| match key {
        "name" => {
            name = read::text(sink, key, &entry.node);
            place = entry.node.place.clone();
        }
        _ if read::mapping(sink, key, &entry.node).is_some() => {
            if let Value::Object(written) = entry.node.to_json() {
                params = written;
            }
        }
        _ => {}
    });
    if name.is_none() && sink.errors.is_empty() {
        sink.error(&node.place, "`policy` needs a `name`: the plugin that is to decide");
    }
    Some(PolicyChoice { name: name?, params, place })
}
