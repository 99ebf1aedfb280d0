//! OpenAI Responses: events, whole answers, errors, and what a request says.

use serde_json::{Value, json};

use super::wire::{self, Frame, Wire};
use super::{Asked, Call, Meta, Said, Usage, in_pieces, list, openai, picture, quote};
use crate::auth::{Gate, Refusal};
use crate::http::Request;
use crate::scenario::Mode;

/// Stands where an event's number goes.
const NUMBER: &str = r#""sequence_number":#"#;
const CREATED: u32 = 1_750_000_000;

/// Responses.
pub(crate) struct Responses;

impl Wire for Responses {
    fn asked(&self, path: &str, _request: &Request) -> Option<Asked> {
        path.ends_with("/responses").then(Asked::default)
    }

    /// Azure has the same at addresses of its own.
    fn admit(&self, gate: &Gate<'_>) -> Result<(), Refusal> {
        let of_azure = gate.chat.path.contains("/openai/");
        gate.admit(self, if of_azure { gate.is_azure_key() } else { gate.is_key(gate.bearer()) })
    }

    fn last_user_text(&self, body: &Value) -> String {
        match &body["input"] {
            Value::String(text) => text.clone(),
            _ => {
                let last = list(&body["input"]).iter().rev().find(|item| item["role"] == "user");
                last.map(|item| openai::content_text(&item["content"])).unwrap_or_default()
            }
        }
    }

    fn describe(&self, body: &Value) -> Value {
        let items = list(&body["input"]);
        let parts = items.iter().flat_map(|item| list(&item["content"]));
        let images: Vec<Value> = parts.filter_map(|part| part["image_url"].as_str()).map(picture).collect();
        let instructions = body["instructions"].as_str().map(str::to_owned);
        let system = items
            .iter()
            .filter(|item| item["role"] == "system" || item["role"] == "developer")
            .map(|item| openai::content_text(&item["content"]));
        let system: Vec<String> = instructions.into_iter().chain(system).collect();
        let count = if body["input"].is_string() { 1 } else { items.len() };
        let tools = self.tool_names(body);
        json!({"images": images, "tools": tools, "system": system.join("\n"), "messages": count})
    }

    fn tool_names(&self, body: &Value) -> Vec<String> {
        let tools = list(&body["tools"]).iter();
        tools.filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect()
    }

    /// OpenAI signs no calls.
    fn tool_history(&self, body: &Value, _signature: &str) -> (bool, bool) {
        (list(&body["input"]).iter().any(|item| item["type"] == "function_call_output"), true)
    }

    fn encode(&self, mode: Mode, json: &str, nth: usize, eol: &str) -> Vec<u8> {
        if mode == Mode::Stream { framed(json, nth - 1, eol).into_bytes() } else { wire::element(json, nth) }
    }

    fn endless(&self, mode: Mode, json: &str) -> Vec<u8> {
        wire::begin(mode, "data: ", json)
    }

