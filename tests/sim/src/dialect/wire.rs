//! What a scenario asks of a dialect: to read a request, and to word the parts of an answer and its errors.

use serde_json::Value;

use super::{Asked, Call, Meta, Said, Usage, openai, sentence};
use crate::auth::{Gate, Refusal};
use crate::http::Request;
use crate::scenario::Mode;
use crate::script::Script;

/// What stands in a stream after its good chunks, or in a whole answer's place.
pub(crate) enum Frame {
    /// The JSON of an event.
    Event(String),
    /// Bytes that are framed already.
    Raw(String),
}

/// A dialect. What most have in common is the default.
pub(crate) trait Wire: Sync {
    /// What a request at this path asks for; `None` where the path is another dialect's.
    fn asked(&self, path: &str, request: &Request) -> Option<Asked>;

    /// Whether a list of models is asked for.
    fn is_list(&self, _path: &str, _request: &Request) -> bool {
        false
    }

    /// Whether the body asks for a stream, where the path does not say.
    fn streams(&self, body: &Value) -> bool {
        body["stream"] == true
    }

    /// Whether the request may be answered, where that is asked.
    fn admit(&self, gate: &Gate<'_>) -> Result<(), Refusal>;

    /// The text of the last user message that has any.
    fn last_user_text(&self, body: &Value) -> String;

    /// What arrived: images, tools, system text, number of messages.
    fn describe(&self, body: &Value) -> Value;

    /// The names of the request's tools.
    fn tool_names(&self, body: &Value) -> Vec<String>;

    /// Whether the history has a tool's result, and whether each call in it kept `signature`.
    fn tool_history(&self, body: &Value, signature: &str) -> (bool, bool);

    /// How many texts a request for embeddings has.
    fn texts(&self, body: &Value) -> usize {
        body["input"].as_array().map_or(1, Vec::len)
    }

    /// The list of models, each called `sim-NAME`.
    fn models(&self, names: &[&str]) -> String {
        openai::models(names)
    }

    /// The content type of an answer.
    fn content_type(&self, mode: Mode) -> &'static str {
        if mode == Mode::Stream {
            "text/event-stream; charset=utf-8"
        } else {
            "application/json; charset=UTF-8"
        }
    }

    /// Whether a stream is one of server-sent events.
    fn is_sse(&self) -> bool {
        true
    }

    /// Whether it is the content type that tells a stream from a document.
    fn is_typed(&self) -> bool {
        true
    }

