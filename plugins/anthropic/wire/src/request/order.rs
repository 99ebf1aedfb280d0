//! Schemas in the client's order. A model writes the members of an answer in the order of its schema, so that one which has
//! it think before it answers must not be sorted by the alphabet, as `serde_json`'s objects are.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::members::Members;

/// Where a chat request has schemas.
#[derive(Deserialize)]
pub(super) struct Schemas<'a> {
    #[serde(borrow, default)]
    tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow, default)]
    functions: Option<Vec<Function<'a>>>,
    #[serde(borrow, default)]
    response_format: Option<Format<'a>>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
    #[serde(default)]
    name: Option<String>,
    #[serde(borrow, default)]
    input_schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow, default)]
    json_schema: Option<Schema<'a>>,
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Schema<'a> {
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
}

impl<'a> Schemas<'a> {
    /// The schemas of tools by name, and that of the answer.
    fn found(&self) -> (HashMap<&str, &'a RawValue>, Option<&'a RawValue>) {
        let of = |function: &'_ Function<'a>| function.parameters;
        let mut named = HashMap::new();
        for tool in self.tools.iter().flatten() {
            let function = tool.function.as_ref();
            let name = function.and_then(|function| function.name.as_deref()).or(tool.name.as_deref());
            if let (Some(name), Some(raw)) = (name, function.and_then(of).or(tool.input_schema)) {
                named.insert(name, raw);
            }
        }
        for function in self.functions.iter().flatten() {
            if let (Some(name), Some(raw)) = (function.name.as_deref(), function.parameters) {
                named.insert(name, raw);
            }
        }
        let format = self.response_format.as_ref();
        let inner = format.and_then(|format| format.json_schema.as_ref()?.schema);
        (named, inner.or_else(|| format.and_then(|format| format.schema.or(format.response_schema))))
    }
}

/// The text of a Messages body, its schemas in the order of those that they were made of.
pub(super) fn written(mut body: Value, schemas: &Schemas<'_>) -> String {
    let (named, format) = schemas.found();
    let mut late = String::new();
    if let Some(Value::Array(tools)) = body.as_object_mut().and_then(|body| body.remove("tools")) {
        let tools = tools.into_iter().map(|mut tool| {
            let schema = tool.as_object_mut().and_then(|tool| tool.remove("input_schema"));
            let like = match tool["name"].as_str() {
                Some(super::JSON_TOOL) => format,
                name => name.and_then(|name| named.get(name).copied()),
            };
            with_member(tool, "input_schema", schema.map(|schema| like_in(&schema, like)))
        });
        late = format!("[{}]", tools.collect::<Vec<_>>().join(","));
    }
    let tools = Some(late).filter(|late| !late.is_empty());
    let schema = body.pointer_mut("/output_config/format/schema").map(Value::take);
    let Some(schema) = schema.filter(|_| format.is_some()) else { return with_member(body, "tools", tools) };
    // The schema stands three members deep, in objects that this crate made.
    let config = body.as_object_mut().and_then(|body| body.remove("output_config")).unwrap_or_default();
    let mut config = config;
    let kind = config.as_object_mut().and_then(|config| config.remove("format")).unwrap_or_default();
    let mut kind = kind;
    if let Some(kind) = kind.as_object_mut() {
        kind.remove("schema");
    }
    let kind = with_member(kind, "schema", Some(like_in(&schema, format)));
    let config = with_member(config, "format", Some(kind));
    let body = with_member(body, "output_config", Some(config));
    match tools {
        Some(tools) => format!("{},\"tools\":{tools}}}", &body[..body.len() - 1]),
        None => body,
    }
}

/// The text of an object with one more member at its end.
fn with_member(object: Value, name: &str, member: Option<String>) -> String {
    let text = object.to_string();
    let Some(member) = member else { return text };
    let comma = if text == "{}" { "" } else { "," };
    format!("{}{comma}\"{name}\":{member}}}", text.strip_suffix('}').unwrap_or(&text))
}

fn like_in(value: &Value, like: Option<&RawValue>) -> String {
    let mut out = String::new();
    ordered(value, like.map_or("", RawValue::get), &mut out);
    out
}

/// Writes a value, the members of its objects in the order that they have in `like`; what is not there comes last.
fn ordered(value: &Value, like: &str, out: &mut String) {
    match value {
        Value::Object(map) => {
            let known: Members<'_> = serde_json::from_str(like).unwrap_or_default();
            // Of two members with one name the last counts, in the place of the first.
            let texts: HashMap<&str, &str> =
                known.0.iter().map(|(name, raw)| (name.as_str(), raw.get())).collect();
            let mut left: HashSet<&str> = map.keys().map(String::as_str).collect();
            let mut order: Vec<&str> =
                known.0.iter().map(|(name, _)| name.as_str()).filter(|name| left.remove(name)).collect();
            order.extend(map.keys().map(String::as_str).filter(|name| left.contains(name)));
            out.push('{');
            for (at, name) in order.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&Value::from(name).to_string());
                out.push(':');
                // What is sent as `anyOf` may have been a `oneOf`.
                let same = texts.get(name).or_else(|| texts.get("oneOf").filter(|_| name == "anyOf"));
                ordered(&map[name], same.copied().unwrap_or(""), out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            let known: Vec<&RawValue> = serde_json::from_str(like).unwrap_or_default();
            out.push('[');
            for (at, value) in list.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                ordered(value, known.get(at).map_or("", |raw| raw.get()), out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, encode};

    fn sent(model: &str, body: &str) -> String {
        String::from_utf8(encode(body.as_bytes(), model, Options::default()).unwrap()).unwrap()
    }

    #[test]
    fn schemas_keep_the_clients_order() {
        let schema = r#"{"type":"object","properties":{"why":{"type":"string"},"answer":{"oneOf":[{"type":"object","properties":{"z":{"type":"null"},"b":{"type":"null"}}}]}}}"#;
        let tools = format!(r#"[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]"#);
        let format = format!(r#"{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}"#);
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"x"}}],"tools":{tools},"response_format":{format},"reasoning_effort":"low"}}"#
        );
        let clean = r#"{"type":"object","properties":{"why":{"type":"string"},"answer":{"anyOf":[{"type":"object","properties":{"z":{"type":"null"},"b":{"type":"null"}},"additionalProperties":false}]}},"additionalProperties":false}"#;
        let new = sent("claude-opus-5", &body);
        assert!(new.contains(&format!(r#""input_schema":{schema}"#)), "{new}");
        assert!(new.contains(&format!(r#""schema":{clean}"#)), "{new}");
        let old = sent("claude-3-7-sonnet", &body.replace(",\"reasoning_effort\":\"low\"", ""));
        assert_eq!(old.matches(&format!(r#""input_schema":{schema}"#)).count(), 2, "{old}");
        for text in [new, old, sent("m", r#"{"messages":[{"role":"user","content":"x"}],"tools":[]}"#)] {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["messages"][0]["role"], "user");
        }
    }
}
