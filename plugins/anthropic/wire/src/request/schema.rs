//! A JSON schema as Anthropic's structured outputs take it. What they cannot enforce is told to the model in the
//! description, as Anthropic's SDKs do (anthropic-py 2.12).

use serde_json::{Map, Value, json};

/// Members that hold one schema, a list of them, or named ones.
const ONE: &[&str] = &["items"];
const LISTS: &[&str] = &["anyOf", "allOf"];
const NAMED: &[&str] = &["properties", "$defs", "definitions"];
/// Members that stay as they are.
const KEPT: &[&str] = &["type", "enum", "const", "required", "title", "description", "$ref", "default"];
/// The formats of texts that are enforced.
const FORMATS: &[&str] =
    &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
/// Members that say nothing about the answer.
const SILENT: &[&str] = &["$schema", "$id", "$comment", "additionalProperties", "examples"];

pub(super) fn clean(schema: &Value) -> Value {
    let Some(members) = schema.as_object() else { return schema.clone() };
    let mut out = Map::new();
    let mut told: Vec<String> = Vec::new();
    for (name, value) in members {
        let (name, made) = match name.as_str() {
            name if ONE.contains(&name) => (name, clean(value)),
            name if LISTS.contains(&name) => (name, each(value)),
            // One of several is any of them, as far as can be enforced.
            "oneOf" => ("anyOf", each(value)),
            name if NAMED.contains(&name) => (name, every(value)),
            name if KEPT.contains(&name) => (name, value.clone()),
            "format" if value.as_str().is_some_and(|format| FORMATS.contains(&format)) => {
                ("format", value.clone())
            }
            "minItems" if value == &json!(0) || value == &json!(1) => ("minItems", value.clone()),
            name if SILENT.contains(&name) => continue,
            name => {
                told.push(format!("{name}: {value}"));
                continue;
            }
        };
        out.insert(name.to_owned(), made);
    }
    if !told.is_empty() {
        let own =
            out.get("description").and_then(Value::as_str).map_or(String::new(), |own| format!("{own}\n\n"));
        out.insert("description".to_owned(), json!(format!("{own}{{{}}}", told.join(", "))));
    }
    let object = |kind: &Value| {
        kind == "object" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("object")))
    };
    if out.get("type").is_some_and(object) || out.contains_key("properties") {
        out.insert("additionalProperties".to_owned(), json!(false));
    }
    Value::Object(out)
}

fn each(list: &Value) -> Value {
    list.as_array().map_or_else(|| list.clone(), |list| list.iter().map(clean).collect())
}

fn every(map: &Value) -> Value {
    let one = |(name, schema): (&String, &Value)| (name.clone(), clean(schema));
    map.as_object().map_or_else(|| map.clone(), |map| Value::Object(map.iter().map(one).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_enforced_is_told() {
        let schema = json!({
            "$schema": "x", "type": "object", "required": ["a"],
            "properties": {
                "a": {"type": "integer", "minimum": 1, "description": "A number"},
                "b": {"type": "string", "format": "date", "pattern": "^2"},
                "c": {"type": "array", "items": {"type": "object", "properties": {}}, "minItems": 1, "maxItems": 9},
                "d": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/d"}]},
            },
            "$defs": {"d": {"type": "string", "format": "color", "enum": ["r"]}},
        });
        let want = json!({
            "type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {
                "a": {"type": "integer", "description": "A number\n\n{minimum: 1}"},
                "b": {"type": "string", "format": "date", "description": "{pattern: \"^2\"}"},
                "c": {
                    "type": "array", "minItems": 1, "description": "{maxItems: 9}",
                    "items": {"type": "object", "properties": {}, "additionalProperties": false},
                },
                "d": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/d"}]},
            },
            "$defs": {"d": {"type": "string", "enum": ["r"], "description": "{format: \"color\"}"}},
        });
        assert_eq!(clean(&schema), want);
        assert_eq!(clean(&json!(true)), json!(true));
    }
}