    /// What ends a line of a stream.
    fn eol(&self) -> &'static str {
        "\n"
    }

    /// The bytes of one event; `nth` counts from one.
    fn encode(&self, mode: Mode, json: &str, nth: usize, eol: &str) -> Vec<u8>;

    /// The same with what is wrong in it. Where an event has a checksum, that fits.
    fn spoilt(&self, encoded: Vec<u8>, spoil: fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        spoil(encoded)
    }

    /// The beginning of an event that never ends; `json` is cut.
    fn endless(&self, mode: Mode, json: &str) -> Vec<u8>;

    /// A sign of life that says nothing: a comment, or where the mode has none, white space.
    fn keep_alive(&self, mode: Mode, eol: &str) -> Vec<u8> {
        let text = if mode == Mode::Stream { format!(": keep-alive{eol}{eol}") } else { "\n  \n".to_owned() };
        text.into_bytes()
    }

    /// An event without data.
    fn empty(&self, eol: &str) -> Vec<u8> {
        format!("data:{eol}{eol}").into_bytes()
    }

    /// The least that can be sent and is no event.
    fn blank(&self, eol: &str) -> Vec<u8> {
        eol.as_bytes().to_vec()
    }

    /// What opens a stream.
    fn opening(&self, _meta: &Meta) -> Vec<String> {
        Vec::new()
    }

    /// What stands before a stream's first text.
    fn text_opening(&self) -> Vec<String> {
        Vec::new()
    }

    /// One piece of text; `so_far` were sent, this one included.
    fn text(&self, meta: &Meta, text: &str, so_far: u32) -> String;

    /// An event that is well-formed and says nothing.
    fn empty_text(&self, meta: &Meta) -> String {
        self.text(meta, "", 0)
    }

    /// One round of calls.
    fn calls(&self, meta: &Meta, calls: &[Call]) -> Vec<String>;

    /// Why a stream ended, in OpenAI's word, and its counts.
    fn finish(&self, meta: &Meta, said: &Said, reason: &str, usage: Usage) -> Vec<String>;

    /// The event that ends a stream behind its finish; `None` where the finish itself does, or the body's end.
    fn marker(&self) -> Option<&'static str> {
        None
    }

    /// A whole answer. Without `reason` it does not say why it stopped, which no complete answer leaves out.
    fn whole(&self, meta: &Meta, text: &str, calls: &[Call], reason: Option<&str>, usage: Usage) -> String;

    /// An error, in an answer of this status or as an event that stands for it.
    fn error(&self, status: u16, message: &str) -> String;

    /// Headers that an answer with an error of this status has.
    fn refused(&self, _status: u16, script: Script) -> Script {
        script
    }

    /// The status that an error of this status is known to have in mid-stream.
    fn known_status(&self, status: u16) -> u16 {
        status
    }

    /// Whether an error's body says how long to wait.
    fn waits_in_body(&self) -> bool {
        false
    }

    /// The error of a quota that no waiting brings back soon. `delay` is Google's error with a wait.
    fn quota(&self, _delay: &str) -> String;

    /// The same in mid-stream, and its status.
    fn quota_event(&self) -> (u16, String);

    /// The error of a prompt that is too long.
    fn too_long(&self) -> String;

    /// The error of a prompt that a filter refused.
    fn filtered(&self) -> String {
        self.error(400, "Output blocked by content filtering policy")
    }

    /// An overload in mid-stream, in the dialect's first form.
    fn overload(&self, _meta: &Meta, _mode: Mode) -> String {
        self.error(503, sentence(503))
    }

    /// An overload in Anthropic's words, where they can come through.
    fn overloaded(&self, _mode: Mode) -> Frame {
        Frame::Event(self.error(503, sentence(503)))
    }

    /// A 429 with its status as a number, in the dialect's own odd form.
    fn numeric(&self, _meta: &Meta, _mode: Mode) -> String {
        r#"{"error":{"code":429,"message":"Rate limit exceeded"}}"#.to_owned()
    }

    /// A 429 in a form of older or other servers.
    fn flat(&self, _meta: &Meta, _mode: Mode) -> Frame {
        Frame::Event(self.error(429, sentence(429)))
    }

    /// The failure of a server behind the one that answers.
    fn behind(&self, _meta: &Meta, _mode: Mode) -> String {
        format!("{{{BEHIND}}}")
    }
}

/// OpenRouter's word for its provider's failure.
pub(super) const BEHIND: &str = r#""error":{"code":502,"message":"Provider returned error","metadata":{"provider_name":"Sim","raw":"upstream connect error"}}"#;
/// Anthropic's overload.
pub(super) const OVERLOADED: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;

/// A whole answer's or an array's JSON, as Google sends an array: each element over several lines.
pub(super) fn element(json: &str, nth: usize) -> Vec<u8> {
    let before = if nth == 1 { "[" } else { "\n,\n" };
    let value: Result<Value, _> = serde_json::from_str(json);
    let element = value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    format!("{before}{}", element.as_deref().unwrap_or(json)).into_bytes()
}

/// A server-sent event without a name.
pub(super) fn data(mode: Mode, json: &str, nth: usize, eol: &str) -> Vec<u8> {
    if mode == Mode::Stream { format!("data: {json}{eol}{eol}").into_bytes() } else { element(json, nth) }
}

/// The beginning of a server-sent event, or of an array's next element.
pub(super) fn begin(mode: Mode, before: &str, json: &str) -> Vec<u8> {
    let before = match mode {
        Mode::Stream => before,
        Mode::Array => "\n,\n",
        Mode::Whole => "",
    };
    format!("{before}{json}").into_bytes()
}

/// Anthropic's overload as it sends it, which servers of OpenAI's dialect pass on.
pub(super) fn overloaded(mode: Mode) -> Frame {
    match mode {
        Mode::Stream => Frame::Raw(format!("event: error\ndata: {OVERLOADED}\n\n")),
        Mode::Array | Mode::Whole => Frame::Event(OVERLOADED.to_owned()),
    }
}
