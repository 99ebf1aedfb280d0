//! Tools and the choice among them.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::crossing::Crossing;
use super::request::{given, invalid};

/// The parameters read here.
pub(super) const NAMES: &[&str] =
    &["tools", "functions", "tool_choice", "function_call", "web_search_options"];

/// Puts them into `out`.
pub(super) fn tools(
    body: &Map<String, Value>,
    crossing: &mut Crossing,
    out: &mut Map<String, Value>,
) -> Result<(), Fault> {
    let list = |name: &str| match given(body, name) {
        None => Ok(&[][..]),
        Some(Value::Array(list)) => Ok(list.as_slice()),
        Some(_) => Err(invalid(format!("{name:?} must be a list"))),
    };
    let mut made = Vec::new();
    for (index, tool) in list("tools")?.iter().enumerate() {
        if !tool["cache_control"].is_null() || !tool["function"]["cache_control"].is_null() {
            crossing.leave_out("cache_control");
        }
        made.push(one(tool, &format!("tools[{index}]"))?);
    }
    for (index, function) in list("functions")?.iter().enumerate() {
        made.push(declared(function, &format!("functions[{index}]"))?);
    }
    if let Some(options) = given(body, "web_search_options") {
        made.push(web_search(options));
    }
    if made.is_empty() {
        return Ok(());
    }
    out.insert("tools".to_owned(), Value::Array(made));
    if let Some(choice) = given(body, "tool_choice").or_else(|| given(body, "function_call")) {
        out.insert("tool_choice".to_owned(), chosen(choice));
    }
    Ok(())
}

/// A function, or a custom tool. Tools that OpenAI's servers carry out pass as they are.
fn one(tool: &Value, at: &str) -> Result<Value, Fault> {
    if tool["function"].is_object() {
        return declared(&tool["function"], at);
    }
    let Some(custom) = tool["custom"].as_object() else { return Ok(tool.clone()) };
    let mut made = custom.clone();
    made.insert("type".to_owned(), json!("custom"));
    if let Some(grammar) = tool["custom"]["format"]["grammar"].as_object() {
        let mut format = grammar.clone();
        format.insert("type".to_owned(), json!("grammar"));
        made.insert("format".to_owned(), Value::Object(format));
    }
    Ok(Value::Object(made))
}

/// A chat's functions are not strict unless they say so, those of Responses are unless they deny it.
fn declared(function: &Value, at: &str) -> Result<Value, Fault> {
    let name = function["name"].as_str();
    let name = name.ok_or_else(|| invalid(format!("{at}: the function has no \"name\"")))?;
    let mut made = json!({"type": "function", "name": name});
    if function["description"].is_string() {
        made["description"] = function["description"].clone();
    }
    made["parameters"] = match &function["parameters"] {
        Value::Null => json!({"type": "object", "properties": {}}),
        given => given.clone(),
    };
    made["strict"] = json!(function["strict"] == true);
    Ok(made)
}

fn web_search(options: &Value) -> Value {
    let mut tool = json!({"type": "web_search"});
    if options["search_context_size"].is_string() {
        tool["search_context_size"] = options["search_context_size"].clone();
    }
    if let Some(place) = options["user_location"]["approximate"].as_object() {
        let mut place = place.clone();
        place.insert("type".to_owned(), json!("approximate"));
        tool["user_location"] = Value::Object(place);
    }
    tool
}

/// What names a tool has the name at its top.
fn chosen(choice: &Value) -> Value {
    if let Some(allowed) = choice["allowed_tools"].as_object() {
        let list = allowed.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let tools: Vec<Value> = list.iter().map(chosen).collect();
        return json!({"type": "allowed_tools", "mode": allowed.get("mode"), "tools": tools});
    }
    for kind in ["function", "custom"] {
        if choice[kind]["name"].is_string() {
            return json!({"type": kind, "name": choice[kind]["name"]});
        }
    }
    // `function_call` has the name alone.
    match (choice["name"].as_str(), choice["type"].as_str()) {
        (Some(name), None) => json!({"type": "function", "name": name}),
        _ => choice.clone(),
    }
}
