//! OpenAI chat completions: chunks, whole answers, errors, and what a request says.

use serde_json::{Value, json};

use super::wire::{self, BEHIND, Frame, Wire};
use super::{Asked, Call, Meta, Said, Usage, VECTOR, What, in_pieces, list, picture, quote};
use crate::auth::{Gate, Refusal};
use crate::http::Request;
use crate::scenario::Mode;

/// A fixed time, so that the bytes are the same in every run.
const CREATED: u32 = 1_750_000_000;

fn chunk(meta: &Meta, choices: &str, usage: Option<Usage>) -> String {
    let usage = match usage {
        Some(usage) => format!(r#","usage":{}"#, usage_json(usage)),
        None if meta.include_usage => r#","usage":null"#.to_owned(),
        None => String::new(),
    };
    let (head, model) = (head(meta, true), quote(&meta.model));
    format!(
        r#"{{{head},"created":{CREATED},"model":{model},"system_fingerprint":"fp_sim","choices":[{choices}]{usage}}}"#
    )
}

fn head(meta: &Meta, stream: bool) -> &'static str {
    match (meta.what, stream) {
        (What::Completion, _) => r#""id":"cmpl-sim","object":"text_completion""#,
        (_, true) => r#""id":"chatcmpl-sim","object":"chat.completion.chunk""#,
        (_, false) => r#""id":"chatcmpl-sim","object":"chat.completion""#,
    }
}

fn delta(meta: &Meta, delta: &str, finish: Option<&str>) -> String {
    let finish = finish.map_or("null".to_owned(), quote);
    chunk(meta, &format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}"#), None)
}

