//! Amazon Bedrock's Converse: events, whole answers, errors, and what a request says.
//!
//! An event is passed on as an object of one member, its type; [`frame`] makes the frame of it. An error is an object with
//! `__type`, which is an HTTP error's body as it stands, and an exception's frame.

use serde_json::{Map, Value, json};

use super::{Call, Usage, quote};

/// What stands before a call whose signature must come back.
const THOUGHT: &str = "Die Flut will gefragt sein. 潮";
/// What Bedrock pads its events with, so that their lengths tell nothing.
const PAD: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

fn event(name: &str, members: &str) -> String {
    format!(r#"{{"{name}":{{{members}}}}}"#)
}

fn delta(index: usize, delta: &str) -> String {
    event("contentBlockDelta", &format!(r#""contentBlockIndex":{index},"delta":{{{delta}}}"#))
}

pub(crate) fn start() -> String {
    event("messageStart", r#""role":"assistant""#)
}

pub(crate) fn text(text: &str) -> String {
    delta(0, &format!(r#""text":{}"#, quote(text)))
}

pub(crate) fn block_stop(index: usize) -> String {
    event("contentBlockStop", &format!(r#""contentBlockIndex":{index}"#))
}

fn stop_reason(openai: &str) -> &str {
    match openai {
        "stop" => "end_turn",
        "tool_calls" => "tool_use",
        other => other,
    }
}

/// Why it ended, in OpenAI's word.
pub(crate) fn stopped(reason: &str) -> String {
    event("messageStop", &format!(r#""stopReason":{}"#, quote(stop_reason(reason))))
}

pub(crate) fn metadata(usage: Usage) -> String {
    event("metadata", &format!(r#""metrics":{{"latencyMs":412}},"usage":{}"#, usage_json(usage)))
}

/// Bedrock counts what came from its cache beside the input, and thoughts within the output.
fn usage_json(usage: Usage) -> String {
    let Usage { prompt, cached, completion, thoughts } = usage;
    let (input, output, total) = (prompt - cached, completion + thoughts, usage.total());
    let cache = if cached > 0 {
        format!(r#""cacheReadInputTokenCount":{cached},"cacheReadInputTokens":{cached},"#)
    } else {
        String::new()
    };
    format!(
        r#"{{{cache}"inputTokens":{input},"outputTokens":{output},"serverToolUsage":{{}},"totalTokens":{total}}}"#
    )
}

/// The events of one round of calls: blocks one after the other, arguments in pieces; a signature has its thought before it.
pub(crate) fn calls(calls: &[Call]) -> Vec<String> {
    let mut events = Vec::new();
    let mut index = 0;
    for call in calls {
        if let Some(signature) = &call.signature {
            events.push(delta(index, &format!(r#""reasoningContent":{{"text":{}}}"#, quote(THOUGHT))));
            events.push(delta(index, &format!(r#""reasoningContent":{{"signature":{}}}"#, quote(signature))));
            events.push(block_stop(index));
            index += 1;
        }
        let (id, name) = (quote(&call.id), quote(&call.name));
        let start = format!(
            r#""contentBlockIndex":{index},"start":{{"toolUse":{{"name":{name},"toolUseId":{id}}}}}"#
        );
        events.push(event("contentBlockStart", &start));
        let letters: Vec<char> = call.arguments.chars().collect();
        let pieces = letters.chunks(7).map(|piece| piece.iter().collect::<String>());
        for piece in std::iter::once(String::new()).chain(pieces) {
            events.push(delta(index, &format!(r#""toolUse":{{"input":{}}}"#, quote(&piece))));
        }
        events.push(block_stop(index));
        index += 1;
    }
    events
}

/// A whole answer; without `reason` it does not say why it stopped, which no complete answer leaves out.
pub(crate) fn whole(text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
    let mut blocks = Vec::new();
    if calls.is_empty() {
        blocks.push(format!(r#"{{"text":{}}}"#, quote(text)));
    }
    for call in calls {
        if let Some(signature) = &call.signature {
            let (signature, text) = (quote(signature), quote(THOUGHT));
            blocks.push(format!(
                r#"{{"reasoningContent":{{"reasoningText":{{"signature":{signature},"text":{text}}}}}}}"#
            ));
        }
        let (id, name, input) = (quote(&call.id), quote(&call.name), &call.arguments);
        blocks.push(format!(r#"{{"toolUse":{{"input":{input},"name":{name},"toolUseId":{id}}}}}"#));
    }
    let (blocks, usage) = (blocks.join(","), usage_json(usage));
    let reason =
        reason.map_or(String::new(), |reason| format!(r#""stopReason":{},"#, quote(stop_reason(reason))));
    format!(
        r#"{{"metrics":{{"latencyMs":412}},"output":{{"message":{{"content":[{blocks}],"role":"assistant"}}}},{reason}"usage":{usage}}}"#
    )
}

/// The exception of a status, as the header `x-amzn-errortype` names it.
pub(crate) fn exception(status: u16) -> &'static str {
    match status {
        400 | 402 | 413 | 422 => "ValidationException",
        401 => "UnrecognizedClientException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 | 504 => "ModelTimeoutException",
        424 | 502 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        _ => "InternalServerException",
    }
}

pub(crate) fn error(status: u16, message: &str) -> String {
    format!(r#"{{"__type":"{}","message":{}}}"#, exception(status), quote(message))
}

/// The failure of the model's server, which gave this status.
pub(crate) fn model_error(status: u16) -> String {
    format!(
        r#"{{"__type":"ModelStreamErrorException","message":"The model's server failed.","originalStatusCode":{status}}}"#
    )
}

/// The bytes of one event or exception; `nth` decides how much it is padded. What is neither is a delta's payload as it stands.
pub fn frame(json: &str, nth: usize) -> Vec<u8> {
    let object = serde_json::from_str::<Map<String, Value>>(json).unwrap_or_default();
    if let Some(name) = object.get("__type").and_then(Value::as_str) {
        let name = name[..1].to_ascii_lowercase() + &name[1..];
        let members: Vec<String> = object
            .iter()
            .filter(|(member, _)| *member != "__type")
            .map(|(member, value)| format!("{}:{value}", quote(member)))
            .collect();
        return encode(
            ":exception-type",
            &name,
            "exception",
            format!("{{{}}}", members.join(",")).as_bytes(),
        );
    }
    let inner = object.keys().next().filter(|_| object.len() == 1).and_then(|name| {
        let inner = json.strip_prefix(&format!(r#"{{"{name}":{{"#))?.strip_suffix("}}")?;
        Some((name.as_str(), format!(r#"{{{inner},"p":"{}"}}"#, &PAD[..nth * 7 % PAD.len()])))
    });
    match inner {
        Some((name, payload)) => encode(":event-type", name, "event", payload.as_bytes()),
        None => delta_frame(json.as_bytes()),
    }
}

/// A delta whose payload may be anything.
pub(crate) fn delta_frame(payload: &[u8]) -> Vec<u8> {
    encode(":event-type", "contentBlockDelta", "event", payload)
}

/// The first bytes of a frame of this length, as right as they can be.
pub(crate) fn prelude(length: u32, headers: u32) -> Vec<u8> {
    let mut out = [length.to_be_bytes(), headers.to_be_bytes()].concat();
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

fn encode(kind: &str, name: &str, message: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(kind, name), (":content-type", "application/json"), (":message-type", message)] {
        headers.push(name.len() as u8);
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let mut out = prelude((16 + headers.len() + payload.len()) as u32, headers.len() as u32);
    out.extend_from_slice(&headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts(blocks: &Value) -> String {
    list(blocks).iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// The text of the last user message that has text: results of tools are user messages too.
pub(crate) fn last_user_text(body: &Value) -> String {
    let of_user = list(&body["messages"]).iter().rev().filter(|message| message["role"] == "user");
    of_user.map(|message| texts(&message["content"])).find(|text| !text.is_empty()).unwrap_or_default()
}

fn blocks(body: &Value) -> impl Iterator<Item = &Value> {
    list(&body["messages"]).iter().flat_map(|message| list(&message["content"]))
}

/// What arrived: images, tools, system text, number of messages.
pub(crate) fn describe(body: &Value) -> Value {
    let images: Vec<Value> = blocks(body)
        .filter(|block| block.get("image").is_some())
        .map(|block| {
            let bytes = block["image"]["source"]["bytes"].as_str().unwrap_or_default();
            let mime = format!("image/{}", block["image"]["format"].as_str().unwrap_or_default());
            json!({"mime": mime, "base64_length": bytes.len()})
        })
        .collect();
    let (system, messages) = (texts(&body["system"]), list(&body["messages"]).len());
    json!({"images": images, "tools": tool_names(body), "system": system, "messages": messages})
}

pub(crate) fn tool_names(body: &Value) -> Vec<String> {
    let tools = list(&body["toolConfig"]["tools"]).iter();
    tools.filter_map(|tool| tool["toolSpec"]["name"].as_str()).map(str::to_owned).collect()
}

/// Whether the history has a tool's result, and whether the thought before each call kept `signature`.
pub(crate) fn tool_history(body: &Value, signature: &str) -> (bool, bool) {
    let answered = blocks(body).any(|block| block.get("toolResult").is_some());
    let count = |is: &dyn Fn(&Value) -> bool| blocks(body).filter(|block| is(block)).count();
    let calls = count(&|block| block.get("toolUse").is_some());
    let kept = count(&|block| block["reasoningContent"]["reasoningText"]["signature"] == signature);
    (answered, kept >= calls)
}
