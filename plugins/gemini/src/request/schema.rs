//! JSON Schema as the subset that Gemini takes (its `Schema` type), or where that loses what is asked for as the JSON Schema
//! that later models take. What neither enforces is told to the model, and whatever says nothing about the value is left out.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::unsupported;

const KEPT: &[&str] = &[
    "title",
    "description",
    "nullable",
    "maxItems",
    "minItems",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "default",
    "minimum",
    "maximum",
    "propertyOrdering",
];
/// A schema may refer to itself: this deep, and no deeper.
const DEPTH: u32 = 24;
/// References may multiply: this many nodes, and no more; long texts count as several.
const NODES: usize = 20_000;

/// Rules that neither form enforces: the model is told them in the description, as `anthropic/` has it.
const TOLD: &[&str] = &[
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "uniqueItems",
    "not",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "contains",
    "prefixItems",
    "if",
    "then",
    "else",
];

/// A schema in the forms that Gemini has for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cleaned {
    /// As its `Schema` type, which is a subset of OpenAPI's.
    pub(super) subset: Value,
    /// As JSON Schema, where that type loses something.
    pub(super) json: Option<Value>,
}

/// Cleans a schema, with its references put in place. One that grows without bound is refused.
pub(super) fn clean(schema: &Value, at: &str) -> Result<Cleaned, Fault> {
    cleaned(schema, at, false)
}

/// The same of an answer's schema. Gemini writes an answer's members by the alphabet unless `propertyOrdering` says
/// otherwise (its guide to structured output; later models keep the schema's order by themselves).
pub(super) fn clean_answer(schema: &Value, at: &str) -> Result<Cleaned, Fault> {
    cleaned(schema, at, true)
}

fn cleaned(schema: &Value, at: &str, ordered: bool) -> Result<Cleaned, Fault> {
    let pass = |json: bool| {
        let mut cleaner = Cleaner { root: schema, nodes: 0, ordered, json, lost: false };
        let made = cleaner.node(schema, 0).ok_or_else(|| {
            unsupported(format!(
                "{at}: the schema is too deep, too large or refers to itself; Gemini has no references"
            ))
        })?;
        Ok((made, cleaner.lost))
    };
    let (subset, lost) = pass(false)?;
    let json = if lost { Some(pass(true)?.0) } else { None };
    Ok(Cleaned { subset, json })
}

struct Cleaner<'a> {
    root: &'a Value,
    nodes: usize,
    /// Objects say the order of their members.
    ordered: bool,
    /// It becomes JSON Schema.
    json: bool,
    /// The subset had no place for something.
    lost: bool,
}

