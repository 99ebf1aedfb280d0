//! The parameters of a request, by their names in a chat completion.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Draft, tools};

/// OpenAI refuses a longer `user`. Claude Code's begins with the account, so that what is kept tells users apart.
const USER_LENGTH: usize = 64;

/// Hints about caching, cost or diagnosis, which change no answer.
const HINTS: [&str; 3] = ["cache_control", "diagnostics", "service_tier"];

/// Those that keep their name.
const KEPT: [&str; 4] = ["max_tokens", "temperature", "top_p", "top_k"];

pub(super) fn translate(members: &[(String, &RawValue)], out: &mut Draft) -> Result<(), String> {
    for (name, raw) in members.iter().filter(|(_, raw)| raw.get() != "null") {
        let name = name.as_str();
        if let Some(kept) = KEPT.iter().find(|kept| **kept == name) {
            out.put(kept, raw)?;
            continue;
        }
        match name {
            "model" | "messages" | "system" | "stream" => {}
            "stop_sequences" => {
                let list: Vec<String> = read(name, raw, "a list of texts")?;
                if !list.is_empty() {
                    out.put("stop", &list)?;
                }
            }
            "thinking" => thinking(raw, out)?,
            "metadata" => metadata(raw, out)?,
            "tools" => tools::tools(raw, out)?,
            // With the tools, without which it means nothing.
            "tool_choice" => {}
            "output_config" => output_config(raw, out)?,
            // The name of `output_config.format` while it was tried out.
            "output_format" => response_format(name, raw, out)?,
            "context_management" => context_management(raw, out)?,
            "speed" if raw.get() == "\"standard\"" => {}
            "mcp_servers" | "betas" if raw.get().trim_start_matches('[').trim_start() == "]" => {}
            "service_tier" if raw.get() == "\"auto\"" => {}
            name if HINTS.contains(&name) => out.leave_out(name),
            name => out.cannot_cross(format!("\"{name}\""))?,
        }
    }
    let choice = members.iter().find(|(name, raw)| name == "tool_choice" && raw.get() != "null");
    match choice {
        Some((_, raw)) if out.has("tools") => tools::choice(raw, out),
        _ => Ok(()),
    }
}

fn read<'a, T: serde::Deserialize<'a>>(name: &str, raw: &'a RawValue, form: &str) -> Result<T, String> {
    serde_json::from_str(raw.get()).map_err(|_| format!("\"{name}\" must be {form}"))
}

/// It stays in Anthropic's words, for providers that know them; `dialects::narrow` takes it out for all others.
fn thinking(raw: &RawValue, out: &mut Draft) -> Result<(), String> {
    let thinking: Value = read("thinking", raw, "an object")?;
    match thinking.get("type").and_then(Value::as_str) {
        Some("enabled" | "disabled" | "adaptive") => out.put("thinking", raw),
        // When to think is the other model's own business.
        Some("between_tools") => out.put("thinking", &json!({"type": "adaptive"})),
        _ => Err("\"thinking\" must have the type enabled, disabled or adaptive".to_owned()),
    }
}

fn metadata(raw: &RawValue, out: &mut Draft) -> Result<(), String> {
    let metadata: Map<String, Value> = read("metadata", raw, "an object")?;
    match metadata.get("user_id") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(user)) => {
            let short: String = user.chars().take(USER_LENGTH).collect();
            out.put("user", &short)
        }
        Some(_) => Err("\"metadata.user_id\" must be text".to_owned()),
    }
}

/// `effort` goes the way of `thinking`.
fn output_config(raw: &RawValue, out: &mut Draft) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Format<'a> {
        #[serde(borrow)]
        format: Option<&'a RawValue>,
    }
    let Format { format } = read("output_config", raw, "an object")?;
    let config: Map<String, Value> = read("output_config", raw, "an object")?;
    if let Some(format) = format.filter(|format| format.get() != "null") {
        response_format("output_config.format", format, out)?;
    }
    for (name, value) in config.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "format" => {}
            "effort" => out.put("output_config", &json!({"effort": value}))?,
            name => out.cannot_cross(format!("\"output_config.{name}\""))?,
        }
    }
    Ok(())
}

fn response_format(name: &str, raw: &RawValue, out: &mut Draft) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Format<'a> {
        r#type: String,
        #[serde(borrow)]
        schema: &'a RawValue,
    }
    #[derive(serde::Serialize)]
    struct Wrapped<'a> {
        r#type: &'a str,
        json_schema: Schema<'a>,
    }
    #[derive(serde::Serialize)]
    struct Schema<'a> {
        name: &'a str,
        schema: &'a RawValue,
        strict: bool,
    }
    let format: Format<'_> = read(name, raw, "an object with \"type\" and \"schema\"")?;
    if format.r#type != "json_schema" {
        return Err(format!("\"{name}\" must have the type json_schema"));
    }
    let json_schema = Schema { name: "answer", schema: format.schema, strict: true };
    out.put("response_format", &Wrapped { r#type: "json_schema", json_schema })
}

/// Edits that clear what is old only make a prompt shorter, so that leaving them out is no reason to refuse; Claude Code asks
/// for them in every request. Any other edit puts something into the answer.
fn context_management(raw: &RawValue, out: &mut Draft) -> Result<(), String> {
    let management: Value = read("context_management", raw, "an object")?;
    let edits = management.get("edits").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let kind = |edit: &Value| edit.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match edits.iter().map(kind).find(|kind| !kind.starts_with("clear_")) {
        Some(kind) => out.cannot_cross(format!("\"context_management\" with the edit {kind:?}")),
        None if edits.is_empty() => Ok(()),
        None => {
            out.leave_out("context_management");
            Ok(())
        }
    }
}
