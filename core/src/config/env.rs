//! Environment variables: where they come from, and `os.environ/NAME` in a config.

use std::collections::BTreeMap;

use super::diagnose::Sink;
use super::node::{Entry, Mapping, Node, Value};
use crate::secret::Secret;

/// What starts a value that is to be read from the environment. litellm knows no interpolation inside a text.
pub(crate) const PREFIX: &str = "os.environ/";

/// Where variables are read from.
pub trait Env {
    /// The variable's value; `None` when it is unset or is not UTF-8.
    fn var(&self, name: &str) -> Option<String>;
}

/// The process's own environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

impl Env for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// `environment_variables:` of the file in front of the process's own, as litellm has it.
pub(crate) struct Layered<'a> {
    pub(crate) file: &'a BTreeMap<String, Secret>,
    pub(crate) process: &'a dyn Env,
}

impl Env for Layered<'_> {
    fn var(&self, name: &str) -> Option<String> {
        self.file.get(name).map(|value| value.expose().to_owned()).or_else(|| self.process.var(name))
    }
}

/// The variable that a value names, if it names one.
pub(crate) fn named(node: &Node) -> Option<&str> {
    match &node.value {
        Value::String(text) => text.strip_prefix(PREFIX),
        _ => None,
    }
}

/// The node with every `os.environ/NAME` in it replaced. An unset variable counts as not written, as in litellm, but not
/// silently.
pub(crate) fn resolve(node: &Node, env: &dyn Env, sink: &mut Sink) -> Node {
    let value = match &node.value {
        Value::String(text) => match text.strip_prefix(PREFIX) {
            None => return node.clone(),
            Some(name) => match env.var(name.trim()) {
                Some(value) if !value.is_empty() => Value::String(value),
                _ => {
                    sink.warn_hint(
                        &node.place,
                        format!("the environment variable {name} is not set; this value is missing"),
                        Some("the key is treated as if it were not written, as litellm does".to_owned()),
                    );
                    Value::Null
                }
            },
        },
        Value::Sequence(items) => {
            Value::Sequence(items.iter().map(|item| resolve(item, env, sink)).collect())
        }
        Value::Mapping(mapping) => Value::Mapping(Mapping {
            entries: mapping
                .entries
                .iter()
                .map(|entry| Entry {
                    key: entry.key.clone(),
                    key_place: entry.key_place.clone(),
                    node: resolve(&entry.node, env, sink),
                })
                .collect(),
        }),
        _ => return node.clone(),
    };
    Node { place: node.place.clone(), value }
}