impl Cleaner<'_> {
    /// `None`: a bound was passed.
    fn node(&mut self, schema: &Value, depth: u32) -> Option<Value> {
        self.nodes += 1;
        if depth > DEPTH {
            return None;
        }
        // `true` and `{}` mean "anything", which Gemini can only call an object.
        let Some(schema) = schema.as_object().filter(|schema| !schema.is_empty()) else {
            return Some(json!({"type": "object"}));
        };
        if schema.contains_key("$ref") || schema.contains_key("allOf") {
            let flat = self.flat(schema, depth)?;
            return self.node(&Value::Object(flat), depth + 1);
        }
        self.charge(KEPT.iter().chain(TOLD).filter_map(|key| schema.get(*key)))?;
        let mut out: Map<String, Value> =
            KEPT.iter().filter_map(|key| Some(((*key).to_owned(), schema.get(*key)?.clone()))).collect();
        self.kind(schema, &mut out);
        tell(schema, &mut out);
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            let mut cleaned = Map::new();
            for (name, property) in properties {
                cleaned.insert(name.clone(), self.node(property, depth + 1)?);
            }
            if self.ordered && !cleaned.is_empty() && !out.contains_key("propertyOrdering") {
                out.insert("propertyOrdering".to_owned(), cleaned.keys().cloned().collect());
            }
            out.insert("properties".to_owned(), Value::Object(cleaned));
            out.entry("type").or_insert_with(|| json!("object"));
        }
        // That there are none is what the subset says anyway.
        if let Some(more) = schema
            .get("additionalProperties")
            .filter(|more| more.as_object().is_some_and(|more| !more.is_empty()))
        {
            self.lost = true;
            if self.json {
                out.insert("additionalProperties".to_owned(), self.node(more, depth + 1)?);
            }
            out.entry("type").or_insert_with(|| json!("object"));
        }
        if let Some(items) =
            schema.get("items").or_else(|| (out.get("type")? == "array").then_some(&Value::Null))
        {
            out.insert("items".to_owned(), self.node(items, depth + 1)?);
            out.entry("type").or_insert_with(|| json!("array"));
        }
        if let Some(options) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            self.any_of(options, &mut out, depth)?;
        }
        if out.get("type").is_none() && out.get("anyOf").is_none() && !(self.json && out.contains_key("enum"))
        {
            out.insert("type".to_owned(), json!(if out.contains_key("enum") { "string" } else { "object" }));
        }
        Some(Value::Object(out))
    }

    /// The same schema without a reference and without `allOf` of its own: all that its target and its parts ask for, as far
    /// as properties go.
    fn flat(&mut self, schema: &Map<String, Value>, depth: u32) -> Option<Map<String, Value>> {
        self.nodes += 1;
        if depth > DEPTH {
            return None;
        }
        self.charge(schema.iter().filter(|(name, _)| !is_a_store(name)).map(|(_, value)| value))?;
        let mut out: Map<String, Value> = schema
            .iter()
            .filter(|(name, _)| !is_a_store(name) && !matches!(name.as_str(), "$ref" | "allOf"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let root = self.root;
        let target = schema.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| root.pointer(target.strip_prefix('#')?));
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        for part in target.into_iter().chain(parts).filter_map(Value::as_object) {
            let part = self.flat(part, depth + 1)?;
            merge(&mut out, part);
        }
        Some(out)
    }

    /// Pays for what is about to be copied; refuses when the nodes made so far are too many.
    fn charge<'v>(&mut self, copied: impl Iterator<Item = &'v Value>) -> Option<()> {
        self.nodes += copied.map(weight).sum::<usize>();
        (self.nodes <= NODES).then_some(())
    }

    fn any_of(&mut self, options: &[Value], out: &mut Map<String, Value>, depth: u32) -> Option<()> {
        let mut cleaned = Vec::new();
        for option in options {
            if !self.json && option.get("type").and_then(Value::as_str) == Some("null") {
                out.insert("nullable".to_owned(), json!(true));
            } else {
                cleaned.push(self.node(option, depth + 1)?);
            }
        }
        match (cleaned.len(), cleaned.pop()) {
            (1, Some(Value::Object(only))) => {
                for (key, value) in only {
                    out.entry(key).or_insert(value);
                }
            }
            (_, Some(last)) => {
                cleaned.push(last);
                out.insert("anyOf".to_owned(), Value::Array(cleaned));
            }
            (_, None) => {}
        }
        Some(())
    }

    /// The type, a list of which may hold null; the values allowed, which the subset knows for strings alone; the format, of
    /// which it knows a few.
    fn kind(&mut self, schema: &Map<String, Value>, out: &mut Map<String, Value>) {
        match schema.get("type") {
            Some(kind @ Value::Array(_)) if self.json => {
                out.insert("type".to_owned(), kind.clone());
            }
            Some(Value::String(kind)) => {
                out.insert("type".to_owned(), json!(kind));
            }
            Some(Value::Array(kinds)) => {
                let real: Vec<&Value> = kinds.iter().filter(|kind| *kind != "null").collect();
                if real.len() < kinds.len() {
                    out.insert("nullable".to_owned(), json!(true));
                }
                if let [only] = real[..] {
                    out.insert("type".to_owned(), only.clone());
                } else {
                    out.insert("anyOf".to_owned(), real.iter().map(|kind| json!({"type": kind})).collect());
                }
            }
            _ => {}
        }
        let constant = schema.get("const").map(core::slice::from_ref);
        if let Some(values) = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice).or(constant) {
            let words: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
            let strings = words.iter().all(|word| word.is_string());
            self.lost |= !strings;
            if self.json && !values.is_empty() {
                out.insert("enum".to_owned(), json!(values));
            } else if !words.is_empty() && strings {
                out.insert("enum".to_owned(), json!(words));
            }
            if words.len() < values.len() && !self.json {
                out.insert("nullable".to_owned(), json!(true));
            }
        }
        if let Some(format) = schema.get("format").and_then(Value::as_str)
            && matches!(format, "date-time" | "enum" | "float" | "double" | "int32" | "int64")
        {
            out.insert("format".to_owned(), json!(format));
        }
    }
}

