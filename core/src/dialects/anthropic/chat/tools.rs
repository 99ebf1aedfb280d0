//! Tools and the choice among them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Draft;
use crate::dialects::options;

/// The members of a tool that cross, and those that say what it is.
const KNOWN: [&str; 6] = ["type", "name", "description", "input_schema", "strict", "cache_control"];

/// A tool of the client's own.
#[derive(Deserialize)]
struct Custom<'a> {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
    #[serde(default)]
    strict: Option<bool>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Anthropic's own tools, which have a type other than `custom`, are known to its models alone.
pub(super) fn tools(raw: &RawValue, out: &mut Draft) -> Result<(), String> {
    let wrong = |error: serde_json::Error| format!("\"tools\" must be a list of tools: {error}");
    let list: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(wrong)?;
    let mut made = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        let tool: Custom<'_> = serde_json::from_str(raw.get()).map_err(wrong)?;
        if let Some(kind) = tool.r#type.filter(|kind| kind != "custom") {
            out.cannot_cross(format!("tools[{index}], the tool of the type {kind:?},"))?;
            continue;
        }
        // How it is shown to the model, and streamed: examples, a search among tools.
        let members = options::members_of(raw.get()).map_err(wrong)?;
        for (name, _) in
            members.iter().filter(|(name, raw)| !KNOWN.contains(&name.as_str()) && raw.get() != "null")
        {
            out.leave_out(&format!("tools.{name}"));
        }
        let name = tool.name.ok_or_else(|| format!("tools[{index}] has no \"name\""))?;
        let function = Function {
            name,
            description: tool.description,
            parameters: tool.input_schema,
            strict: tool.strict,
        };
        made.push(Tool { r#type: "function", function, cache_control: tool.cache_control });
    }
    if made.is_empty() { Ok(()) } else { out.put("tools", &made) }
}

pub(super) fn choice(raw: &RawValue, out: &mut Draft) -> Result<(), String> {
    let choice: Value = serde_json::from_str(raw.get()).unwrap_or_default();
    let word = match choice.get("type").and_then(Value::as_str) {
        Some("auto") => Value::from("auto"),
        Some("any") => Value::from("required"),
        Some("none") => Value::from("none"),
        Some("tool") => {
            let name = choice.get("name").and_then(Value::as_str);
            let name = name.ok_or("\"tool_choice\" of the type tool needs a \"name\"")?;
            serde_json::json!({"type": "function", "function": {"name": name}})
        }
        _ => return Err("\"tool_choice\" must have the type auto, any, tool or none".to_owned()),
    };
    out.put("tool_choice", &word)?;
    match choice.get("disable_parallel_tool_use") {
        Some(Value::Bool(true)) => out.put("parallel_tool_calls", &false),
        _ => Ok(()),
    }
}
