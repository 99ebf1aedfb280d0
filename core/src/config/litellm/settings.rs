//! `litellm_settings`: the router's settings that may stand here too, and callbacks.

use super::deployment::timeout;
use super::router::{self, Routing};
use super::unsupported;
use crate::config::diagnose::Sink;
use crate::config::env::{self, Env};
use crate::config::node::{Entry, Node, Value};
use crate::config::read;

/// Reads the section; `router_settings` is read after it and goes first.
pub(super) fn read(node: &Node, env: &dyn Env, routing: &mut Routing, sink: &mut Sink) {
    let Some(mapping) = read::mapping(sink, "litellm_settings", node) else { return };
    for entry in &mapping.entries {
        match entry.key.as_str() {
            key @ ("callbacks" | "success_callback" | "failure_callback") => callbacks(key, entry, sink),
            "request_timeout" => {
                let node = env::resolve(&entry.node, env, sink);
                routing.router.timeout = timeout(sink, "request_timeout", &node);
            }
            key @ "drop_params" => {
                let node = env::resolve(&entry.node, env, sink);
                routing.router.drop_params = read::flag(sink, key, &node).unwrap_or(false);
            }
            key if SHARED.contains(&key) => {
                let entry = Entry { node: env::resolve(&entry.node, env, sink), ..entry.clone() };
                if !entry.node.is_null() {
                    router::shared(&entry, routing, sink);
                }
            }
            _ => unsupported::settings(entry, SHARED, sink),
        }
    }
}

const SHARED: &[&str] = &[
    "num_retries",
    "allowed_fails",
    "max_fallbacks",
    "enable_mid_stream_fallback_continuation",
    "fallbacks",
    "default_fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "retry_policy",
    "model_group_retry_policy",
    "allowed_fails_policy",
];

/// Prometheus is always on here; every other callback is Python or a service that is not called.
fn callbacks(key: &str, entry: &Entry, sink: &mut Sink) {
    let one = [entry.node.clone()];
    let items: &[Node] = match &entry.node.value {
        Value::Null => return,
        Value::Sequence(items) => items,
        _ => &one,
    };
    for item in items {
        let Some(name) = read::text(sink, key, item) else { continue };
        if name == "prometheus" {
            sink.info(&item.place, "metrics are always on, under Tidegate's own names, at the admin address");
        } else {
            sink.warn(&item.place, format!("the callback `{name}` is not supported; it is not called"));
        }
    }
}
