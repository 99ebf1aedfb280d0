//! Tools and the choice among them.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::{at, cache_point, invalid, unsupported};
use crate::model::Family;

/// The parameters read here.
pub(super) const NAMES: &[&str] = &["tools", "tool_choice", "parallel_tool_calls"];

/// `parallel_tool_calls: false` to a Claude that can be told so, in its own choice beside Converse's, as litellm 1.83.9 has
/// it. Both must say the same of the tools.
pub(super) fn one_at_a_time(
    body: &Map<String, Value>,
    made: &Map<String, Value>,
    more: &mut Map<String, Value>,
) {
    let Some(config) = made.get("toolConfig") else { return };
    if body.get("parallel_tool_calls") != Some(&Value::Bool(false)) {
        return;
    }
    let mut choice = match config.get("toolChoice") {
        Some(choice) if choice.get("any").is_some() => json!({"type": "any"}),
        Some(choice) if choice.get("tool").is_some() => {
            json!({"type": "tool", "name": choice["tool"]["name"]})
        }
        _ => json!({"type": "auto"}),
    };
    choice["disable_parallel_tool_use"] = json!(true);
    more.entry("tool_choice").or_insert(choice);
}

/// `toolConfig`, where there are tools. `called`: the tools that the messages hold calls of.
pub(super) fn translate(
    body: &Map<String, Value>,
    family: Family,
    called: &[String],
) -> Result<Option<Value>, Fault> {
    let list = match body.get("tools") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => return Err(invalid("\"tools\" must be a list")),
    };
    let choice = body.get("tool_choice").filter(|choice| !choice.is_null());
    let mut tools = Vec::new();
    for (index, tool) in list.iter().enumerate() {
        tools.push(spec(tool, &at("tools", index))?);
        let function = tool.get("function").unwrap_or(&Value::Null);
        tools.extend(cache_point(tool, family).or_else(|| cache_point(function, family)));
    }
    // A history with calls needs tools, even where none is offered any more; Converse cannot be told to call none of them.
    if tools.is_empty()
        && !called.is_empty()
        && choice.is_none_or(|choice| matches!(choice.as_str(), Some("none" | "auto")))
    {
        let schema = json!({"json": {"type": "object", "properties": {}}});
        let named = |name: &String| json!({"toolSpec": {"name": name, "inputSchema": schema}});
        return Ok(Some(json!({"tools": called.iter().map(named).collect::<Vec<_>>()})));
    }
    if tools.is_empty() {
        return match choice {
            Some(choice) if !matches!(choice.as_str(), Some("none" | "auto")) => {
                Err(invalid("\"tool_choice\" asks for a tool, and \"tools\" offers none"))
            }
            _ => Ok(None),
        };
    }
    let mut config = json!({"tools": tools});
    match choice.map(chosen).transpose()? {
        None => {}
        Some(Some(choice)) => config["toolChoice"] = choice,
        // Without tools the model cannot call one; but a history with calls needs them.
        Some(None) if called.is_empty() => return Ok(None),
        Some(None) => {
            return Err(unsupported(
                "\"tool_choice\": Bedrock cannot be told to call none of the tools while the messages hold calls",
            ));
        }
    }
    Ok(Some(config))
}

fn spec(tool: &Value, at: &str) -> Result<Value, Fault> {
    let Some(function) = tool.get("function").filter(|function| function.is_object()) else {
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or("without a type");
        return Err(unsupported(format!(
            "{at}: a tool {kind:?} cannot be offered by Bedrock's Converse call; functions can"
        )));
    };
    let name = function
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid(format!("{at}: the function has no \"name\"")))?;
    let schema = function.get("parameters").filter(|parameters| parameters.is_object()).cloned();
    let schema = schema.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    let mut spec = json!({"name": name, "inputSchema": {"json": schema}});
    // An empty description is refused.
    if let Some(text) =
        function.get("description").filter(|text| text.as_str().is_some_and(|text| !text.is_empty()))
    {
        spec["description"] = text.clone();
    }
    Ok(json!({"toolSpec": spec}))
}

/// `None`: no tool.
fn chosen(choice: &Value) -> Result<Option<Value>, Fault> {
    let unknown = || invalid(format!("\"tool_choice\" {choice} is not known"));
    if let Some(word) = choice.as_str() {
        return match word {
            "none" => Ok(None),
            "auto" => Ok(Some(json!({"auto": {}}))),
            "required" | "any" => Ok(Some(json!({"any": {}}))),
            _ => Err(unknown()),
        };
    }
    if choice.get("allowed_tools").is_some() {
        return Err(unsupported(
            "\"tool_choice\": Bedrock can name one tool or leave it open, not restrict them to some",
        ));
    }
    let named = choice.get("function").unwrap_or(choice).get("name").and_then(Value::as_str);
    named.map(|name| Some(json!({"tool": {"name": name}}))).ok_or_else(unknown)
}
