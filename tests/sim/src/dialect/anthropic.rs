//! Anthropic Messages: events, whole answers, errors, and what a request says.

use serde_json::{Value, json};

use super::{Call, Meta, Usage, quote};

/// What stands before a call whose signature must come back.
const THOUGHT: &str = "Die Flut will gefragt sein. 潮";

fn usage_json(usage: Usage) -> String {
    let Usage { prompt, cached, completion, thoughts } = usage;
    // Anthropic counts what came from its cache beside the input, and thoughts within the output.
    let (input, output) = (prompt - cached, completion + thoughts);
    let details = if thoughts > 0 {
        format!(r#","output_tokens_details":{{"thinking_tokens":{thoughts}}}"#)
    } else {
        String::new()
    };
    format!(
        r#"{{"input_tokens":{input},"cache_creation_input_tokens":0,"cache_read_input_tokens":{cached},"output_tokens":{output}{details}}}"#
    )
}

/// The event that opens a stream. The output is counted as it grows: one token so far.
pub(crate) fn start(meta: &Meta) -> String {
    let model = quote(&meta.model);
    let usage = usage_json(Usage { completion: 1, ..Usage::PLAIN });
    format!(
        r#"{{"type":"message_start","message":{{"id":"msg_sim","type":"message","role":"assistant","model":{model},"content":[],"stop_reason":null,"stop_sequence":null,"usage":{usage}}}}}"#
    )
}

/// Anthropic's keep-alive.
pub(crate) const PING: &str = r#"{"type": "ping"}"#;
/// The terminal marker.
pub(crate) const STOP: &str = r#"{"type":"message_stop"}"#;
/// Opens and closes the block of the answer's text.
pub(crate) const TEXT_START: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
pub(crate) const TEXT_STOP: &str = r#"{"type":"content_block_stop","index":0}"#;

pub(crate) fn text(text: &str) -> String {
    delta(0, &format!(r#"{{"type":"text_delta","text":{}}}"#, quote(text)))
}

fn delta(index: usize, delta: &str) -> String {
    format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#)
}

/// Why it ended, in OpenAI's word, and the counts: all of them, cumulative.
pub(crate) fn ended(reason: &str, usage: Usage) -> String {
    let (reason, usage) = (quote(stop_reason(reason)), usage_json(usage));
    format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":{reason},"stop_sequence":null}},"usage":{usage}}}"#
    )
}

fn stop_reason(openai: &str) -> &str {
    match openai {
        "stop" => "end_turn",
        "tool_calls" => "tool_use",
        other => other,
    }
}

/// The events of one round of calls: blocks one after the other, arguments in pieces; a signature has its thought before it.
pub(crate) fn calls(calls: &[Call]) -> Vec<String> {
    let mut events = Vec::new();
    let mut index = 0;
    for call in calls {
        if let Some(signature) = &call.signature {
            events.push(begin(index, r#"{"type":"thinking","thinking":"","signature":""}"#));
            events
                .push(delta(index, &format!(r#"{{"type":"thinking_delta","thinking":{}}}"#, quote(THOUGHT))));
            let signature = quote(signature);
            events.push(delta(index, &format!(r#"{{"type":"signature_delta","signature":{signature}}}"#)));
            events.push(end(index));
            index += 1;
        }
        let (id, name) = (quote(&call.id), quote(&call.name));
        events.push(begin(index, &format!(r#"{{"type":"tool_use","id":{id},"name":{name},"input":{{}}}}"#)));
        // The first piece is empty, as Anthropic sends it.
        let letters: Vec<char> = call.arguments.chars().collect();
        let pieces = letters.chunks(7).map(|piece| piece.iter().collect::<String>());
        for piece in std::iter::once(String::new()).chain(pieces) {
            let piece = quote(&piece);
            events.push(delta(index, &format!(r#"{{"type":"input_json_delta","partial_json":{piece}}}"#)));
        }
        events.push(end(index));
        index += 1;
    }
    events
}

fn begin(index: usize, block: &str) -> String {
    format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#)
}

fn end(index: usize) -> String {
    format!(r#"{{"type":"content_block_stop","index":{index}}}"#)
}

/// A whole answer; without `reason` it does not say why it stopped, which no complete answer leaves out.
pub(crate) fn whole(meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
    if meta.count {
        let tokens = reason.map_or("null".to_owned(), |_| usage.prompt.to_string());
        return format!(r#"{{"input_tokens":{tokens}}}"#);
    }
    let mut blocks = Vec::new();
    if calls.is_empty() {
        blocks.push(format!(r#"{{"type":"text","text":{}}}"#, quote(text)));
    }
    for call in calls {
        if let Some(signature) = &call.signature {
            let (thought, signature) = (quote(THOUGHT), quote(signature));
            blocks.push(format!(r#"{{"type":"thinking","thinking":{thought},"signature":{signature}}}"#));
        }
        let (id, name, input) = (quote(&call.id), quote(&call.name), &call.arguments);
        blocks.push(format!(r#"{{"type":"tool_use","id":{id},"name":{name},"input":{input}}}"#));
    }
    let reason = reason.map_or("null".to_owned(), |reason| quote(stop_reason(reason)));
    let (model, blocks, usage) = (quote(&meta.model), blocks.join(","), usage_json(usage));
    format!(
        r#"{{"id":"msg_sim","type":"message","role":"assistant","model":{model},"content":[{blocks}],"stop_reason":{reason},"stop_sequence":null,"usage":{usage}}}"#
    )
}

/// An error, in an answer of this status or as an event that stands for it.
pub(crate) fn error(status: u16, message: &str) -> String {
    let kind = match status {
        400 | 422 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        _ => "api_error",
    };
    let message = quote(message);
    format!(
        r#"{{"type":"error","error":{{"details":null,"type":"{kind}","message":{message}}},"request_id":"req_sim"}}"#
    )
}

/// Model ids `sim-NAME`.
pub(crate) fn models<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let one = |name| {
        let id = format!("sim-{name}");
        json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-06-15T15:06:40Z"})
    };
    let data: Vec<Value> = names.map(one).collect();
    let at = |index: usize| data.get(index).map(|model| model["id"].clone());
    let (first, last) = (at(0), at(data.len().saturating_sub(1)));
    json!({"data": data, "has_more": false, "first_id": first, "last_id": last}).to_string()
}

fn messages(body: &Value) -> &[Value] {
    body["messages"].as_array().map_or(&[], Vec::as_slice)
}

fn blocks(content: &Value) -> &[Value] {
    content.as_array().map_or(&[], Vec::as_slice)
}

fn content_text(content: &Value) -> String {
    match content.as_str() {
        Some(text) => text.to_owned(),
        None => {
            blocks(content).iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
    }
}

/// The text of the last user message that has text: results of tools are user messages too.
pub(crate) fn last_user_text(body: &Value) -> String {
    let of_user = messages(body).iter().rev().filter(|message| message["role"] == "user");
    of_user.map(|message| content_text(&message["content"])).find(|text| !text.is_empty()).unwrap_or_default()
}

/// What arrived: images, tools, system text, number of messages.
pub(crate) fn describe(body: &Value) -> Value {
    let all = messages(body).iter().flat_map(|message| blocks(&message["content"]));
    let images: Vec<Value> = all
        .filter(|block| block["type"] == "image")
        .map(|block| match block["source"]["data"].as_str() {
            Some(data) => json!({"mime": block["source"]["media_type"], "base64_length": data.len()}),
            None => json!({"url": block["source"]["url"]}),
        })
        .collect();
    let system = content_text(&body["system"]);
    json!({"images": images, "tools": tool_names(body), "system": system, "messages": messages(body).len()})
}

pub(crate) fn tool_names(body: &Value) -> Vec<String> {
    blocks(&body["tools"]).iter().filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect()
}

/// Whether the history has a tool's result, and whether each message with calls kept the thought of `signature`.
pub(crate) fn tool_history(body: &Value, signature: &str) -> (bool, bool) {
    let has = |content: &Value, kind: &str| blocks(content).iter().any(|block| block["type"] == kind);
    let answered = messages(body).iter().any(|message| has(&message["content"], "tool_result"));
    let mut calling =
        messages(body).iter().map(|it| &it["content"]).filter(|content| has(content, "tool_use"));
    let kept =
        calling.all(|content| content[0]["type"] == "thinking" && content[0]["signature"] == signature);
    (answered, kept)
}
