//! The id of a deployment that has none of its own, as litellm makes it.

use sha2::{Digest, Sha256};

use crate::config::node::{Mapping, Node, Value};

/// SHA-256, in hex, of the group and every parameter's name and value in the order of the file
/// (`Router._generate_model_id` of litellm 1.83.9). Dashboards and callers that pin a deployment rely on it.
pub(super) fn model_id(group: &str, params: &Mapping) -> String {
    let mut hash = Sha256::new();
    hash.update(group);
    for entry in &params.entries {
        hash.update(&entry.key);
        let text = match &entry.node.value {
            Value::String(text) => text.clone(),
            Value::Mapping(_) => json(&entry.node),
            _ => repr(&entry.node),
        };
        hash.update(text);
    }
    tidegate_host::hex(hash.finalize())
}

/// `str(value)` of Python.
fn repr(node: &Node) -> String {
    match &node.value {
        Value::Null => "None".to_owned(),
        Value::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
        Value::Int(value, _) => value.to_string(),
        Value::Float(value, _) => float(*value),
        Value::String(text) => quoted(text),
        Value::Sequence(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Mapping(mapping) => {
            let pairs = mapping.entries.iter().map(|e| format!("{}: {}", quoted(&e.key), repr(&e.node)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Python's choice of quotes.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    if text.contains('\'') && !text.contains('"') {
        format!("\"{escaped}\"")
    } else {
        format!("'{}'", escaped.replace('\'', "\\'"))
    }
}

/// `repr(float)`: a sign and two digits in the exponent.
fn float(value: f64) -> String {
    if value.is_nan() || value.is_infinite() {
        return format!("{value}").to_lowercase();
    }
    let text = format!("{value:?}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{}e{sign}{digits:0>2}", mantissa.strip_suffix(".0").unwrap_or(mantissa))
}

/// `json.dumps(value)`: spaces after `,` and `:`, and nothing outside ASCII.
fn json(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value, _) => value.to_string(),
        Value::Float(value, _) => float(*value),
        Value::String(text) => json_text(text),
        Value::Sequence(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Value::Mapping(mapping) => {
            let pairs = mapping.entries.iter().map(|e| format!("{}: {}", json_text(&e.key), json(&e.node)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

fn json_text(text: &str) -> String {
    let mut out = String::from("\"");
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'"') => out.push_str("\\\""),
            Ok(b'\\') => out.push_str("\\\\"),
            Ok(b'\n') => out.push_str("\\n"),
            Ok(b'\r') => out.push_str("\\r"),
            Ok(b'\t') => out.push_str("\\t"),
            Ok(8) => out.push_str("\\b"),
            Ok(12) => out.push_str("\\f"),
            Ok(byte @ 0x20..0x7f) => out.push(char::from(byte)),
            Ok(0x7f) => out.push('\x7f'),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out.push('"');
    out
}
