//! Gemini's `Schema`, a part of OpenAPI's with types in capitals, as JSON Schema.

use serde_json::{Map, Value, json};

use crate::dialects::gemini::proto;

/// The schema in JSON Schema's words. It is no deeper than the JSON that it came from.
pub(super) fn json_schema(schema: &Value) -> Value {
    if !schema.is_object() {
        return schema.clone();
    }
    let mut out = Map::new();
    let mut nullable = false;
    for (name, value) in proto::members(schema) {
        match &*name {
            "type" => {
                let word =
                    value.as_str().map(str::to_ascii_lowercase).filter(|word| word != "type_unspecified");
                out.extend(word.map(|word| ("type".to_owned(), json!(word))));
            }
            "nullable" => nullable = value == &Value::Bool(true),
            "properties" | "defs" => {
                let each = value.as_object().into_iter().flatten();
                let each = each.map(|(name, schema)| (name.clone(), json_schema(schema))).collect();
                let name = if name == "defs" { "$defs" } else { "properties" };
                out.insert(name.to_owned(), Value::Object(each));
            }
            "items" | "additionalProperties" => {
                out.insert(name.into_owned(), json_schema(value));
            }
            "anyOf" | "prefixItems" => {
                out.insert(name.into_owned(), proto::list(value).iter().map(json_schema).collect());
            }
            "ref" => {
                out.insert("$ref".to_owned(), value.clone());
            }
            "example" => {
                out.insert("examples".to_owned(), json!([value]));
            }
            // Only Gemini promises an order.
            "propertyOrdering" => {}
            "format" if value == "enum" => {}
            // 64-bit numbers are texts in proto3's JSON.
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
                let number = value.as_str().and_then(|text| text.parse::<u64>().ok()).map(Value::from);
                out.insert(name.into_owned(), number.unwrap_or_else(|| value.clone()));
            }
            _ => {
                out.insert(name.into_owned(), value.clone());
            }
        }
    }
    if nullable {
        or_null(&mut out);
    }
    Value::Object(out)
}

fn or_null(schema: &mut Map<String, Value>) {
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
        if let Some(Value::Array(values)) = schema.get_mut("enum") {
            values.push(Value::Null);
        }
    } else if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.push(json!({"type": "null"}));
    }
}
