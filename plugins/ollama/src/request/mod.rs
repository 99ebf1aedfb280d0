//! An OpenAI chat completion request as one of `POST /api/chat`.

mod messages;

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault};

/// OpenAI's parameters that are options there, with Ollama's name.
const OPTIONS: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("seed", "seed"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("max_tokens", "num_predict"),
    ("max_completion_tokens", "num_predict"),
];

/// Options of Ollama's own, which stand beside OpenAI's parameters in a configuration: its API reference's `options`.
const OWN: &[&str] = &[
    "num_ctx",
    "num_predict",
    "num_keep",
    "repeat_last_n",
    "repeat_penalty",
    "min_p",
    "typical_p",
    "tfs_z",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "penalize_newline",
    "numa",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "use_mmap",
    "use_mlock",
    "low_vram",
];

/// Members of the request itself that a client may write in Ollama's own way.
const DIRECT: &[&str] = &["keep_alive", "think", "format", "logprobs", "top_logprobs"];

/// Read with the tools.
const TOOLS: &[&str] = &["tools", "functions", "tool_choice", "function_call", "parallel_tool_calls"];

/// Translates the body. What cannot be said is refused by name, or `dropped`.
pub(crate) fn translate(
    body: &Value,
    model: &str,
    stream: bool,
    dropped: &mut Dropped,
) -> Result<Value, Fault> {
    let body = body.as_object().ok_or_else(|| invalid("the request body is not a JSON object"))?;
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("\"messages\" must be a list of messages"))?;
    let mut made = Map::new();
    made.insert("model".into(), model.into());
    made.insert("messages".into(), messages::translate(messages)?.into());
    made.insert("stream".into(), stream.into());
    let mut options = match body.get("options") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(options)) => options.clone(),
        Some(_) => return Err(invalid("\"options\" must be an object")),
    };
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        let known = parameter(name, value, model, &mut made, &mut options)?;
        if !known {
            dropped.parameter(name, value, "Ollama")?;
        }
    }
    choose_tools(body, &mut made, dropped)?;
    dropped.marks(body, &[]);
    if !options.is_empty() {
        made.insert("options".into(), Value::Object(options));
    }
    Ok(Value::Object(made))
}

/// Takes one parameter; whether it can be said.
fn parameter(
    name: &str,
    value: &Value,
    model: &str,
    made: &mut Map<String, Value>,
    options: &mut Map<String, Value>,
) -> Result<bool, Fault> {
    let renamed = OPTIONS.iter().find(|(openai, _)| *openai == name).map(|(_, own)| *own);
    if let Some(own) = renamed.or_else(|| OWN.iter().find(|own| **own == name).copied()) {
        options.insert(own.to_owned(), value.clone());
        return Ok(true);
    }
    match name {
        name if TOOLS.contains(&name) || name == "options" => {}
        name if DIRECT.contains(&name) => {
            made.insert(name.to_owned(), value.clone());
        }
        "stop" => {
            let stop = if value.is_string() { json!([value]) } else { value.clone() };
            options.insert("stop".into(), stop);
        }
        "response_format" => {
            if let Some(format) = format(value)? {
                made.insert("format".into(), format);
            }
        }
        "reasoning_effort" => {
            made.entry("think").or_insert(effort(value, model)?);
        }
        "thinking" => {
            let thinks = value["type"].as_str().map(|kind| kind != "disabled");
            let thinks = thinks.ok_or_else(|| invalid("\"thinking\" needs a \"type\""))?;
            made.entry("think").or_insert(thinks.into());
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// A structured answer: any JSON, or by a schema.
fn format(value: &Value) -> Result<Option<Value>, Fault> {
    match value["type"].as_str() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some("json".into())),
        Some("json_schema") => match &value["json_schema"]["schema"] {
            schema @ Value::Object(_) => Ok(Some(schema.clone())),
            _ => Err(invalid("\"response_format\": \"json_schema\" needs a \"schema\"")),
        },
        _ => Err(invalid("\"response_format\" must be of type text, json_object or json_schema")),
    }
}

/// gpt-oss thinks as hard as it is told; other models think, or do not.
fn effort(value: &Value, model: &str) -> Result<Value, Fault> {
    let word = value.as_str().ok_or_else(|| invalid("\"reasoning_effort\" must be a text"))?;
    let graded = model.rsplit('/').next().is_some_and(|name| name.starts_with("gpt-oss"));
    match word {
        "none" => Ok(false.into()),
        "minimal" => Ok(if graded { "low".into() } else { false.into() }),
        "low" | "medium" | "high" => Ok(if graded { word.into() } else { true.into() }),
        "xhigh" | "max" => Ok(if graded { "high".into() } else { true.into() }),
        _ => Err(invalid(format!("\"reasoning_effort\": {word:?} is not known"))),
    }
}

/// The tools, unless the client wants none of them called.
fn choose_tools(
    body: &Map<String, Value>,
    made: &mut Map<String, Value>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let written = |name: &str| body.get(name).filter(|value| !value.is_null());
    let choice = written("tool_choice").or_else(|| written("function_call"));
    match choice.map(|choice| choice.as_str()) {
        None | Some(Some("auto")) => {}
        Some(Some("none")) => return Ok(()),
        Some(_) => dropped.content(
            "tool_choice",
            "\"tool_choice\": Ollama leaves it to the model whether it calls a tool; only \"auto\" and \"none\" can be said",
        )?,
    }
    dropped.parallel_tool_calls(body, "Ollama")?;
    let mut tools = Vec::new();
    if let Some(list) = written("tools") {
        let list = list.as_array().ok_or_else(|| invalid("\"tools\" must be a list"))?;
        for (index, tool) in list.iter().enumerate() {
            if tool["type"] != "function" || !tool["function"].is_object() {
                return Err(unsupported(format!("tools[{index}]: only functions are known")));
            }
            tools.push(tool.clone());
        }
    }
    if let Some(list) = written("functions") {
        let list = list.as_array().ok_or_else(|| invalid("\"functions\" must be a list"))?;
        tools.extend(list.iter().map(|function| json!({"type": "function", "function": function})));
    }
    if !tools.is_empty() {
        made.insert("tools".into(), tools.into());
    }
    Ok(())
}

fn invalid(text: impl Into<String>) -> Fault {
    Fault::Invalid(text.into())
}

fn unsupported(text: impl Into<String>) -> Fault {
    Fault::Unsupported(text.into())
}
