//! Amazon Bedrock's Converse: events, whole answers, errors, and what a request says.
//!
//! An event is passed on as an object of one member, its type; [`frame`] makes the frame of it. An error is an object with
//! `__type`, which is an HTTP error's body as it stands, and an exception's frame.

use serde_json::{Map, Value, json};

use super::wire::{self, Wire};
use super::{Asked, Call, Meta, Said, Usage, What, in_pieces, list, quote, sentence};
use crate::auth::{Gate, Refusal};
use crate::http::Request;
use crate::scenario::Mode;
use crate::script::Script;

/// What stands before a call whose signature must come back.
const THOUGHT: &str = "Die Flut will gefragt sein. 潮";
/// What Bedrock pads its events with, so that their lengths tell nothing.
const PAD: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Converse and ConverseStream.
pub(crate) struct Bedrock;

impl Wire for Bedrock {
    /// `/model/ID/converse` and `/model/ID/converse-stream`.
    fn asked(&self, path: &str, _request: &Request) -> Option<Asked> {
        let (model, call) = path.split_once("/model/")?.1.rsplit_once('/')?;
        let mode = match call {
            "converse" => Mode::Whole,
            "converse-stream" => Mode::Stream,
            _ => return None,
        };
        let model = model.replace("%2F", "/").replace("%2f", "/");
        Some(Asked { mode: Some(mode), model: Some(model), what: What::Chat })
    }

    fn admit(&self, gate: &Gate<'_>) -> Result<(), Refusal> {
        let signed = gate.signed()?;
        gate.admit(self, signed || gate.is_key(gate.bearer()))
    }

    /// Results of tools are user messages too.
    fn last_user_text(&self, body: &Value) -> String {
        let of_user = list(&body["messages"]).iter().rev().filter(|message| message["role"] == "user");
        let mut said = of_user.map(|message| texts(&message["content"]));
        said.find(|text| !text.is_empty()).unwrap_or_default()
    }

    fn describe(&self, body: &Value) -> Value {
        let images: Vec<Value> = blocks(body)
            .filter(|block| block.get("image").is_some())
            .map(|block| {
                let bytes = block["image"]["source"]["bytes"].as_str().unwrap_or_default();
                let mime = format!("image/{}", block["image"]["format"].as_str().unwrap_or_default());
                json!({"mime": mime, "base64_length": bytes.len()})
            })
            .collect();
        let (system, messages) = (texts(&body["system"]), list(&body["messages"]).len());
        json!({"images": images, "tools": self.tool_names(body), "system": system, "messages": messages})
    }

    fn tool_names(&self, body: &Value) -> Vec<String> {
        let tools = list(&body["toolConfig"]["tools"]).iter();
        tools.filter_map(|tool| tool["toolSpec"]["name"].as_str()).map(str::to_owned).collect()
    }

    /// A thought is a block before its call.
    fn tool_history(&self, body: &Value, signature: &str) -> (bool, bool) {
        let answered = blocks(body).any(|block| block.get("toolResult").is_some());
        let count = |is: &dyn Fn(&Value) -> bool| blocks(body).filter(|block| is(block)).count();
        let calls = count(&|block| block.get("toolUse").is_some());
        let kept = count(&|block| block["reasoningContent"]["reasoningText"]["signature"] == signature);
        (answered, kept >= calls)
    }

