//! Tools and the choice among them.

use serde_json::{Map, Value, json};

use super::{Crossing, schema};
use crate::dialects::gemini::proto;

pub(super) fn translate(
    tools: Option<&Value>,
    config: &Value,
    chat: &mut Map<String, Value>,
    crossing: &mut Crossing,
) -> Result<(), String> {
    let mut functions = Vec::new();
    for (at, tool) in tools.map_or(&[][..], proto::list).iter().enumerate() {
        for (name, value) in proto::members(tool) {
            if name != "functionDeclarations" {
                crossing.cannot(format!("tools[{at}].{name}, a tool of Google's own,"))?;
                continue;
            }
            for (index, function) in proto::list(value).iter().enumerate() {
                let at = format!("tools[{at}].functionDeclarations[{index}]");
                functions.push(declaration(function, &at, crossing)?);
            }
        }
    }
    let choice = choice(config, &mut functions, crossing)?;
    if functions.is_empty() {
        return Ok(());
    }
    chat.insert("tools".to_owned(), Value::Array(functions));
    if let Some(choice) = choice {
        chat.insert("tool_choice".to_owned(), choice);
    }
    Ok(())
}

fn declaration(function: &Value, at: &str, crossing: &mut Crossing) -> Result<Value, String> {
    let mut out = Map::new();
    for (name, value) in proto::members(function) {
        match &*name {
            "name" | "description" => {
                out.insert(name.into_owned(), value.clone());
            }
            "parameters" => {
                out.insert("parameters".to_owned(), schema::json_schema(value));
            }
            "parametersJsonSchema" => {
                out.insert("parameters".to_owned(), value.clone());
            }
            // A description of what the tool gives, and how a live session treats it: neither changes the answer here.
            "response" | "responseJsonSchema" | "behavior" => crossing.dropped.push(format!("{at}.{name}")),
            other => crossing.cannot(format!("{at}.{other}"))?,
        }
    }
    if !out.get("name").is_some_and(Value::is_string) {
        return Err(format!("{at} has no \"name\""));
    }
    Ok(json!({"type": "function", "function": out}))
}

/// The choice; functions that may not be called are taken out of the list, which every provider understands.
fn choice(
    config: &Value,
    functions: &mut Vec<Value>,
    crossing: &mut Crossing,
) -> Result<Option<Value>, String> {
    for (name, _) in proto::members(config).filter(|(name, _)| name != "functionCallingConfig") {
        crossing.cannot(format!("\"toolConfig.{name}\""))?;
    }
    let Some(calling) = proto::get(config, "functionCallingConfig") else { return Ok(None) };
    for (name, _) in proto::members(calling) {
        if name != "mode" && name != "allowedFunctionNames" {
            crossing.cannot(format!("\"toolConfig.functionCallingConfig.{name}\""))?;
        }
    }
    let allowed: Vec<&str> = proto::get(calling, "allowedFunctionNames")
        .map_or(&[][..], proto::list)
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if !allowed.is_empty() {
        let declared = |name: &str| functions.iter().any(|function| function["function"]["name"] == name);
        if let Some(missing) = allowed.iter().find(|name| !declared(name)) {
            return Err(format!(
                "\"toolConfig.functionCallingConfig.allowedFunctionNames\" names {missing:?}, which is not declared"
            ));
        }
        functions.retain(|function| {
            function["function"]["name"].as_str().is_some_and(|name| allowed.contains(&name))
        });
    }
    match proto::text(calling, "mode").unwrap_or_default() {
        "" | "MODE_UNSPECIFIED" => Ok(None),
        "AUTO" | "VALIDATED" => Ok(Some(json!("auto"))),
        "NONE" => Ok(Some(json!("none"))),
        "ANY" => Ok(Some(match allowed.as_slice() {
            [one] => json!({"type": "function", "function": {"name": one}}),
            _ => json!("required"),
        })),
        other => Err(format!(
            "\"toolConfig.functionCallingConfig.mode\" is {other:?}; there are AUTO, ANY, NONE and VALIDATED"
        )),
    }
}
