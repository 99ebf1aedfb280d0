//! The client's side: how a request is read, an event inspected and an error worded in each dialect.
//!
//! One dialect is spoken today, OpenAI chat; it is also the canonical one that plugins translate to. The others are
//! variants of [`Dialect`] and modules beside [`openai_chat`].

mod json;
pub mod openai_chat;
pub mod options;

use bytes::Bytes;
use serde_json::value::RawValue;
use tidegate_host::Prefill;

use crate::failure::Failure;
pub use options::Options;

/// What a client and Tidegate agreed on, by the route that the client called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `POST /v1/chat/completions`.
    OpenAiChat,
}

/// A client's request, as far as Tidegate needs to understand it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The dialect of `body`.
    pub dialect: Dialect,
    /// The model group that the client asks for.
    pub model: String,
    /// Where the model's value stands in `body`, quotes included.
    pub model_at: std::ops::Range<usize>,
    /// The client wants a stream.
    pub stream: bool,
    /// The client wants the usage in the stream.
    pub include_usage: bool,
    /// Whether it may ask for more than one choice.
    pub several: bool,
    /// The body as it came, without what is in `options`.
    pub body: Bytes,
    /// litellm's request-level options, where the request has any.
    pub options: Option<Box<Options>>,
}

/// What one event of a stream is. Seen by the core itself, whatever the plugin says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A part of the answer.
    Chunk(Chunk),
    /// The dialect's terminal marker.
    Done,
    /// The dialect's error form, or one of those that servers use in its place.
    Error,
    /// Not in the dialect.
    Malformed,
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// It carries something for the user: text, a tool call, reasoning, audio.
    pub content: bool,
    /// It says why a choice ended.
    pub finish: bool,
    /// It carries the usage and no choice.
    pub usage_only: bool,
    /// Every choice that ended was refused by a filter.
    pub filtered: bool,
    /// The tokens that the answer has cost so far, where it says so.
    pub tokens: Option<Cost>,
}

/// What an answer cost, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Of prompt and answer.
    pub total: u64,
    /// Of the answer.
    pub output: u64,
}

impl Chunk {
    /// It says something of the answer, be it only why there is none.
    pub fn is_answer(self) -> bool {
        self.content || self.finish
    }
}

impl Dialect {
    /// Its number in the plugin ABI.
    pub fn number(self) -> u32 {
        match self {
            Dialect::OpenAiChat => 1,
        }
    }

    /// Reads a client's request.
    ///
    /// # Errors
    /// A sentence for the client.
    pub fn decode(self, body: Bytes) -> Result<Request, String> {
        match self {
            Dialect::OpenAiChat => openai_chat::request::decode(body),
        }
    }

    /// The request with some members of its body replaced; as it is where it cannot be read.
    pub fn with_members(self, request: &Request, members: &[(String, Box<RawValue>)]) -> Request {
        let changed = match self {
            Dialect::OpenAiChat => openai_chat::request::with(request, members),
        };
        changed.unwrap_or_else(|| request.clone())
    }

    /// Why the answer to a request with this body cannot be gone on with by another model: a clause whose subject is
    /// the request. `None`: it can.
    pub fn obstacle(self, body: &[u8]) -> Option<&'static str> {
        match self {
            Dialect::OpenAiChat => openai_chat::continuation::obstacle(body),
        }
    }

    /// The request that asks for the rest of an answer, of which `text` is there. `None`: it cannot be read.
    pub fn continued(self, request: &Request, text: &str, prefill: Prefill) -> Option<Request> {
        match self {
            Dialect::OpenAiChat => openai_chat::continuation::continued(request, text, prefill),
        }
    }

    /// Inspects one event of a stream.
    pub fn inspect(self, name: &[u8], data: &[u8]) -> Seen {
        match self {
            Dialect::OpenAiChat => openai_chat::inspect::event(name, data),
        }
    }

    /// Inspects a whole body: an answer, or an error in its place.
    pub fn inspect_body(self, body: &[u8]) -> Seen {
        match self {
            Dialect::OpenAiChat => openai_chat::inspect::body(body),
        }
    }

    /// Appends one event of the stream.
    pub fn frame(self, name: &[u8], data: &[u8], out: &mut Vec<u8>) {
        match self {
            Dialect::OpenAiChat => openai_chat::encode::frame(name, data, out),
        }
    }

    /// The stream's normal end.
    pub fn done(self) -> &'static [u8] {
        match self {
            Dialect::OpenAiChat => openai_chat::encode::DONE,
        }
    }

    /// Whether an event's data is the normal end and nothing more.
    pub fn is_done(self, data: &[u8]) -> bool {
        match self {
            Dialect::OpenAiChat => data == b"[DONE]",
        }
    }

    /// The body of an HTTP error.
    pub fn error_body(self, failure: &Failure) -> Vec<u8> {
        match self {
            Dialect::OpenAiChat => openai_chat::encode::error_body(failure),
        }
    }

    /// The one event that ends a stream that failed.
    pub fn error_event(self, failure: &Failure) -> Vec<u8> {
        let mut event = Vec::new();
        self.frame(b"", &self.error_body(failure), &mut event);
        event
    }
}
