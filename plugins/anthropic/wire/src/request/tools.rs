//! Tools and the choice among them.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::content::keep_cache_control;
use super::messages::History;
use super::{at, format, given, invalid, put, unsupported};

/// The parameters read here.
pub(super) const NAMES: &[&str] =
    &["tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "web_search_options"];

pub(super) fn translate(
    body: &Map<String, Value>,
    history: &History,
    out: &mut Map<String, Value>,
) -> Result<(), Fault> {
    let list = |name: &str| match given(body, name) {
        None => Ok(&[][..]),
        Some(Value::Array(list)) => Ok(list.as_slice()),
        Some(_) => Err(invalid(format!("{name:?} must be a list"))),
    };
    let mut tools = Vec::new();
    for (index, tool) in list("tools")?.iter().enumerate() {
        tools.push(one(tool, &at("tools", index))?);
    }
    for (index, function) in list("functions")?.iter().enumerate() {
        tools.push(declaration(function, function, &at("functions", index))?);
    }
    if let Some(options) = given(body, "web_search_options") {
        tools.push(web_search(options));
    }
    if tools.iter().any(|tool| tool["name"] == format::JSON_TOOL) {
        let sentence = "is the name of the tool that Tidegate has a JSON answer written with";
        return Err(unsupported(format!("\"tools\": {:?} {sentence}", format::JSON_TOOL)));
    }
    let mut choice = match given(body, "tool_choice").or_else(|| given(body, "function_call")) {
        Some(choice) => Some(chosen(choice, &mut tools)?),
        None => None,
    };
    // A history with calls needs tools, even where none is offered any more (litellm refuses such a request).
    if tools.is_empty() && !history.called.is_empty() {
        let named = |name| json!({"name": name, "input_schema": {"type": "object", "properties": {}}});
        tools.extend(history.called.iter().map(named));
        choice = Some(json!({"type": "none"}));
    }
    if tools.is_empty() {
        return match choice {
            Some(choice) if choice["type"] == "any" || choice["type"] == "tool" => {
                Err(invalid("\"tool_choice\" demands a tool, and \"tools\" offers none"))
            }
            _ => Ok(()),
        };
    }
    if given(body, "parallel_tool_calls") == Some(&json!(false)) {
        let choice = choice.get_or_insert_with(|| json!({"type": "auto"}));
        if choice["type"] != "none" {
            choice["disable_parallel_tool_use"] = json!(true);
        }
    }
    put(out, "tools", Value::Array(tools));
    if let Some(choice) = choice {
        put(out, "tool_choice", choice);
    }
    Ok(())
}

/// A function; or one of Anthropic's own tools, which pass as they are.
fn one(tool: &Value, at: &str) -> Result<Value, Fault> {
    let kind = tool.get("type").and_then(Value::as_str);
    if let Some(function) = tool.get("function").filter(|function| function.is_object()) {
        return declaration(function, tool, at);
    }
    let own =
        tool.get("input_schema").is_some() || (tool.get("name").is_some() && kind.is_some_and(is_dated));
    if own || kind == Some("mcp_toolset") {
        return Ok(tool.clone());
    }
    let kind = kind.unwrap_or("without a type");
    Err(unsupported(format!("{at}: a tool {kind:?} cannot be offered to Claude; functions can")))
}

/// Anthropic's own tools are named with the day of their version: `web_search_20250305`.
fn is_dated(kind: &str) -> bool {
    let day = kind.rsplit('_').next().unwrap_or("");
    day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit())
}

/// `strict` is left out, as litellm does: it would be a promise about schemas that Anthropic reads otherwise.
fn declaration(function: &Value, tool: &Value, at: &str) -> Result<Value, Fault> {
    let name = function.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| invalid(format!("{at}: the function has no \"name\"")))?;
    let mut out = json!({"name": name});
    if let Some(text) = function.get("description").filter(|text| text.is_string()) {
        out["description"] = text.clone();
    }
    let mut schema =
        function.get("parameters").filter(|schema| schema.is_object()).cloned().unwrap_or(json!({}));
    // Anthropic wants an object, and servers of tools often leave out the word.
    schema["type"] = json!("object");
    if schema.get("properties").is_none() {
        schema["properties"] = json!({});
    }
    out["input_schema"] = schema;
    keep_cache_control(function, &mut out);
    keep_cache_control(tool, &mut out);
    Ok(out)
}

/// OpenAI's web search as Anthropic's; the sizes are litellm's.
fn web_search(options: &Value) -> Value {
    let mut tool = json!({"type": "web_search_20250305", "name": "web_search"});
    let uses = match options.get("search_context_size").and_then(Value::as_str) {
        Some("low") => Some(1),
        Some("medium") => Some(5),
        Some("high") => Some(10),
        _ => None,
    };
    if let Some(uses) = uses {
        tool["max_uses"] = json!(uses);
    }
    if let Some(place) = options.pointer("/user_location/approximate").and_then(Value::as_object) {
        let mut place = place.clone();
        place.insert("type".to_owned(), json!("approximate"));
        tool["user_location"] = Value::Object(place);
    }
    tool
}

/// `tool_choice`. Anthropic cannot be told to choose among some of the tools, so that only those are offered.
fn chosen(choice: &Value, tools: &mut Vec<Value>) -> Result<Value, Fault> {
    let named = |choice: &Value| choice.get("name").and_then(Value::as_str).map(str::to_owned);
    let mode = |word: &str| match word {
        "none" => Some(json!({"type": "none"})),
        "auto" => Some(json!({"type": "auto"})),
        "required" | "any" => Some(json!({"type": "any"})),
        _ => None,
    };
    let unknown = || invalid(format!("\"tool_choice\" {choice} is not known"));
    if let Some(word) = choice.as_str() {
        return mode(word).ok_or_else(unknown);
    }
    if let Some(name) = choice.get("function").and_then(named).or_else(|| named(choice)) {
        return Ok(json!({"type": "tool", "name": name}));
    }
    if let Some(allowed) = choice.get("allowed_tools") {
        let list = allowed.get("tools").and_then(Value::as_array).ok_or_else(unknown)?;
        let names: Vec<String> = list
            .iter()
            .filter_map(|tool| tool.get("function").and_then(named).or_else(|| named(tool)))
            .collect();
        tools.retain(|tool| names.iter().any(|name| tool["name"] == name.as_str()));
        return allowed.get("mode").and_then(Value::as_str).and_then(mode).ok_or_else(unknown);
    }
    choice.get("type").and_then(Value::as_str).and_then(mode).ok_or_else(unknown)
}