    fn content_type(&self, mode: Mode) -> &'static str {
        match mode {
            Mode::Stream => "application/vnd.amazon.eventstream",
            Mode::Array => "application/json; charset=UTF-8",
            Mode::Whole => "application/json",
        }
    }

    fn is_sse(&self) -> bool {
        false
    }

    fn encode(&self, mode: Mode, json: &str, nth: usize, _eol: &str) -> Vec<u8> {
        if mode == Mode::Stream { frame(json, nth) } else { wire::element(json, nth) }
    }

    fn spoilt(&self, _encoded: Vec<u8>, spoil: fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        delta_frame(&spoil(br#"{"contentBlockIndex":0,"delta":{"text":"BAD!"}}"#.to_vec()))
    }

    fn endless(&self, mode: Mode, json: &str) -> Vec<u8> {
        if mode == Mode::Stream { prelude(u32::MAX, 0) } else { wire::begin(mode, "", json) }
    }

    /// An event that says nothing.
    fn keep_alive(&self, mode: Mode, _eol: &str) -> Vec<u8> {
        if mode == Mode::Stream { frame(r#"{"keepAlive":{"nothing":true}}"#, 1) } else { b"\n  \n".to_vec() }
    }

    fn empty(&self, _eol: &str) -> Vec<u8> {
        delta_frame(br#"{"contentBlockIndex":0,"delta":{"text":""}}"#)
    }

    fn blank(&self, eol: &str) -> Vec<u8> {
        self.keep_alive(Mode::Stream, eol)
    }

    fn opening(&self, _meta: &Meta) -> Vec<String> {
        vec![event("messageStart", r#""role":"assistant""#)]
    }

    fn text(&self, _meta: &Meta, text: &str, _so_far: u32) -> String {
        delta(0, &format!(r#""text":{}"#, quote(text)))
    }

    /// Blocks one after the other, arguments in pieces; a signature has its thought before it.
    fn calls(&self, _meta: &Meta, calls: &[Call]) -> Vec<String> {
        let mut events = Vec::new();
        let mut index = 0;
        for call in calls {
            if let Some(signature) = &call.signature {
                events.push(delta(index, &format!(r#""reasoningContent":{{"text":{}}}"#, quote(THOUGHT))));
                events.push(delta(
                    index,
                    &format!(r#""reasoningContent":{{"signature":{}}}"#, quote(signature)),
                ));
                events.push(block_stop(index));
                index += 1;
            }
            let (id, name) = (quote(&call.id), quote(&call.name));
            let start = format!(
                r#""contentBlockIndex":{index},"start":{{"toolUse":{{"name":{name},"toolUseId":{id}}}}}"#
            );
            events.push(event("contentBlockStart", &start));
            for piece in std::iter::once(String::new()).chain(in_pieces(&call.arguments)) {
                events.push(delta(index, &format!(r#""toolUse":{{"input":{}}}"#, quote(&piece))));
            }
            events.push(block_stop(index));
            index += 1;
        }
        events
    }

    /// Bedrock does not say that text begins, but that it ends.
    fn finish(&self, _meta: &Meta, said: &Said, reason: &str, usage: Usage) -> Vec<String> {
        let text = said.text.iter().map(|_| block_stop(0));
        let stopped = event("messageStop", &format!(r#""stopReason":{}"#, quote(stop_reason(reason))));
        let counts = format!(r#""metrics":{{"latencyMs":412}},"usage":{}"#, usage_json(usage));
        text.chain([stopped, event("metadata", &counts)]).collect()
    }

    fn whole(&self, _meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
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

    fn error(&self, status: u16, message: &str) -> String {
        format!(r#"{{"__type":"{}","message":{}}}"#, exception(status), quote(message))
    }

    /// AWS names the exception in a header.
    fn refused(&self, status: u16, script: Script) -> Script {
        let kind = format!("{}:http://internal.amazon.com/coral/com.amazon.bedrock/", exception(status));
        script.header("x-amzn-errortype", kind).header("x-amzn-requestid", "5a1d0c2e-sim")
    }

    fn quota(&self, _delay: &str) -> String {
        self.quota_event().1
    }

    fn quota_event(&self) -> (u16, String) {
        (429, self.error(429, "Too many tokens per day, please wait before trying again."))
    }

    fn too_long(&self) -> String {
        self.error(400, "Input is too long for requested model.")
    }

    fn numeric(&self, _meta: &Meta, _mode: Mode) -> String {
        self.error(429, sentence(429))
    }

    /// The failure of the model's server, which gave this status.
    fn behind(&self, _meta: &Meta, _mode: Mode) -> String {
        r#"{"__type":"ModelStreamErrorException","message":"The model's server failed.","originalStatusCode":502}"#
            .to_owned()
    }
}

fn event(name: &str, members: &str) -> String {
    format!(r#"{{"{name}":{{{members}}}}}"#)
}

fn delta(index: usize, delta: &str) -> String {
    event("contentBlockDelta", &format!(r#""contentBlockIndex":{index},"delta":{{{delta}}}"#))
}

fn block_stop(index: usize) -> String {
    event("contentBlockStop", &format!(r#""contentBlockIndex":{index}"#))
}

fn stop_reason(openai: &str) -> &str {
    match openai {
        "stop" => "end_turn",
        "tool_calls" => "tool_use",
        other => other,
    }
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

/// The exception of a status, as the header `x-amzn-errortype` names it.
fn exception(status: u16) -> &'static str {
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
        return encoded(
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
        Some((name, payload)) => encoded(":event-type", name, "event", payload.as_bytes()),
        None => delta_frame(json.as_bytes()),
    }
}

/// A delta whose payload may be anything.
fn delta_frame(payload: &[u8]) -> Vec<u8> {
    encoded(":event-type", "contentBlockDelta", "event", payload)
}

/// The first bytes of a frame of this length, as right as they can be.
fn prelude(length: u32, headers: u32) -> Vec<u8> {
    let mut out = [length.to_be_bytes(), headers.to_be_bytes()].concat();
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

fn encoded(kind: &str, name: &str, message: &str, payload: &[u8]) -> Vec<u8> {
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

fn texts(blocks: &Value) -> String {
    list(blocks).iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

fn blocks(body: &Value) -> impl Iterator<Item = &Value> {
    list(&body["messages"]).iter().flat_map(|message| list(&message["content"]))
}