    /// What stands before the first item.
    fn opening(&self, meta: &Meta) -> Vec<String> {
        let response = response(meta, "in_progress", "[]", None, "null", "null");
        ["response.created", "response.in_progress"]
            .map(|kind| event(kind, &format!(r#""response":{response}"#)))
            .to_vec()
    }

    /// What opens the message, the first item.
    fn text_opening(&self) -> Vec<String> {
        vec![
            event(
                "response.output_item.added",
                r#""output_index":0,"item":{"id":"msg_sim","type":"message","status":"in_progress","content":[],"role":"assistant"}"#,
            ),
            event(
                "response.content_part.added",
                r#""item_id":"msg_sim","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}"#,
            ),
        ]
    }

    fn text(&self, _meta: &Meta, text: &str, _so_far: u32) -> String {
        let text = quote(text);
        event(
            "response.output_text.delta",
            &format!(
                r#""item_id":"msg_sim","output_index":0,"content_index":0,"delta":{text},"logprobs":[],"obfuscation":"x""#
            ),
        )
    }

    /// The calls, one after the other, as OpenAI sends them.
    fn calls(&self, _meta: &Meta, calls: &[Call]) -> Vec<String> {
        let mut events = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            let place = format!(r#""item_id":"fc_sim_{index}","output_index":{index}"#);
            let added = call_item(index, call, "in_progress");
            events.push(event(
                "response.output_item.added",
                &format!(r#""output_index":{index},"item":{added}"#),
            ));
            for piece in in_pieces(&call.arguments) {
                let piece = quote(&piece);
                events.push(event(
                    "response.function_call_arguments.delta",
                    &format!(r#"{place},"delta":{piece}"#),
                ));
            }
            let arguments = quote(&call.arguments);
            events.push(event(
                "response.function_call_arguments.done",
                &format!(r#"{place},"arguments":{arguments}"#),
            ));
            let done = call_item(index, call, "completed");
            events.push(event(
                "response.output_item.done",
                &format!(r#""output_index":{index},"item":{done}"#),
            ));
        }
        events
    }

    /// All that follows the last piece: the message's end where there is one, and the answer's.
    fn finish(&self, meta: &Meta, said: &Said, reason: &str, usage: Usage) -> Vec<String> {
        let (status, why) = end(reason);
        let (text, calls) = (said.text.as_deref(), &said.calls);
        let mut events = Vec::new();
        if let Some(text) = text {
            let place = r#""item_id":"msg_sim","output_index":0,"content_index":0"#;
            let (quoted, part, item) = (quote(text), part(text), message_item(text, status));
            events.push(event(
                "response.output_text.done",
                &format!(r#"{place},"text":{quoted},"logprobs":[]"#),
            ));
            events.push(event("response.content_part.done", &format!(r#"{place},"part":{part}"#)));
            events.push(event("response.output_item.done", &format!(r#""output_index":0,"item":{item}"#)));
        }
        let response = response(meta, status, &output(text, calls, status), Some(usage), "null", why);
        events.push(event(&format!("response.{status}"), &format!(r#""response":{response}"#)));
        events
    }

    /// A whole answer. Without `reason` it has no status, which no answer has.
    fn whole(&self, meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
        let (status, why) = reason.map_or(("", "null"), end);
        let text = Some(text).filter(|text| !text.is_empty() || calls.is_empty());
        response(meta, status, &output(text, calls, "completed"), Some(usage), "null", why)
    }

    fn error(&self, status: u16, message: &str) -> String {
        openai::error(status, message)
    }

    fn quota(&self, _delay: &str) -> String {
        openai::QUOTA.to_owned()
    }

    fn quota_event(&self) -> (u16, String) {
        (429, openai::QUOTA.to_owned())
    }

    fn too_long(&self) -> String {
        openai::TOO_LONG.to_owned()
    }

    fn filtered(&self) -> String {
        openai::FILTERED.to_owned()
    }

    fn overload(&self, meta: &Meta, mode: Mode) -> String {
        match mode {
            Mode::Stream => failed(meta, "server_is_overloaded", "The engine is overloaded"),
            Mode::Array | Mode::Whole => self.error(503, super::sentence(503)),
        }
    }

    fn overloaded(&self, mode: Mode) -> Frame {
        wire::overloaded(mode)
    }

    /// The nested form of an error.
    fn numeric(&self, _meta: &Meta, mode: Mode) -> String {
        match mode {
            Mode::Stream => nested_error(&self.error(429, super::sentence(429))),
            Mode::Array | Mode::Whole => {
                r#"{"error":{"code":429,"message":"Rate limit exceeded"}}"#.to_owned()
            }
        }
    }

    /// A `response.failed`.
    fn flat(&self, meta: &Meta, mode: Mode) -> Frame {
        Frame::Event(match mode {
            Mode::Stream => failed(meta, "rate_limit_exceeded", "Rate limit exceeded"),
            Mode::Array | Mode::Whole => openai::FLAT.to_owned(),
        })
    }
}

/// One event: `members` are what follows its type and number.
fn event(kind: &str, members: &str) -> String {
    format!(r#"{{"type":"{kind}",{NUMBER},{members}}}"#)
}

/// The bytes of one event. An error as an HTTP body has it becomes the event that stands for it, in the flat form.
fn framed(json: &str, number: usize, eol: &str) -> String {
    let flat;
    let json = if json.starts_with(r#"{"error":"#) {
        flat = flat_error(json);
        &flat
    } else {
        json
    };
    let kind = json.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split('"').next());
    let json = json.replacen(NUMBER, &format!(r#""sequence_number":{number}"#), 1);
    match kind {
        Some(kind) => format!("event: {kind}{eol}data: {json}{eol}{eol}"),
        None => format!("data: {json}{eol}{eol}"),
    }
}

fn flat_error(json: &str) -> String {
    let body: Value = serde_json::from_str(json).unwrap_or_default();
    let (code, message) = (&body["error"]["code"], &body["error"]["message"]);
    event("error", &format!(r#""code":{code},"message":{message},"param":null"#))
}

/// The documented form of a failed answer.
fn failed(meta: &Meta, code: &str, message: &str) -> String {
    let error = format!(r#"{{"code":"{code}","message":{}}}"#, quote(message));
    event(
        "response.failed",
        &format!(r#""response":{}"#, response(meta, "failed", "[]", None, &error, "null")),
    )
}

/// The form that is documented nowhere and sent all the same.
fn nested_error(json: &str) -> String {
    event("error", json.strip_prefix('{').and_then(|json| json.strip_suffix('}')).unwrap_or_default())
}

fn response(meta: &Meta, status: &str, output: &str, usage: Option<Usage>, error: &str, why: &str) -> String {
    let (model, usage) = (quote(&meta.model), usage.map_or("null".to_owned(), usage_json));
    let status = if status.is_empty() { String::new() } else { format!(r#""status":"{status}","#) };
    format!(
        r#"{{"id":"resp_sim","object":"response","created_at":{CREATED},{status}"background":false,"error":{error},"incomplete_details":{why},"instructions":null,"max_output_tokens":null,"model":{model},"output":{output},"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{{"effort":null,"summary":null}},"store":false,"temperature":1.0,"text":{{"format":{{"type":"text"}}}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":{usage},"user":null,"metadata":{{}}}}"#
    )
}

fn usage_json(usage: Usage) -> String {
    let (prompt, cached, thoughts) = (usage.prompt, usage.cached, usage.thoughts);
    let (output, total) = (usage.completion + thoughts, usage.total());
    format!(
        r#"{{"input_tokens":{prompt},"input_tokens_details":{{"cached_tokens":{cached},"cache_write_tokens":0}},"output_tokens":{output},"output_tokens_details":{{"reasoning_tokens":{thoughts}}},"total_tokens":{total}}}"#
    )
}

fn part(text: &str) -> String {
    format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":{}}}"#, quote(text))
}

fn message_item(text: &str, status: &str) -> String {
    let part = part(text);
    format!(
        r#"{{"id":"msg_sim","type":"message","status":"{status}","content":[{part}],"role":"assistant"}}"#
    )
}

fn call_item(index: usize, call: &Call, status: &str) -> String {
    let (id, name) = (quote(&call.id), quote(&call.name));
    let arguments = if status == "in_progress" { quote("") } else { quote(&call.arguments) };
    format!(
        r#"{{"id":"fc_sim_{index}","type":"function_call","status":"{status}","arguments":{arguments},"call_id":{id},"name":{name}}}"#
    )
}

fn output(text: Option<&str>, calls: &[Call], status: &str) -> String {
    let message = text.map(|text| message_item(text, status));
    let calls = calls.iter().enumerate().map(|(index, call)| call_item(index, call, status));
    format!("[{}]", message.into_iter().chain(calls).collect::<Vec<_>>().join(","))
}

/// How an answer ends: its status, the word in its last event, and why it was cut.
fn end(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "length" => ("incomplete", r#"{"reason":"max_output_tokens"}"#),
        "content_filter" => ("incomplete", r#"{"reason":"content_filter"}"#),
        _ => ("completed", "null"),
    }
}
