//! An answer in JSON: by Anthropic's structured outputs, or by a tool that the model has to call.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::Fault;

use super::{Options, Platform, given, invalid, schema, unsupported};
use crate::model::Model;

/// The parameters read here.
pub(super) const NAMES: &[&str] = &["response_format"];

/// The tool that a model without structured outputs writes its JSON with. Answers turn a call of it back into text, so no
/// client may have one of that name.
pub const JSON_TOOL: &str = "tidegate_json_answer";

/// Runs after the tools and the thinking.
pub(super) fn translate(
    body: &Map<String, Value>,
    model: &Model<'_>,
    options: Options,
    out: &mut Map<String, Value>,
) -> Result<(), Fault> {
    let Some(format) = given(body, "response_format") else { return Ok(()) };
    let schema = match format.get("type").and_then(Value::as_str) {
        Some("text") => return Ok(()),
        Some("json_object") => format.get("response_schema"),
        Some("json_schema") => {
            let schema = format.pointer("/json_schema/schema").or_else(|| format.get("schema"));
            let needs = "\"response_format\" of the type json_schema needs \"json_schema\" with a \"schema\"";
            Some(schema.ok_or_else(|| invalid(needs))?)
        }
        _ => return Err(invalid("\"response_format\" must have the type text, json_object or json_schema")),
    };
    let Some(schema) = schema.filter(|schema| schema.is_object()) else {
        ask_in_words(out);
        return Ok(());
    };
    if options.platform == Platform::Anthropic && model.has_structured_outputs() {
        let config = out.entry("output_config").or_insert_with(|| json!({}));
        if let Some(config) = config.as_object_mut() {
            let made = schema::clean(schema);
            config.insert("format".to_owned(), json!({"type": "json_schema", "schema": made}));
        }
        return Ok(());
    }
    if schema.get("type").is_some_and(|kind| kind != "object") {
        return Err(unsupported("\"response_format\": this model writes JSON as an object only"));
    }
    let mut schema = schema.clone();
    schema["type"] = json!("object");
    // Anthropic takes no demand for a tool while the model thinks; it may then answer in text, as litellm has it too.
    let thinks = out.get("thinking").is_some_and(|thinking| thinking["type"] != "disabled");
    let choice = out.shift_remove("tool_choice");
    let choice = match choice.as_ref().and_then(|choice| choice["type"].as_str()) {
        // One of the client's tools has to be called, so that there is no answer to write.
        Some("any" | "tool") => {
            out.extend(choice.map(|choice| ("tool_choice".to_owned(), choice)));
            return Ok(());
        }
        _ if thinks => choice.filter(|choice| choice["type"] == "auto"),
        Some("none") => Some(json!({"type": "tool", "name": JSON_TOOL})),
        _ if !out.contains_key("tools") => Some(json!({"type": "tool", "name": JSON_TOOL})),
        // The answer is a call of one of the client's tools, or JSON.
        _ => {
            let mut choice = choice.unwrap_or_else(|| json!({}));
            choice["type"] = json!("any");
            Some(choice)
        }
    };
    let tool = json!({
        "name": JSON_TOOL,
        "description": "Writes the answer. Call it once, with the whole answer.",
        "input_schema": schema,
    });
    if let Some(tools) = out.entry("tools").or_insert_with(|| json!([])).as_array_mut() {
        tools.push(tool);
    }
    out.extend(choice.map(|choice| ("tool_choice".to_owned(), choice)));
    Ok(())
}

/// Claude has no JSON mode without a schema. OpenAI demands that the prompt ask for JSON too, so this repeats it.
fn ask_in_words(out: &mut Map<String, Value>) {
    let words = json!({"type": "text", "text": "Answer with one JSON object and nothing else, without a code fence."});
    if let Some(system) = out.entry("system").or_insert_with(|| json!([])).as_array_mut() {
        system.push(words);
    }
}
