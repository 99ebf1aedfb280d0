//! The parts of the `tidegate:` section, each read on its own.

use std::net::SocketAddr;
use std::time::Duration;

use super::strict::{choice, strict};
use super::{Limits, MidStream};
use crate::config::clocks::WrittenClocks;
use crate::config::diagnose::Sink;
use crate::config::env::Env;
use crate::config::node::{Node, Value};
use crate::config::retry_budget::WrittenRetryBudget;
use crate::config::{read, units};
use crate::metrics::Compat;
use crate::secret::Secret;

pub(super) fn address(sink: &mut Sink, name: &str, node: &Node, slot: &mut SocketAddr) {
    let Some(text) = read::text(sink, name, node) else { return };
    match text.parse() {
        Ok(address) => *slot = address,
        Err(_) => sink.error_hint(
            &node.place,
            format!("`{name}` takes an IP address and a port"),
            Some("such as 127.0.0.1:4000, 0.0.0.0:4000 or [::1]:4000".to_owned()),
        ),
    }
}

pub(super) fn clocks(sink: &mut Sink, node: &Node) -> WrittenClocks {
    let mut clocks = WrittenClocks::default();
    strict(sink, "clocks", node, WrittenClocks::KEYS, |sink, key, entry| {
        let value = duration(sink, key, &entry.node);
        // Draining may be skipped; a limit of nothing would end every request.
        if value == Some(Duration::ZERO) && !matches!(key, "drain" | "queue") {
            sink.error(&entry.node.place, format!("`{key}` must be longer than 0s"));
        } else if let Some(slot) = clocks.slot(key) {
            *slot = value;
        }
    });
    clocks
}

pub(super) fn mid_stream(sink: &mut Sink, node: &Node) -> Option<MidStream> {
    let words = [("fail", MidStream::Fail), ("continue", MidStream::Continue)];
    choice(sink, "mid_stream", node, &words)
}

/// `node` as it is written, before variables.
pub(super) fn admin_key(sink: &mut Sink, node: &Node, env: &dyn Env) -> Option<Secret> {
    let else_would =
        "the admin port would open to whoever has the master key, or to everyone on this machine";
    read::gate(sink, "admin_key", node, env, else_would, "let the master key open the admin port")
}

/// One word, or several.
pub(super) fn compat_metrics(sink: &mut Sink, node: &Node) -> Vec<Compat> {
    let words = [("litellm", Compat::Litellm), ("gen_ai", Compat::GenAi)];
    let written = match &node.value {
        Value::Sequence(items) => items,
        Value::Null => return Vec::new(),
        _ => std::slice::from_ref(node),
    };
    written.iter().filter_map(|node| choice(sink, "compat_metrics", node, &words)).collect()
}

/// 0 switches it off.
pub(super) fn keep_alive(sink: &mut Sink, node: &Node) -> Option<Duration> {
    const LEAST: Duration = Duration::from_millis(100);
    let value = duration(sink, "keep_alive", node)?;
    if !value.is_zero() && value < LEAST {
        sink.error(&node.place, "`keep_alive` must be 0s, which is off, or at least 100ms");
    }
    Some(value)
}

pub(super) fn retry_budget(sink: &mut Sink, node: &Node) -> WrittenRetryBudget {
    const WINDOW: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
    let mut budget = WrittenRetryBudget::default();
    strict(
        sink,
        "retry_budget",
        node,
        &["ratio", "min_per_second", "window"],
        |sink, key, entry| match key {
            "ratio" => budget.ratio = read::number(sink, key, &entry.node),
            "min_per_second" => budget.min_per_second = read::number(sink, key, &entry.node),
            _ => {
                budget.window = duration(sink, key, &entry.node);
                if budget.window.is_some_and(|window| !WINDOW.contains(&window)) {
                    sink.error(&entry.node.place, "`window` must be between 1s and 10m");
                }
            }
        },
    );
    budget
}

pub(super) fn limits(sink: &mut Sink, node: &Node, limits: &mut Limits) {
    strict(sink, "limits", node, &["connections", "header", "body", "event"], |sink, key, entry| {
        if key == "connections" {
            if let Some(count) = read::count(sink, key, &entry.node) {
                limits.connections = count;
            }
            if limits.connections == 0 {
                sink.error(&entry.node.place, "`connections` must be at least 1");
            }
            return;
        }
        let Some(bytes) = size(sink, key, &entry.node) else { return };
        match key {
            "header" => limits.header = bytes,
            "body" => limits.body = bytes,
            _ => limits.event = bytes,
        }
    });
}

pub(super) fn duration(sink: &mut Sink, name: &str, node: &Node) -> Option<Duration> {
    let text = read::text(sink, name, node)?;
    units::duration(&text).map_err(|message| sink.error(&node.place, format!("`{name}`: {message}"))).ok()
}

pub(super) fn size(sink: &mut Sink, name: &str, node: &Node) -> Option<u64> {
    let text = read::text(sink, name, node)?;
    let bytes =
        units::size(&text).map_err(|message| sink.error(&node.place, format!("`{name}`: {message}"))).ok()?;
    if bytes == 0 {
        sink.error(&node.place, format!("`{name}` must be more than 0"));
        return None;
    }
    Some(bytes)
}
