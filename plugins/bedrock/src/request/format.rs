//! Structured output as `outputConfig`.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::{invalid, unsupported};

/// The parameters read here.
pub(super) const NAMES: &[&str] = &["response_format"];

/// Converse takes a schema as text. Models that cannot keep to one are refused by Bedrock, with its own sentence.
pub(super) fn translate(body: &Map<String, Value>) -> Result<Option<Value>, Fault> {
    let Some(format) = body.get("response_format").filter(|format| !format.is_null()) else {
        return Ok(None);
    };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_object") => Err(unsupported(
            "\"response_format\": Bedrock has no JSON mode without a schema; use the type json_schema",
        )),
        Some("json_schema") => {
            let wanted = format.get("json_schema");
            let schema = wanted
                .and_then(|wanted| wanted.get("schema"))
                .filter(|schema| schema.is_object())
                .ok_or_else(|| {
                invalid("\"response_format\" of the type json_schema needs \"json_schema\" with a \"schema\"")
            })?;
            let mut definition = json!({"schema": schema.to_string()});
            for name in ["name", "description"] {
                if let Some(text) = wanted.and_then(|wanted| wanted.get(name)).filter(|text| text.is_string())
                {
                    definition[name] = text.clone();
                }
            }
            Ok(Some(json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}})))
        }
        _ => Err(invalid("\"response_format\" must have the type text, json_object or json_schema")),
    }
}