/// Where schemas are kept for references.
fn is_a_store(name: &str) -> bool {
    matches!(name, "$defs" | "definitions")
}

/// What no form enforces stands in the description.
fn tell(schema: &Map<String, Value>, out: &mut Map<String, Value>) {
    let said = |name: &&str| Some(format!("{name}: {}", schema.get(*name)?));
    let told: Vec<String> = TOLD.iter().filter_map(said).collect();
    if !told.is_empty() {
        let own =
            out.get("description").and_then(Value::as_str).map_or(String::new(), |own| format!("{own}\n\n"));
        out.insert("description".to_owned(), json!(format!("{own}{{{}}}", told.join(", "))));
    }
}

/// Adds what another schema asks for. Of two words for the same the first stays: what stands beside a reference is nearer.
fn merge(out: &mut Map<String, Value>, part: Map<String, Value>) {
    for (key, value) in part {
        match (out.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => {
                for (key, value) in from {
                    into.entry(key).or_insert(value);
                }
            }
            (Some(Value::Array(into)), Value::Array(from)) if key == "required" => {
                for one in from {
                    if !into.contains(&one) {
                        into.push(one);
                    }
                }
            }
            (Some(_), _) => {}
            (None, value) => {
                out.insert(key, value);
            }
        }
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() / 256,
        Value::Array(list) => list.len() + list.iter().map(weight).sum::<usize>(),
        Value::Object(map) => map.len() + map.values().map(weight).sum::<usize>(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_subset() {
        let rows = [
            (
                json!({"type": "object", "additionalProperties": false, "$schema": "x", "properties": {"a": {"type": "string", "format": "uuid", "examples": []}}, "required": ["a"]}),
                json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
            ),
            (json!({"type": ["string", "null"]}), json!({"type": "string", "nullable": true})),
            (
                json!({"type": ["string", "integer"]}),
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            ),
            (
                json!({"anyOf": [{"type": "integer", "format": "int32"}, {"type": "null"}], "description": "d"}),
                json!({"type": "integer", "format": "int32", "nullable": true, "description": "d"}),
            ),
            (
                json!({"oneOf": [{"type": "integer"}, {"type": "string"}]}),
                json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
            ),
            (json!({"const": "x"}), json!({"type": "string", "enum": ["x"]})),
            (json!({"type": "array"}), json!({"type": "array", "items": {"type": "object"}})),
            (
                json!({"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "number"}}}]}),
                json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}}),
            ),
            (
                json!({"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string", "enum": ["x"]}}}),
                json!({"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}}),
            ),
            (
                json!({"properties": {"a": true}}),
                json!({"type": "object", "properties": {"a": {"type": "object"}}}),
            ),
        ];
        for (schema, want) in rows {
            assert_eq!(clean(&schema, "s").unwrap(), Cleaned { subset: want, json: None }, "{schema}");
        }
    }

    #[test]
    fn nothing_that_is_asked_for_is_lost() {
        let defs = json!({"A": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            "B": {"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]}});
        let ab = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}, "required": ["b", "a"]});
        for (schema, want) in [
            (
                json!({"allOf": [{"properties": {"b": {"type": "string"}}, "required": ["b"]}, {"$ref": "#/$defs/A"}]}),
                ab.clone(),
            ),
            (json!({"$ref": "#/$defs/A", "properties": {"b": {"type": "string"}}, "required": ["b"]}), ab),
            (
                json!({"$ref": "#/$defs/B"}),
                json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]}),
            ),
            (
                json!({"properties": {"x": {"$ref": "#/$defs/A/properties/a", "description": "d"}}}),
                json!({"type": "object", "properties": {"x": {"type": "string", "description": "d"}}}),
            ),
            (
                json!({"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5, "description": "d"}),
                json!({"type": "integer", "description": "d\n\n{exclusiveMinimum: 0, multipleOf: 5}"}),
            ),
        ] {
            let mut schema = schema;
            schema["$defs"] = defs.clone();
            let made = clean(&schema, "s").unwrap();
            let sorted = |mut value: Value| {
                value.sort_all_objects();
                if let Some(required) = value.get_mut("required").and_then(Value::as_array_mut) {
                    required.sort_by_key(ToString::to_string);
                }
                value
            };
            assert_eq!((sorted(made.subset), made.json), (sorted(want), None), "{schema}");
        }
    }

    #[test]
    fn what_the_subset_cannot_hold_is_json_schema() {
        let defs = json!({"A": {"type": ["string", "null"], "enum": ["x", null]}});
        for (schema, want) in [
            (json!({"type": "integer", "enum": [1, 2]}), json!({"type": "integer", "enum": [1, 2]})),
            (json!({"const": 1}), json!({"enum": [1]})),
            (
                json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/A"}, "properties": {}}),
                json!({"type": "object", "properties": {}, "additionalProperties": {"type": ["string", "null"], "enum": ["x", null]}}),
            ),
            (
                json!({"properties": {"a": {"anyOf": [{"enum": [1]}, {"type": "null"}]}}}),
                json!({"properties": {"a": {"anyOf": [{"enum": [1]}, {"type": "null"}]}}, "type": "object"}),
            ),
        ] {
            let mut schema = schema;
            schema["$defs"] = defs.clone();
            assert_eq!(clean(&schema, "s").unwrap().json, Some(want), "{schema}");
        }
    }

    #[test]
    fn an_answers_schema_says_its_order() {
        let own = json!({"z": {"type": "string"}, "a": {"type": "string"}});
        let schema = json!({"type": "object", "properties": {
            "y": {"type": "object", "properties": own, "propertyOrdering": ["a", "z"]},
            "b": {"type": "object", "properties": own}, "c": {"type": "object", "properties": {}}}});
        let made = clean_answer(&schema, "s").unwrap().subset;
        assert_eq!(made["propertyOrdering"], json!(["y", "b", "c"]));
        assert_eq!(made["properties"]["y"]["propertyOrdering"], json!(["a", "z"]), "the client's own stays");
        assert_eq!(made["properties"]["b"]["propertyOrdering"], json!(["z", "a"]));
        assert_eq!(made["properties"]["c"].get("propertyOrdering"), None);
        assert!(!clean(&schema, "s").unwrap().subset["properties"]["b"].to_string().contains("Ordering"));
    }

    #[test]
    fn a_schema_that_grows_without_bound_is_refused() {
        let own = json!({"properties": {"next": {"$ref": "#"}}});
        assert!(
            matches!(clean(&own, "tools[0]"), Err(Fault::Unsupported(text)) if text.starts_with("tools[0]"))
        );
        // Four to the ninth nodes, and not deep.
        let four = |next: u32| {
            let one = json!({"$ref": format!("#/$defs/{next}")});
            json!({"properties": {"a": one, "b": one, "c": one, "d": one}})
        };
        let defs: Map<String, Value> = (0..9).map(|n| (n.to_string(), four(n + 1))).collect();
        assert!(clean(&json!({"$ref": "#/$defs/0", "$defs": defs}), "s").is_err());
        assert!(clean(&json!({"allOf": [{"allOf": [{"$ref": "#"}]}]}), "s").is_err());
    }
}