/// A legacy completion's choice.
fn choice(text: &str, finish: Option<&str>) -> String {
    let (text, finish) = (quote(text), finish.map_or("null".to_owned(), quote));
    format!(r#"{{"text":{text},"index":0,"logprobs":null,"finish_reason":{finish}}}"#)
}

/// Chat completions, of OpenAI and all that speak its dialect.
pub(crate) struct OpenAiChat;

/// A quota that no waiting brings back soon.
pub(super) const QUOTA: &str = r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
/// A prompt that is too long.
pub(super) const TOO_LONG: &str = r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
/// A prompt that a filter refused.
pub(super) const FILTERED: &str = r#"{"error":{"message":"Your request was rejected as a result of our safety system.","type":"invalid_request_error","param":null,"code":"content_policy_violation"}}"#;
/// The flat form of older vLLM.
pub(super) const FLAT: &str =
    r#"{"object":"error","message":"Rate limit exceeded","type":"RateLimitError","param":null,"code":429}"#;

impl Wire for OpenAiChat {
    fn asked(&self, path: &str, _request: &Request) -> Option<Asked> {
        let what = match path {
            _ if path.ends_with("/chat/completions") => What::Chat,
            _ if path.ends_with("/completions") => What::Completion,
            _ if path.ends_with("/embeddings") => What::Embeddings,
            _ => return None,
        };
        Some(Asked { what, ..Asked::default() })
    }

    fn is_list(&self, path: &str, _request: &Request) -> bool {
        path.ends_with("/models")
    }

    fn admit(&self, gate: &Gate<'_>) -> Result<(), Refusal> {
        gate.admit(self, gate.is_key(gate.bearer()))
    }

    /// Of the last message with role `user`; else the prompt of a completion, or the input of an embedding.
    fn last_user_text(&self, body: &Value) -> String {
        if let Some(text) = ["prompt", "input"].iter().find_map(|name| body[name].as_str()) {
            return text.to_owned();
        }
        let last = list(&body["messages"]).iter().rev().find(|message| message["role"] == "user");
        last.map(|message| content_text(&message["content"])).unwrap_or_default()
    }

    fn describe(&self, body: &Value) -> Value {
        let messages = list(&body["messages"]);
        let parts = messages.iter().flat_map(|message| list(&message["content"]));
        let images: Vec<Value> =
            parts.filter_map(|part| part["image_url"]["url"].as_str()).map(picture).collect();
        let system: Vec<String> = messages
            .iter()
            .filter(|message| message["role"] == "system" || message["role"] == "developer")
            .map(|message| content_text(&message["content"]))
            .collect();
        let tools = self.tool_names(body);
        json!({"images": images, "tools": tools, "system": system.join("\n"), "messages": messages.len()})
    }

    fn tool_names(&self, body: &Value) -> Vec<String> {
        let tools = list(&body["tools"]).iter();
        tools.filter_map(|tool| tool["function"]["name"].as_str()).map(str::to_owned).collect()
    }

    fn tool_history(&self, body: &Value, signature: &str) -> (bool, bool) {
        let messages = list(&body["messages"]);
        let mut calls = messages.iter().flat_map(|message| list(&message["tool_calls"]));
        let kept = calls.all(|call| call["extra_content"]["google"]["thought_signature"] == signature);
        (messages.iter().any(|message| message["role"] == "tool"), kept)
    }

    fn encode(&self, mode: Mode, json: &str, nth: usize, eol: &str) -> Vec<u8> {
        wire::data(mode, json, nth, eol)
    }

    fn endless(&self, mode: Mode, json: &str) -> Vec<u8> {
        wire::begin(mode, "data: ", json)
    }

    fn opening(&self, meta: &Meta) -> Vec<String> {
        match meta.what {
            What::Completion => Vec::new(),
            _ => vec![delta(meta, r#"{"role":"assistant","content":"","refusal":null}"#, None)],
        }
    }

    fn text(&self, meta: &Meta, text: &str, _so_far: u32) -> String {
        match meta.what {
            What::Completion => chunk(meta, &choice(text, None), None),
            _ => delta(meta, &format!(r#"{{"content":{}}}"#, quote(text)), None),
        }
    }

    /// Each call's opening, then their arguments in pieces, interleaved.
    fn calls(&self, meta: &Meta, calls: &[Call]) -> Vec<String> {
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

    /// The counts are in an extra chunk, which `include_usage` asks for.
    fn finish(&self, meta: &Meta, _said: &Said, reason: &str, usage: Usage) -> Vec<String> {
        let finish = match meta.what {
            What::Completion => chunk(meta, &choice("", Some(reason)), None),
            _ => delta(meta, "{}", Some(reason)),
        };
        let counts = meta.include_usage.then(|| chunk(meta, "", Some(usage)));
        [finish].into_iter().chain(counts).collect()
    }

    fn marker(&self) -> Option<&'static str> {
        Some("[DONE]")
    }

    fn whole(&self, meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
        if meta.what == What::Embeddings {
            return embeddings(meta, usage);
        }
        if meta.what == What::Completion {
            return completion(meta, text, reason, usage);
        }
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
        let (head, model, usage) = (head(meta, false), quote(&meta.model), usage_json(usage));
        format!(
            r#"{{{head},"created":{CREATED},"model":{model},"choices":[{{"index":0,"message":{{"role":"assistant","content":{content},"refusal":null{calls}}},"logprobs":null,"finish_reason":{finish}}}],"usage":{usage},"system_fingerprint":"fp_sim"}}"#
        )
    }

    fn error(&self, status: u16, message: &str) -> String {
        error(status, message)
    }

    fn quota(&self, _delay: &str) -> String {
        QUOTA.to_owned()
    }

    fn quota_event(&self) -> (u16, String) {
        (429, QUOTA.to_owned())
    }

    fn too_long(&self) -> String {
        TOO_LONG.to_owned()
    }

    fn filtered(&self) -> String {
        FILTERED.to_owned()
    }

    fn overload(&self, _meta: &Meta, _mode: Mode) -> String {
        r#"{"error":{"message":"The engine is overloaded","type":"server_error","param":null,"code":503}}"#
            .to_owned()
    }

    fn overloaded(&self, mode: Mode) -> Frame {
        wire::overloaded(mode)
    }

    /// OpenRouter's form: a chunk that has choices and a numeric error.
    fn numeric(&self, meta: &Meta, mode: Mode) -> String {
        let error = r#""error":{"code":429,"message":"Rate limit exceeded"}"#;
        if mode != Mode::Stream {
            return format!("{{{error}}}");
        }
        let model = quote(&meta.model);
        format!(
            r#"{{"id":"gen-sim","object":"chat.completion.chunk","created":{CREATED},"model":{model},"provider":"Sim",{error},"choices":[{{"index":0,"delta":{{"role":"assistant","content":""}},"finish_reason":"error","native_finish_reason":"error"}}]}}"#
        )
    }

    fn flat(&self, _meta: &Meta, _mode: Mode) -> Frame {
        Frame::Event(FLAT.to_owned())
    }

    /// OpenRouter's form again.
    fn behind(&self, meta: &Meta, mode: Mode) -> String {
        if mode != Mode::Stream {
            return format!("{{{BEHIND}}}");
        }
        let model = quote(&meta.model);
        format!(
            r#"{{"id":"gen-sim","object":"chat.completion.chunk","created":{CREATED},"model":{model},{BEHIND},"choices":[{{"index":0,"delta":{{"content":""}},"finish_reason":"error"}}]}}"#
        )
    }
}

/// Where Google's OpenAI-compatible endpoint puts a thought signature.
fn extra_content(call: &Call) -> String {
    call.signature.as_ref().map_or(String::new(), |signature| {
        format!(r#","extra_content":{{"google":{{"thought_signature":{}}}}}"#, quote(signature))
    })
}

fn completion(meta: &Meta, text: &str, reason: Option<&str>, usage: Usage) -> String {
    let (head, model, choice) = (head(meta, false), quote(&meta.model), choice(text, reason));
    let usage = usage_json(usage);
    format!(
        r#"{{{head},"created":{CREATED},"model":{model},"system_fingerprint":"fp_sim","choices":[{choice}],"usage":{usage}}}"#
    )
}

/// A vector for each text, in base64 where the client's library asked for it: 32-bit floats, the lowest byte first.
fn embeddings(meta: &Meta, usage: Usage) -> String {
    let vector = if meta.base64 { r#""AACAPgAAAL8AAIA/""# } else { VECTOR };
    let one = |index| format!(r#"{{"object":"embedding","index":{index},"embedding":{vector}}}"#);
    let data: Vec<String> = (0..meta.texts).map(one).collect();
    let (data, model, prompt) = (data.join(","), quote(&meta.model), usage.prompt);
    format!(
        r#"{{"object":"list","data":[{data}],"model":{model},"usage":{{"prompt_tokens":{prompt},"total_tokens":{prompt}}}}}"#
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

pub(super) fn error(status: u16, message: &str) -> String {
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
pub(super) fn models(names: &[&str]) -> String {
    let data: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": format!("sim-{name}"), "object": "model", "created": CREATED, "owned_by": "sim"}))
        .collect();
    json!({"object": "list", "data": data}).to_string()
}

pub(super) fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
