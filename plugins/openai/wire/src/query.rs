//! The query of an address.

use serde_json::Value;
use tidegate_plugin_sdk::Config;
use tidegate_plugin_sdk::url::escape;

/// Parts of a query, `name=value`, as the end of a URL: with its `?`, or nothing where there are none.
pub fn query(parts: impl Iterator<Item = String>) -> String {
    let joined = parts.collect::<Vec<_>>().join("&");
    if joined.is_empty() { joined } else { format!("?{joined}") }
}

/// The parts that the parameter `extra_query` adds, a mapping of names to texts, numbers and truths.
///
/// # Errors
/// A clause about what is none.
pub fn extra_query(config: &Config) -> Result<Vec<String>, String> {
    let extra = match config.params.get("extra_query") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(extra)) => extra,
        Some(_) => return Err("\"extra_query\" must be a mapping of names to values".to_owned()),
    };
    let part = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(format!("\"extra_query\": {name:?} must be text, a number, true or false")),
        };
        Ok(format!("{}={}", escape(name, b""), escape(&value, b"")))
    };
    extra.iter().map(part).collect()
}
