//! Ollama's own API: chats and embeddings by lines of JSON, as its `docs/api.md` has them.

use serde_json::{Value, json};

use super::wire::{self, Wire};
use super::{Asked, Call, Meta, Said, Usage, VECTOR, What, list, quote, sentence};
use crate::auth::{Gate, Refusal};
use crate::http::Request;
use crate::scenario::Mode;

/// `/api/chat`, and what stands beside it.
pub(crate) struct Ollama;

/// A fixed time, so that the bytes are the same in every run.
const CREATED: &str = "2025-06-15T15:06:40.123456789Z";
/// What stands before a call that a thought led to.
const THOUGHT: &str = "Die Flut will gefragt sein. 潮";

impl Wire for Ollama {
    fn asked(&self, path: &str, _request: &Request) -> Option<Asked> {
        let (mode, what) = match path {
            _ if path.ends_with("/api/chat") => (None, What::Chat),
            _ if path.ends_with("/api/embed") => (Some(Mode::Whole), What::Embeddings),
            _ => return None,
        };
        Some(Asked { mode, what, ..Asked::default() })
    }

    fn is_list(&self, path: &str, _request: &Request) -> bool {
        path.ends_with("/api/tags")
    }

    /// A stream is what it sends unless it is asked not to.
    fn streams(&self, body: &Value) -> bool {
        body["stream"] != false
    }

    /// A server of one's own asks for nothing; Ollama's asks for a key.
    fn admit(&self, gate: &Gate<'_>) -> Result<(), Refusal> {
        gate.admit(self, gate.bearer().is_none() || gate.is_key(gate.bearer()))
    }

    /// Of a chat's last user message; else the text of an embedding.
    fn last_user_text(&self, body: &Value) -> String {
        let input = body["input"].as_str().or_else(|| body["input"][0].as_str());
        let mut users = list(&body["messages"]).iter().rev().filter(|message| message["role"] == "user");
        let said = input.or_else(|| users.next()?["content"].as_str());
        said.unwrap_or_default().to_owned()
    }

    /// Pictures have no type.
    fn describe(&self, body: &Value) -> Value {
        let messages = list(&body["messages"]);
        let images: Vec<Value> = messages
            .iter()
            .flat_map(|message| list(&message["images"]))
            .filter_map(Value::as_str)
            .map(|data| json!({"base64_length": data.len()}))
            .collect();
        let system: Vec<&str> = messages
            .iter()
            .filter(|message| message["role"] == "system")
            .filter_map(|message| message["content"].as_str())
            .collect();
        let tools = self.tool_names(body);
        json!({"images": images, "tools": tools, "system": system.join("\n"), "messages": messages.len()})
    }

    fn tool_names(&self, body: &Value) -> Vec<String> {
        let tools = list(&body["tools"]).iter();
        tools.filter_map(|tool| tool["function"]["name"].as_str()).map(str::to_owned).collect()
    }

    /// Ollama signs no calls.
    fn tool_history(&self, body: &Value, _signature: &str) -> (bool, bool) {
        (list(&body["messages"]).iter().any(|message| message["role"] == "tool"), true)
    }

    fn models(&self, names: &[&str]) -> String {
        let one = |name: &&str| {
            let name = format!("sim-{name}");
            json!({"name": name, "model": name, "modified_at": CREATED, "size": 1, "digest": "sim", "details": {}})
        };
        json!({"models": names.iter().map(one).collect::<Vec<_>>()}).to_string()
    }

