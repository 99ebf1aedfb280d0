//! Anthropic Messages: events, whole answers, errors, and what a request says.

use serde_json::{Value, json};

use super::wire::{self, Frame, Wire};
use super::{Asked, Call, Meta, Said, Usage, What, in_pieces, list, quote, sentence};
use crate::auth::{Gate, Refusal};
use crate::http::Request;
use crate::scenario::Mode;
use crate::script::Script;

/// What stands before a call whose signature must come back.
const THOUGHT: &str = "Die Flut will gefragt sein. 潮";

/// Anthropic's keep-alive.
const PING: &str = r#"{"type": "ping"}"#;
/// The terminal marker.
const STOP: &str = r#"{"type":"message_stop"}"#;
/// Opens and closes the block of the answer's text.
const TEXT_START: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const TEXT_STOP: &str = r#"{"type":"content_block_stop","index":0}"#;

/// What Vertex AI asks for as the version.
const VERTEX_VERSION: &str = "vertex-2023-10-16";

/// Messages, of Anthropic and of Claude on Vertex AI.
pub(crate) struct Anthropic;

impl Wire for Anthropic {
    /// On Vertex AI too the body says whether the answer is streamed; a model called `count-tokens` counts.
    fn asked(&self, path: &str, _request: &Request) -> Option<Asked> {
        if path.ends_with("/messages") {
            return Some(Asked::default());
        }
        if path.ends_with("/count_tokens") {
            return Some(Asked { mode: Some(Mode::Whole), model: None, what: What::Count });
        }
        let base = path.strip_suffix(":rawPredict").or_else(|| path.strip_suffix(":streamRawPredict"))?;
        let model = base.rsplit('/').next().map(str::to_owned);
        let counted = model.as_deref() == Some("count-tokens");
        let what = if counted { What::Count } else { What::Chat };
        Some(Asked { mode: counted.then_some(Mode::Whole), model, what })
    }

    /// Anthropic's list is at the path of OpenAI's.
    fn is_list(&self, path: &str, request: &Request) -> bool {
        path.ends_with("/models") && request.header("anthropic-version").is_some()
    }

    /// Anthropic's own service asks for a version in a header too; Vertex AI for one in the body, whose path has the model.
    fn admit(&self, gate: &Gate<'_>) -> Result<(), Refusal> {
        let key = gate.request.header("x-api-key").or(gate.bearer());
        gate.admit(self, gate.is_key(key) || gate.has_token())?;
        let sentence = match gate.chat.vertex {
            _ if !gate.asked || (gate.chat.vertex && gate.chat.what != What::Chat) => return Ok(()),
            false if gate.request.header("anthropic-version").is_none() => {
                "anthropic-version: header is required"
            }
            true if gate.chat.body["anthropic_version"] != VERTEX_VERSION => {
                "anthropic_version: Field required"
            }
            true if gate.chat.body.get("model").is_some() => "model: Extra inputs are not permitted",
            true | false => return Ok(()),
        };
        Err(("unversioned", Script::json(400, self.error(400, sentence))))
    }

    /// Results of tools are user messages too.
    fn last_user_text(&self, body: &Value) -> String {
        let of_user = list(&body["messages"]).iter().rev().filter(|message| message["role"] == "user");
        let mut texts = of_user.map(|message| content_text(&message["content"]));
        texts.find(|text| !text.is_empty()).unwrap_or_default()
    }

    fn describe(&self, body: &Value) -> Value {
        let messages = list(&body["messages"]);
        let images: Vec<Value> = messages
            .iter()
            .flat_map(|message| list(&message["content"]))
            .filter(|block| block["type"] == "image")
            .map(|block| match block["source"]["data"].as_str() {
                Some(data) => json!({"mime": block["source"]["media_type"], "base64_length": data.len()}),
                None => json!({"url": block["source"]["url"]}),
            })
            .collect();
        let (tools, system) = (self.tool_names(body), content_text(&body["system"]));
        json!({"images": images, "tools": tools, "system": system, "messages": messages.len()})
    }

    fn tool_names(&self, body: &Value) -> Vec<String> {
        list(&body["tools"]).iter().filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect()
    }

    /// The thought of a message with calls is its first block.
    fn tool_history(&self, body: &Value, signature: &str) -> (bool, bool) {
        let has = |content: &Value, kind: &str| list(content).iter().any(|block| block["type"] == kind);
        let messages = list(&body["messages"]);
        let answered = messages.iter().any(|message| has(&message["content"], "tool_result"));
        let mut calling = messages.iter().map(|it| &it["content"]).filter(|content| has(content, "tool_use"));
        let kept =
            calling.all(|content| content[0]["type"] == "thinking" && content[0]["signature"] == signature);
        (answered, kept)
    }

    /// Model ids `sim-NAME`.
    fn models(&self, names: &[&str]) -> String {
        let one = |name: &&str| {
            let id = format!("sim-{name}");
            json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-06-15T15:06:40Z"})
        };
        let data: Vec<Value> = names.iter().map(one).collect();
        let at = |index: usize| data.get(index).map(|model| model["id"].clone());
        let (first, last) = (at(0), at(data.len().saturating_sub(1)));
        json!({"data": data, "has_more": false, "first_id": first, "last_id": last}).to_string()
    }

