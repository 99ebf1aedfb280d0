//! Typed reading of nodes: a value of the wrong kind becomes an error at its place, a missing one is `None`.

use super::diagnose::Sink;
use super::env::{self, Env};
use super::node::{Mapping, Node, Value};
use crate::secret::Secret;

fn wrong(sink: &mut Sink, name: &str, expected: &str, node: &Node) {
    sink.error(&node.place, format!("`{name}` takes {expected}, not {}", node.value.kind()));
}

/// A text. Numbers and words that were not quoted count as they are written.
pub(crate) fn text(sink: &mut Sink, name: &str, node: &Node) -> Option<String> {
    match &node.value {
        Value::Null => None,
        Value::String(text) | Value::Int(_, text) | Value::Float(_, text) => Some(text.clone()),
        _ => {
            wrong(sink, name, "a text", node);
            None
        }
    }
}

/// A key that opens a port. One that is named but missing would leave that port to others, so that it is an error and no notice:
/// `else_would` says what would come of it, and `to` what it is removed for.
pub(crate) fn gate(
    sink: &mut Sink,
    name: &str,
    node: &Node,
    env: &dyn Env,
    else_would: &str,
    to: &str,
) -> Option<Secret> {
    if let Some(variable) = env::named(node) {
        let key = env.var(variable.trim()).map(|key| key.trim_end_matches(['\n', '\r']).to_owned());
        let key = key.filter(|key| !key.is_empty());
        if key.is_none() {
            sink.error_hint(
                &node.place,
                format!("the environment variable {variable} is not set, so {else_would}"),
                Some(format!("set it, or remove `{name}` to {to}")),
            );
        }
        return key.map(Secret::new);
    }
    let key = text(sink, name, node)?;
    if key.is_empty() {
        sink.error(&node.place, format!("`{name}` is empty"));
        return None;
    }
    Some(Secret::new(key))
}

/// A number of at least 0. A text that holds one counts, since that is what a variable gives.
pub(crate) fn number(sink: &mut Sink, name: &str, node: &Node) -> Option<f64> {
    let value = match &node.value {
        Value::Null => return None,
        Value::Int(value, _) => Some(*value as f64),
        Value::Float(value, _) => Some(*value),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match value {
        Some(value) if value.is_finite() && value >= 0.0 => Some(value),
        Some(_) => {
            sink.error(&node.place, format!("`{name}` must be a number from 0 up"));
            None
        }
        None => {
            wrong(sink, name, "a number", node);
            None
        }
    }
}

/// A whole number; `1.0` and `"1"` count.
pub(crate) fn integer(sink: &mut Sink, name: &str, node: &Node) -> Option<i64> {
    let value = match &node.value {
        Value::Null => return None,
        Value::Int(value, _) => Some(*value),
        Value::Float(value, _) if value.fract() == 0.0 && value.abs() < 1e15 => Some(*value as i64),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    if value.is_none() {
        wrong(sink, name, "a whole number", node);
    }
    value
}

/// A whole number of at least 0 that fits `T`.
pub(crate) fn count<T: TryFrom<i64>>(sink: &mut Sink, name: &str, node: &Node) -> Option<T> {
    let value = integer(sink, name, node)?;
    let fits = if value < 0 { None } else { T::try_from(value).ok() };
    if fits.is_none() {
        let reason = if value < 0 { "must be 0 or more" } else { "is too large" };
        sink.error(&node.place, format!("`{name}` {reason}"));
    }
    fits
}

/// True or false. The quoted words count too: litellm takes a quoted "false" for true in places, which nobody means.
pub(crate) fn flag(sink: &mut Sink, name: &str, node: &Node) -> Option<bool> {
    match &node.value {
        Value::Null => None,
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => {
            wrong(sink, name, "true or false", node);
            None
        }
    }
}

/// A mapping. Nothing written counts as an empty one.
pub(crate) fn mapping<'a>(sink: &mut Sink, name: &str, node: &'a Node) -> Option<&'a Mapping> {
    match &node.value {
        Value::Null => None,
        Value::Mapping(mapping) => Some(mapping),
        _ => {
            wrong(sink, name, "a mapping", node);
            None
        }
    }
}

/// A list. Nothing written counts as an empty one.
pub(crate) fn list<'a>(sink: &mut Sink, name: &str, node: &'a Node) -> &'a [Node] {
    match &node.value {
        Value::Null => &[],
        Value::Sequence(items) => items,
        _ => {
            wrong(sink, name, "a list", node);
            &[]
        }
    }
}

/// A list of texts.
pub(crate) fn texts(sink: &mut Sink, name: &str, node: &Node) -> Vec<String> {
    list(sink, name, node).iter().filter_map(|item| text(sink, name, item)).collect()
}
