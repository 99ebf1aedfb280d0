//! Tools and the choice among them.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault};

use super::{at, invalid, schema, unsupported};
use crate::model::Model;

/// The parameters read here.
pub(super) const NAMES: &[&str] =
    &["tools", "tool_choice", "functions", "function_call", "web_search_options"];

/// Google's own tools, which pass through as they are.
const OWN: &[&str] = &[
    "googleSearch",
    "google_search",
    "googleSearchRetrieval",
    "google_search_retrieval",
    "codeExecution",
    "code_execution",
    "urlContext",
    "url_context",
    "enterpriseWebSearch",
    "googleMaps",
    "computerUse",
];

pub(super) fn translate(
    body: &Map<String, Value>,
    model: &Model,
    out: &mut Map<String, Value>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let list = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(&[][..]),
        Some(Value::Array(list)) => Ok(list.as_slice()),
        Some(_) => Err(invalid(format!("{name:?} must be a list"))),
    };
    let mut functions = Vec::new();
    let mut tools = Vec::new();
    for (index, tool) in list("tools")?.iter().enumerate() {
        let at = at("tools", index);
        if let Some(function) = tool.get("function").filter(|function| function.is_object()) {
            functions.push(declaration(function, &at, model, dropped)?);
        } else if tool
            .as_object()
            .is_some_and(|tool| tool.keys().all(|key| OWN.contains(&key.as_str())) && !tool.is_empty())
        {
            tools.push(tool.clone());
        } else {
            let kind = tool.get("type").and_then(Value::as_str).unwrap_or("without a type");
            return Err(unsupported(format!(
                "{at}: a tool {kind:?} cannot be offered to Gemini; functions can"
            )));
        }
    }
    for (index, function) in list("functions")?.iter().enumerate() {
        functions.push(declaration(function, &at("functions", index), model, dropped)?);
    }
    if let Some(options) = body.get("web_search_options").filter(|options| !options.is_null()) {
        tools.push(json!({"googleSearch": {}}));
        // How much is searched, and for whom, is Google's own business.
        for name in options.as_object().into_iter().flat_map(Map::keys) {
            dropped.advice(&format!("web_search_options.{name}"));
        }
    }
    if !functions.is_empty() {
        tools.insert(0, json!({"functionDeclarations": functions}));
    }
    if !tools.is_empty() {
        out.insert("tools".to_owned(), Value::Array(tools));
    }
    let choice =
        body.get("tool_choice").or_else(|| body.get("function_call")).filter(|choice| !choice.is_null());
    if let Some(choice) = choice {
        out.insert("toolConfig".to_owned(), json!({"functionCallingConfig": calling(choice)?}));
    }
    Ok(())
}

fn declaration(function: &Value, at: &str, model: &Model, dropped: &mut Dropped) -> Result<Value, Fault> {
    let name = function
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid(format!("{at}: the function has no \"name\"")))?;
    let mut out = json!({"name": name});
    if let Some(text) = function.get("description").filter(|text| text.is_string()) {
        out["description"] = text.clone();
    }
    if let Some(parameters) = function.get("parameters").filter(|parameters| parameters.is_object()) {
        let schema::Cleaned { subset, json } = schema::clean(parameters, &format!("{at}.parameters"))?;
        // Gemini refuses an object type without properties, and one with them beside `anyOf`.
        let has_properties =
            subset["properties"].as_object().is_some_and(|properties| !properties.is_empty());
        let asks_more = subset.get("anyOf").is_some();
        match json.or_else(|| asks_more.then(|| subset.clone())) {
            Some(mut full) if model.takes_json_schema() => {
                full["type"] = json!("object");
                out["parametersJsonSchema"] = full;
            }
            full => {
                if full.is_some() {
                    dropped.advice("tools.parameters");
                }
                if has_properties {
                    out["parameters"] = subset;
                }
            }
        }
    }
    Ok(out)
}

fn calling(choice: &Value) -> Result<Value, Fault> {
    let named = |choice: &Value| choice.get("name").and_then(Value::as_str).map(str::to_owned);
    let mode = |word: &str| {
        Some(match word {
            "none" => json!({"mode": "NONE"}),
            "auto" => json!({"mode": "AUTO"}),
            "required" | "any" => json!({"mode": "ANY"}),
            _ => return None,
        })
    };
    let unknown = || invalid(format!("\"tool_choice\" {choice} is not known"));
    if let Some(word) = choice.as_str() {
        return mode(word).ok_or_else(unknown);
    }
    if let Some(name) = choice.get("function").and_then(named).or_else(|| named(choice)) {
        return Ok(json!({"mode": "ANY", "allowedFunctionNames": [name]}));
    }
    let allowed = choice.get("allowed_tools").ok_or_else(unknown)?;
    let names: Vec<String> = allowed
        .get("tools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|tool| tool.get("function").and_then(named))
        .collect();
    match allowed.get("mode").and_then(Value::as_str) {
        Some("required") if !names.is_empty() => Ok(json!({"mode": "ANY", "allowedFunctionNames": names})),
        _ => Err(unsupported("\"tool_choice\": Gemini can restrict the tools only where one is required")),
    }
}