    /// An event has the name of its type, with which its data begins.
    fn encode(&self, mode: Mode, json: &str, nth: usize, eol: &str) -> Vec<u8> {
        match event_name(json).filter(|_| mode == Mode::Stream) {
            Some(name) => format!("event: {name}{eol}data: {json}{eol}{eol}").into_bytes(),
            None => wire::data(mode, json, nth, eol),
        }
    }

    fn endless(&self, mode: Mode, json: &str) -> Vec<u8> {
        wire::begin(mode, "event: content_block_delta\ndata: ", json)
    }

    /// A ping.
    fn keep_alive(&self, mode: Mode, eol: &str) -> Vec<u8> {
        if mode == Mode::Stream { self.encode(mode, PING, 1, eol) } else { b"\n  \n".to_vec() }
    }

    /// The event that opens a stream. The output is counted as it grows: one token so far.
    fn opening(&self, meta: &Meta) -> Vec<String> {
        let model = quote(&meta.model);
        let usage = usage_json(Usage { completion: 1, ..Usage::PLAIN });
        vec![format!(
            r#"{{"type":"message_start","message":{{"id":"msg_sim","type":"message","role":"assistant","model":{model},"content":[],"stop_reason":null,"stop_sequence":null,"usage":{usage}}}}}"#
        )]
    }

    fn text_opening(&self) -> Vec<String> {
        vec![TEXT_START.to_owned(), PING.to_owned()]
    }

    fn text(&self, _meta: &Meta, text: &str, _so_far: u32) -> String {
        delta(0, &format!(r#"{{"type":"text_delta","text":{}}}"#, quote(text)))
    }

    /// Blocks one after the other, arguments in pieces; a signature has its thought before it.
    fn calls(&self, _meta: &Meta, calls: &[Call]) -> Vec<String> {
        let mut events = Vec::new();
        let mut index = 0;
        for call in calls {
            if let Some(signature) = &call.signature {
                events.push(begin(index, r#"{"type":"thinking","thinking":"","signature":""}"#));
                events.push(delta(
                    index,
                    &format!(r#"{{"type":"thinking_delta","thinking":{}}}"#, quote(THOUGHT)),
                ));
                let signature = quote(signature);
                events
                    .push(delta(index, &format!(r#"{{"type":"signature_delta","signature":{signature}}}"#)));
                events.push(end(index));
                index += 1;
            }
            let (id, name) = (quote(&call.id), quote(&call.name));
            events.push(begin(
                index,
                &format!(r#"{{"type":"tool_use","id":{id},"name":{name},"input":{{}}}}"#),
            ));
            // The first piece is empty, as Anthropic sends it.
            for piece in std::iter::once(String::new()).chain(in_pieces(&call.arguments)) {
                let piece = quote(&piece);
                events
                    .push(delta(index, &format!(r#"{{"type":"input_json_delta","partial_json":{piece}}}"#)));
            }
            events.push(end(index));
            index += 1;
        }
        events
    }

    /// The counts are all of them, cumulative.
    fn finish(&self, _meta: &Meta, said: &Said, reason: &str, usage: Usage) -> Vec<String> {
        let (reason, usage) = (quote(stop_reason(reason)), usage_json(usage));
        let ended = format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":{reason},"stop_sequence":null}},"usage":{usage}}}"#
        );
        said.text.iter().map(|_| TEXT_STOP.to_owned()).chain([ended]).collect()
    }

    fn marker(&self) -> Option<&'static str> {
        Some(STOP)
    }

    fn whole(&self, meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
        if meta.what == What::Count {
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

    fn error(&self, status: u16, message: &str) -> String {
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

    fn quota(&self, _delay: &str) -> String {
        self.error(429, "Number of request tokens has exceeded your daily rate limit.")
    }

    fn quota_event(&self) -> (u16, String) {
        (402, self.error(402, "Your credit balance is too low to access the API."))
    }

    fn too_long(&self) -> String {
        self.error(400, "prompt is too long: 9000 tokens > 8192 maximum")
    }

    fn overloaded(&self, mode: Mode) -> Frame {
        wire::overloaded(mode)
    }

    /// Without the line that names the event.
    fn flat(&self, _meta: &Meta, mode: Mode) -> Frame {
        let error = self.error(429, sentence(429));
        if mode == Mode::Stream { Frame::Raw(format!("data: {error}\n\n")) } else { Frame::Event(error) }
    }
}

/// The type that an event's data begins with.
fn event_name(json: &str) -> Option<&str> {
    let (_, rest) = json.split_once("\"type\":").filter(|(before, _)| *before == "{")?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
}

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

fn delta(index: usize, delta: &str) -> String {
    format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#)
}

fn stop_reason(openai: &str) -> &str {
    match openai {
        "stop" => "end_turn",
        "tool_calls" => "tool_use",
        other => other,
    }
}

fn begin(index: usize, block: &str) -> String {
    format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#)
}

fn end(index: usize) -> String {
    format!(r#"{{"type":"content_block_stop","index":{index}}}"#)
}

fn content_text(content: &Value) -> String {
    match content.as_str() {
        Some(text) => text.to_owned(),
        None => {
            list(content).iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
    }
}
