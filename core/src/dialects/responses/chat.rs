//! A request as a chat completion.

use serde_json::{Map, Value, json};

use super::crossing::{Crossing, refusal};
use super::items;
use super::tools::Tools;
use crate::dialects::{Chat, Request, body};

/// Said in a chat completion by the same name.
const SAME: [&str; 11] = [
    "temperature",
    "top_p",
    "user",
    // Not of this dialect; litellm's clients send them all the same.
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "top_k",
    "thinking",
    "logit_bias",
    "safety_settings",
];

/// What says nothing about the answer: who asks for it, where it is kept, how it is cached. It is left out.
const ADVICE: [&str; 7] = [
    "store",
    "client_metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "background_options",
    "access_programs",
];

/// What asks for nothing here: an answer repeats the metadata, and the rest is of this gateway's business, of padding, and of
/// tools that the provider's servers carry out, of which there are none.
const SILENT: [&str; 6] =
    ["metadata", "stream_options", "safety_identifier", "litellm_metadata", "drop_params", "max_tool_calls"];

/// Read elsewhere.
const READ: [&str; 18] = [
    "model",
    "input",
    "instructions",
    "stream",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "top_logprobs",
    "include",
    "text",
    "reasoning",
    "service_tier",
    "truncation",
    "background",
    "previous_response_id",
    "conversation",
    "prompt",
];

/// See [`crate::dialects::Speak::own_name`].
pub(super) fn own_name(chat: &str) -> Option<&'static str> {
    Some(match chat {
        "max_tokens" | "max_completion_tokens" => "max_output_tokens",
        "reasoning_effort" => "reasoning.effort",
        "response_format" => "text.format",
        "verbosity" => "text.verbosity",
        "logprobs" => "include.message.output_text.logprobs",
        "image_url.detail" => "input_image.detail",
        "reasoning_content" => "input.reasoning",
        _ => return None,
    })
}

/// See [`crate::dialects::Speak::to_chat`].
pub(super) fn of(request: &Request, dropping: bool) -> Result<Chat, String> {
    let asked: Value = serde_json::from_slice(&request.body)
        .map_err(|error| format!("the request body is not valid JSON: {error}"))?;
    let mut crossing = Crossing::new(dropping);
    unsayable(&asked, &mut crossing)?;
    let mut tools = Tools::of(&asked, &mut crossing)?;
    let messages = items::messages(&asked, &tools, &mut crossing)?;
    let mut chat = Map::new();
    chat.insert("messages".to_owned(), Value::Array(messages));
    if let Some(choice) = tools.choose(&asked["tool_choice"])?
        && !tools.is_empty()
    {
        chat.insert("tool_choice".to_owned(), choice);
    }
    if !tools.is_empty() {
        chat.insert("tools".to_owned(), Value::Array(tools.listed()));
        if asked["parallel_tool_calls"] == false {
            chat.insert("parallel_tool_calls".to_owned(), Value::Bool(false));
        }
    }
    settings(&asked, &mut chat, &mut crossing)?;
    if request.stream {
        chat.insert("stream".to_owned(), Value::Bool(true));
        chat.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    let model = Value::from(request.model.as_str()).to_string();
    let members: Vec<(String, String)> =
        chat.into_iter().map(|(name, value)| (name, value.to_string())).collect();
    let members = members.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let (body, model_at) = body::written(std::iter::once(("model", model.as_str())).chain(members));
    Ok(Chat { body, model_at, dropped: crossing.dropped })
}

/// What would need a server that remembers, or that nobody here has heard of.
fn unsayable(asked: &Value, crossing: &mut Crossing) -> Result<(), String> {
    for name in ["previous_response_id", "conversation"] {
        if !asked[name].is_null() {
            return Err(refusal(
                &format!("\"{name}\""),
                "this gateway stores no answers, so send the whole history as \"input\"",
            ));
        }
    }
    if !asked["prompt"].is_null() {
        return Err(refusal(
            "\"prompt\"",
            "the stored prompt is at a provider that does not answer this request",
        ));
    }
    if asked["background"] == true {
        crossing.cannot("\"background\"", "an answer is given at once or not at all")?;
    }
    if asked["truncation"] == "auto" {
        crossing.cannot("\"truncation\": \"auto\"", "the provider takes the history whole or refuses it")?;
    }
    for name in ADVICE.iter().filter(|name| !asked[**name].is_null() && asked[**name] != false) {
        crossing.leave_out(name);
    }
    if asked["user"].is_string() && asked["safety_identifier"].is_string() {
        crossing.leave_out("safety_identifier");
    }
    let lists = [&SAME[..], &ADVICE, &SILENT, &READ];
    let known = |name: &str| lists.iter().any(|list| list.contains(&name));
    let members = asked.as_object().map(Map::iter).into_iter().flatten();
    for (name, _) in members.filter(|(name, value)| !value.is_null() && !known(name)) {
        crossing.cannot(&format!("\"{name}\""), "a chat completion has no such parameter")?;
    }
    Ok(())
}

fn settings(asked: &Value, chat: &mut Map<String, Value>, crossing: &mut Crossing) -> Result<(), String> {
    let mut put = |name: &str, value: Value| {
        chat.insert(name.to_owned(), value);
    };
    for name in SAME.iter().filter(|name| !asked[**name].is_null()) {
        put(name, asked[*name].clone());
    }
    if asked["user"].is_null() && asked["safety_identifier"].is_string() {
        put("user", asked["safety_identifier"].clone());
    }
    if !asked["max_output_tokens"].is_null() {
        put("max_completion_tokens", asked["max_output_tokens"].clone());
    }
    if !asked["service_tier"].is_null() && asked["service_tier"] != "auto" {
        put("service_tier", asked["service_tier"].clone());
    }
    if !asked["reasoning"]["effort"].is_null() {
        put("reasoning_effort", asked["reasoning"]["effort"].clone());
    }
    if wants_logprobs(asked) {
        put("logprobs", Value::Bool(true));
        if let Some(count) = asked["top_logprobs"].as_u64().filter(|count| *count > 0) {
            put("top_logprobs", count.into());
        }
    }
    if let Some(format) = format(&asked["text"]["format"], crossing)? {
        put("response_format", format);
    }
    // A wish of style that only OpenAI's own models know; the middle is what comes anyway.
    if !asked["text"]["verbosity"].is_null() && asked["text"]["verbosity"] != "medium" {
        crossing.leave_out("text.verbosity");
    }
    Ok(())
}

/// Whether the tokens' probabilities were asked for.
fn wants_logprobs(asked: &Value) -> bool {
    let include = asked["include"].as_array().map_or(&[][..], Vec::as_slice);
    include.iter().any(|name| name == "message.output_text.logprobs")
        || asked["top_logprobs"].as_u64().is_some_and(|count| count > 0)
}

fn format(format: &Value, crossing: &mut Crossing) -> Result<Option<Value>, String> {
    match format["type"].as_str() {
        None | Some("text") => Ok(None),
        Some("json_object") => Ok(Some(json!({"type": "json_object"}))),
        Some("json_schema") => {
            let mut schema = json!({"name": format["name"], "schema": format["schema"]});
            for name in ["strict", "description"] {
                if !format[name].is_null() {
                    schema[name] = format[name].clone();
                }
            }
            Ok(Some(json!({"type": "json_schema", "json_schema": schema})))
        }
        Some(other) => {
            crossing.cannot(
                &format!("\"text.format\" of type \"{other}\""),
                "a chat completion has no such form",
            )?;
            Ok(None)
        }
    }
}
