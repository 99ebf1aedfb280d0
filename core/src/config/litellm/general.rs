//! `general_settings`.

use super::unsupported;
use crate::config::diagnose::Sink;
use crate::config::env::{self, Env};
use crate::config::model::General;
use crate::config::node::{Entry, Node};
use crate::config::read;
use crate::secret::Secret;

const KEYS: &[&str] = &[
    "master_key",
    "completion_model",
    "litellm_key_header_name",
    "max_request_size_mb",
    "max_parallel_requests",
    "global_max_parallel_requests",
];

/// Reads the section, and `LITELLM_MASTER_KEY` where it names no key.
pub(super) fn read(node: Option<&Node>, env: &dyn Env, sink: &mut Sink) -> General {
    let mut general = General::default();
    if let Some(mapping) = node.and_then(|node| read::mapping(sink, "general_settings", node)) {
        for entry in &mapping.entries {
            match entry.key.as_str() {
                "master_key" => general.master_key = master_key(entry, env, sink),
                key if KEYS.contains(&key) => {
                    let entry = Entry { node: env::resolve(&entry.node, env, sink), ..entry.clone() };
                    take(&mut general, &entry, sink);
                }
                _ => unsupported::general(entry, KEYS, sink),
            }
        }
    }
    if general.master_key.is_none() {
        general.master_key = env.var("LITELLM_MASTER_KEY").filter(|key| !key.is_empty()).map(Secret::new);
    }
    general
}

fn take(general: &mut General, entry: &Entry, sink: &mut Sink) {
    let (key, node) = (entry.key.as_str(), &entry.node);
    match key {
        "completion_model" => general.completion_model = read::text(sink, key, node),
        "litellm_key_header_name" => {
            general.key_header_name = read::text(sink, key, node).map(|name| name.to_ascii_lowercase());
            if general.key_header_name.as_ref().is_some_and(|name| http::HeaderName::try_from(name).is_err())
            {
                sink.error(&node.place, "this is not a header's name");
            }
        }
        "max_request_size_mb" => {
            let bytes = read::number(sink, key, node).map(|megabytes| megabytes * f64::from(1 << 20));
            if bytes.is_some_and(|bytes| !(1.0..=1e12).contains(&bytes)) {
                sink.error(&node.place, "`max_request_size_mb` must be more than 0, and less than a million");
            }
            general.max_request_size = bytes.map(|bytes| bytes as u64);
        }
        _ => {
            let count = read::count(sink, key, node);
            let slot = match key {
                "max_parallel_requests" => &mut general.max_parallel_requests,
                _ => &mut general.global_max_parallel_requests,
            };
            *slot = count;
        }
    }
}

/// A key that is asked for but missing would leave the proxy open, so that is an error and no notice.
fn master_key(entry: &Entry, env: &dyn Env, sink: &mut Sink) -> Option<Secret> {
    read::gate(
        sink,
        "master_key",
        &entry.node,
        env,
        "the proxy would be open to everyone",
        "leave the proxy open on purpose",
    )
}
