//! Values of a vendor file that may come from the environment: `NAME`, `[NAME, ...]` or `{env: ..., default: ...}`.

use std::collections::BTreeMap;

use tidegate_host::{Param, SecretSpec};

use crate::config::diagnose::Sink;
use crate::config::node::{Node, Value};
use crate::config::read;
use crate::config::tidegate::strict::strict;

/// The word for "there is none", which is not the same as a key that was forgotten.
const NONE: &str = "none";

#[derive(Default)]
struct Written {
    env: Vec<String>,
    default: Option<String>,
    optional: bool,
}

/// `base_url`: an address, or where it is found.
pub(super) fn base(node: &Node, sink: &mut Sink) -> Option<Param> {
    let is_address = |text: &str| text.starts_with("http://") || text.starts_with("https://");
    let written = match &node.value {
        Value::Mapping(_) => mapping(node, "base_url", &["env", "default"], sink),
        _ => {
            let text = read::text(sink, "base_url", node)?;
            Written { default: Some(text).filter(|text| text != NONE), ..Written::default() }
        }
    };
    if written.default.as_ref().is_some_and(|text| !is_address(text)) {
        sink.error(&node.place, "`base_url` is an address that starts with http:// or https://");
        return None;
    }
    Some(Param { env: written.env, default: written.default.map(Into::into) })
}

/// `key`: the variables that may hold it. The key itself does not belong into the file.
pub(super) fn key(node: &Node, sink: &mut Sink) -> Option<SecretSpec> {
    let written = match &node.value {
        Value::Mapping(_) => mapping(node, "key", &["env", "default", "optional"], sink),
        Value::String(word) if word == NONE => Written { optional: true, ..Written::default() },
        _ => Written { env: variables(node, "key", sink), ..Written::default() },
    };
    let required = !written.optional && written.default.is_none();
    Some(SecretSpec { env: written.env, default: written.default, required, or: Vec::new() })
}

/// `headers`: by name, each a text or where it is found.
pub(super) fn headers(node: &Node, sink: &mut Sink) -> BTreeMap<String, Param> {
    let mut headers = BTreeMap::new();
    for entry in read::mapping(sink, "headers", node).map_or(&[][..], |mapping| &mapping.entries) {
        let written = match &entry.node.value {
            Value::Mapping(_) => mapping(&entry.node, &entry.key, &["env", "default"], sink),
            _ => Written { default: read::text(sink, &entry.key, &entry.node), ..Written::default() },
        };
        let name = entry.key.to_ascii_lowercase();
        if http::HeaderName::try_from(&name).is_err() {
            sink.error(&entry.key_place, "this is not a header's name");
        } else if name == "authorization" {
            sink.error(&entry.key_place, "the key is sent in this header; `key` says where it is found");
        } else if written.default.as_ref().is_some_and(|text| http::HeaderValue::try_from(text).is_err()) {
            sink.error(&entry.node.place, "a header's value cannot hold these characters");
        } else {
            headers.insert(name, Param { env: written.env, default: written.default.map(Into::into) });
        }
    }
    headers
}

fn mapping(node: &Node, section: &str, keys: &[&str], sink: &mut Sink) -> Written {
    let mut written = Written::default();
    strict(sink, section, node, keys, |sink, key, entry| match key {
        "env" => written.env = variables(&entry.node, "env", sink),
        "default" => written.default = read::text(sink, "default", &entry.node),
        _ => written.optional = read::flag(sink, key, &entry.node).unwrap_or_default(),
    });
    if written.env.is_empty() && written.default.is_none() && !written.optional {
        sink.error(&node.place, format!("`{section}` says neither `env` nor `default`"));
    }
    written
}

/// One name of a variable, or a list of them: the first that is set counts.
fn variables(node: &Node, section: &str, sink: &mut Sink) -> Vec<String> {
    let items = match &node.value {
        Value::Sequence(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut names = Vec::new();
    for item in items {
        let Some(name) = read::text(sink, section, item) else { continue };
        let legal = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if !name.is_empty() && name.bytes().all(legal) && !name.as_bytes()[0].is_ascii_digit() {
            names.push(name);
        } else {
            // What stands here may be a key, so it is not repeated.
            let hint =
                "a variable's name is made of capitals, digits and `_`; a key itself stays out of the file";
            let message = format!("`{section}` names a variable of the environment");
            sink.error_hint(&item.place, message, Some(hint.to_owned()));
        }
    }
    names
}
