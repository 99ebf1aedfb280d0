//! OpenAI chat completions: chunks, whole answers, errors, and what a request says.

use serde_json::{Value, json};

use super::{Call, Meta, Usage, quote};

const HEAD: &str = r#""id":"chatcmpl-sim""#;
/// A fixed time, so that the bytes are the same in every run.
const CREATED: u32 = 1_750_000_000;

fn chunk(meta: &Meta, choices: &str, usage: Option<Usage>) -> String {
    let usage = match usage {
        Some(usage) => format!(r#","usage":{}"#, usage_json(usage)),
        None if meta.include_usage => r#","usage":null"#.to_owned(),
        None => String::new(),
    };
    let model = quote(&meta.model);
    format!(
        r#"{{{HEAD},"object":"chat.completion.chunk","created":{CREATED},"model":{model},"system_fingerprint":"fp_sim","choices":[{choices}]{usage}}}"#
    )
}

fn delta(meta: &Meta, delta: &str, finish: Option<&str>) -> String {
    let finish = finish.map_or("null".to_owned(), quote);
    chunk(meta, &format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}"#), None)
}

pub(crate) fn role(meta: &Meta) -> String {
    delta(meta, r#"{"role":"assistant","content":"","refusal":null}"#, None)
}

pub(crate) fn text(meta: &Meta, text: &str) -> String {
    delta(meta, &format!(r#"{{"content":{}}}"#, quote(text)), None)
}

pub(crate) fn finish(meta: &Meta, reason: &str) -> String {
    delta(meta, "{}", Some(reason))
}

/// The extra chunk that `include_usage` asks for.
pub(crate) fn usage(meta: &Meta, usage: Usage) -> String {
    chunk(meta, "", Some(usage))
}

/// The chunks of one round of calls: each call's opening, then its arguments in pieces, interleaved.
pub(crate) fn calls(meta: &Meta, calls: &[Call]) -> Vec<String> {
    let mut chunks = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let (id, name) = (quote(&call.id), quote(&call.name));
        let extra = extra_content(call);
        let open = format!(
            r#"{{"tool_calls":[{{"index":{index},"id":{id},"type":"function","function":{{"name":{name},"arguments":""}}{extra}}}]}}"#
        );
        chunks.push(delta(meta, &open, None));
    }
    let pieces: Vec<Vec<String>> = calls.iter().map(|call| in_pieces(&call.arguments)).collect();
    for round in 0..pieces.iter().map(Vec::len).max().unwrap_or(0) {
        for (index, piece) in
            pieces.iter().enumerate().filter_map(|(index, of)| Some((index, of.get(round)?)))
        {
            let piece = quote(piece);
            let more =
                format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":{piece}}}}}]}}"#);
            chunks.push(delta(meta, &more, None));
        }
    }
    chunks
}

/// Where Google's OpenAI-compatible endpoint puts a thought signature.
fn extra_content(call: &Call) -> String {
    call.signature.as_ref().map_or(String::new(), |signature| {
        format!(r#","extra_content":{{"google":{{"thought_signature":{}}}}}"#, quote(signature))
    })
}

fn in_pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(7).map(|piece| piece.iter().collect()).collect()
}

/// A whole answer. Without `reason` its finish is `null`, which no complete answer has.
pub(crate) fn whole(meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
    let finish = reason.map_or("null".to_owned(), quote);
    let content = if text.is_empty() && !calls.is_empty() { "null".to_owned() } else { quote(text) };
    let calls: Vec<String> = calls
        .iter()
        .map(|call| {
            let (id, name, arguments) = (quote(&call.id), quote(&call.name), quote(&call.arguments));
            let extra = extra_content(call);
            format!(
                r#"{{"id":{id},"type":"function","function":{{"name":{name},"arguments":{arguments}}}{extra}}}"#
            )
        })
        .collect();
    let calls =
        if calls.is_empty() { String::new() } else { format!(r#","tool_calls":[{}]"#, calls.join(",")) };
    let (model, usage) = (quote(&meta.model), usage_json(usage));
    format!(
        r#"{{{HEAD},"object":"chat.completion","created":{CREATED},"model":{model},"choices":[{{"index":0,"message":{{"role":"assistant","content":{content},"refusal":null{calls}}},"logprobs":null,"finish_reason":{finish}}}],"usage":{usage},"system_fingerprint":"fp_sim"}}"#
    )
}

/// OpenAI counts reasoning as part of the completion.
fn usage_json(usage: Usage) -> String {
    let (prompt, cached, thoughts) = (usage.prompt, usage.cached, usage.thoughts);
    let (completion, total) = (usage.completion + thoughts, usage.total());
    format!(
        r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total},"prompt_tokens_details":{{"cached_tokens":{cached},"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":{thoughts},"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#
    )
}

pub(crate) fn error(status: u16, message: &str) -> String {
    let (kind, code) = match status {
        400 => ("invalid_request_error", "null"),
        401 => ("invalid_request_error", r#""invalid_api_key""#),
        403 => ("invalid_request_error", r#""unsupported_country_region_territory""#),
        404 => ("invalid_request_error", r#""model_not_found""#),
        429 => ("requests", r#""rate_limit_exceeded""#),
        503 => ("server_error", r#""service_unavailable""#),
        _ => ("server_error", "null"),
    };
    let message = quote(message);
    format!(r#"{{"error":{{"message":{message},"type":"{kind}","param":null,"code":{code}}}}}"#)
}

/// Model ids `sim-NAME`.
pub(crate) fn models<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let data: Vec<Value> = names
        .map(|name| json!({"id": format!("sim-{name}"), "object": "model", "created": CREATED, "owned_by": "sim"}))
        .collect();
    json!({"object": "list", "data": data}).to_string()
}

/// The text of the last message with role `user`; else the prompt of a completion, or the input of an embedding.
pub(crate) fn last_user_text(body: &Value) -> String {
    if let Some(text) = ["prompt", "input"].iter().find_map(|name| body[name].as_str()) {
        return text.to_owned();
    }
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let last = messages.iter().rev().find(|message| message["role"] == "user");
    last.map(|message| content_text(&message["content"])).unwrap_or_default()
}

fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// What arrived: images, tools, system text, number of messages.
pub(crate) fn describe(body: &Value) -> Value {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let parts = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
    let images: Vec<Value> = parts
        .filter_map(|part| part["image_url"]["url"].as_str())
        .map(|url| match url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
            Some((mime, data)) => json!({"mime": mime, "base64_length": data.len()}),
            None => json!({"url": url}),
        })
        .collect();
    let system: Vec<String> = messages
        .iter()
        .filter(|message| message["role"] == "system" || message["role"] == "developer")
        .map(|message| content_text(&message["content"]))
        .collect();
    json!({"images": images, "tools": tool_names(body), "system": system.join("\n"), "messages": messages.len()})
}

pub(crate) fn tool_names(body: &Value) -> Vec<String> {
    let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).map(str::to_owned).collect()
}

/// Whether the history has a tool's result, and whether each call in it kept `signature`.
pub(crate) fn tool_history(body: &Value, signature: &str) -> (bool, bool) {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let mut calls = messages.iter().filter_map(|message| message["tool_calls"].as_array()).flatten();
    let kept = calls.all(|call| call["extra_content"]["google"]["thought_signature"] == signature);
    (messages.iter().any(|message| message["role"] == "tool"), kept)
}