    fn content_type(&self, mode: Mode) -> &'static str {
        if mode == Mode::Stream { "application/x-ndjson" } else { "application/json; charset=utf-8" }
    }

    fn is_sse(&self) -> bool {
        false
    }

    /// A document is a line too.
    fn is_typed(&self) -> bool {
        false
    }

    /// A line feed ends a line, whatever stands before it.
    fn encode(&self, mode: Mode, json: &str, nth: usize, eol: &str) -> Vec<u8> {
        let eol = if eol.contains('\n') { eol } else { "\n" };
        if mode == Mode::Stream { format!("{json}{eol}").into_bytes() } else { wire::element(json, nth) }
    }

    fn endless(&self, mode: Mode, json: &str) -> Vec<u8> {
        wire::begin(mode, "", json)
    }

    /// An empty line: there are no comments.
    fn keep_alive(&self, _mode: Mode, _eol: &str) -> Vec<u8> {
        b"\n".to_vec()
    }

    fn empty(&self, _eol: &str) -> Vec<u8> {
        b" \n".to_vec()
    }

    fn text(&self, meta: &Meta, text: &str, _so_far: u32) -> String {
        line(meta, &format!(r#""content":{}"#, quote(text)), r#""done":false"#)
    }

    /// In one line, with their arguments whole. What would be signed elsewhere is a thought before it.
    fn calls(&self, meta: &Meta, calls: &[Call]) -> Vec<String> {
        let thought = calls.iter().any(|call| call.signature.is_some()).then(|| {
            line(meta, &format!(r#""content":"","thinking":{}"#, quote(THOUGHT)), r#""done":false"#)
        });
        let called = format!(r#""content":"","tool_calls":{}"#, call_list(calls));
        thought.into_iter().chain([line(meta, &called, r#""done":false"#)]).collect()
    }

    fn finish(&self, meta: &Meta, _said: &Said, reason: &str, usage: Usage) -> Vec<String> {
        vec![line(meta, r#""content":"""#, &done(reason, usage))]
    }

    fn whole(&self, meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String {
        if meta.what == What::Embeddings {
            let (model, prompt) = (quote(&meta.model), usage.prompt);
            let vectors = vec![VECTOR; meta.texts].join(",");
            return format!(
                r#"{{"model":{model},"embeddings":[{vectors}],"total_duration":14143917,"load_duration":1019500,"prompt_eval_count":{prompt}}}"#
            );
        }
        let mut message = format!(r#""content":{}"#, quote(text));
        if calls.iter().any(|call| call.signature.is_some()) {
            message += &format!(r#","thinking":{}"#, quote(THOUGHT));
        }
        if !calls.is_empty() {
            message += &format!(r#","tool_calls":{}"#, call_list(calls));
        }
        let done = reason.map_or(r#""done":false"#.to_owned(), |reason| done(reason, usage));
        line(meta, &message, &done)
    }

    /// A sentence, and nothing else.
    fn error(&self, status: u16, message: &str) -> String {
        let own = match status {
            429 => "too many requests: you've reached your hourly usage limit",
            503 => "server busy, please try again.  maximum pending requests exceeded",
            500 => "an error was encountered while running the model: CUDA error: out of memory",
            _ => message,
        };
        // What the simulator itself has to say stays.
        let said = if message == sentence(status) { own } else { message };
        format!(r#"{{"error":{}}}"#, quote(said))
    }

    /// In mid-stream there is the sentence alone.
    fn known_status(&self, status: u16) -> u16 {
        if matches!(status, 429 | 503) { status } else { 500 }
    }

    fn quota(&self, _delay: &str) -> String {
        self.quota_event().1
    }

    fn quota_event(&self) -> (u16, String) {
        (429, self.error(429, sentence(429)))
    }

    fn too_long(&self) -> String {
        self.error(400, "the input length exceeds the context length")
    }

    fn numeric(&self, _meta: &Meta, _mode: Mode) -> String {
        self.error(429, sentence(429))
    }

    /// The failure of Ollama's cloud behind one's own server.
    fn behind(&self, _meta: &Meta, _mode: Mode) -> String {
        self.error(502, r#"Post "https://ollama.com:443/api/chat": read tcp: connection reset by peer"#)
    }
}

fn line(meta: &Meta, message: &str, end: &str) -> String {
    let model = quote(&meta.model);
    format!(
        r#"{{"model":{model},"created_at":"{CREATED}","message":{{"role":"assistant",{message}}},{end}}}"#
    )
}

/// What ends an answer. Thoughts are part of what was evaluated, and what came from a cache is not told apart.
fn done(reason: &str, usage: Usage) -> String {
    let (prompt, completion) = (usage.prompt, usage.completion + usage.thoughts);
    let reason = if reason == "length" { "length" } else { "stop" };
    format!(
        r#""done":true,"done_reason":"{reason}","total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":{prompt},"prompt_eval_duration":342546000,"eval_count":{completion},"eval_duration":4535599000"#
    )
}

fn call_list(calls: &[Call]) -> String {
    let one = |(index, call): (usize, &Call)| {
        let (id, name, arguments) = (quote(&call.id), quote(&call.name), &call.arguments);
        format!(r#"{{"id":{id},"function":{{"index":{index},"name":{name},"arguments":{arguments}}}}}"#)
    };
    format!("[{}]", calls.iter().enumerate().map(one).collect::<Vec<_>>().join(","))
}
