//! What each dialect can do; a module of its own implements it for each.

use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tidegate_host::Prefill;

use super::{Chat, Facts, Request, Route, Seen, body, openai_chat};
use crate::failure::Failure;

/// A comment, and the empty line that ends the block in which it stands: no parser makes an event of it.
const COMMENT: &[u8] = b": keep-alive\n\n";

/// A body, and where its model's value stands in it, quotes included, where that is known.
pub type Placed = (Bytes, Option<Range<usize>>);

/// One dialect of clients. [`super::Dialect`] is one of them. What is not said of it is as in a dialect without streams whose
/// errors are OpenAI's.
pub trait Speak: Sync {
    /// Its number in the plugin ABI.
    fn number(&self) -> u32;

    /// Its name in logs and documents: the one that manifests use.
    fn name(&self) -> &'static str {
        tidegate_host::Dialect::from_u32(self.number()).name()
    }

    /// Reads a client's request.
    ///
    /// # Errors
    /// A sentence for the client.
    fn decode(&self, route: &Route, body: Bytes) -> Result<Request, String>;

    /// The request as an OpenAI chat completion. What cannot be said there is left out and named where `dropping`.
    ///
    /// # Errors
    /// A sentence that names what cannot be said.
    fn to_chat(&self, request: &Request, dropping: bool) -> Result<Chat, String>;

    /// What a client of this dialect calls a parameter of a chat completion, where that is another name: a request that was
    /// made one is told of in these.
    fn own_name(&self, _chat: &str) -> Option<&'static str> {
        None
    }

    /// The answer where not every provider of the group can give one, and a guess of the core's own is better than none: a count of
    /// tokens.
    fn estimate(&self, _request: &Request) -> Option<Value> {
        None
    }

    /// The request without what only Tidegate can read, for a provider that takes this dialect as it is. `None`: there is
    /// nothing of the kind in it.
    fn without_ours(&self, _request: &Request) -> Option<Request> {
        None
    }

    /// Adds a deployment's default parameters, named as in a chat completion, to a body in this dialect, where the client
    /// said nothing of the kind.
    fn add_defaults(&self, body: &mut Map<String, Value>, defaults: &Map<String, Value>) {
        for (name, value) in defaults {
            body.entry(name).or_insert_with(|| value.clone());
        }
    }

    /// The request with some members of its body replaced; as it is where it cannot be read.
    fn with_members(&self, request: &Request, members: &[(String, Box<RawValue>)]) -> Request {
        body::with(request, members).unwrap_or_else(|| request.clone())
    }

    /// The body of a stream's request that asks for the usage too, where that is known to be possible and it does not ask:
    /// what is told then and carries nothing else is not the client's.
    fn asking_usage(&self, _body: &[u8], _model_at: Option<Range<usize>>) -> Option<Placed> {
        None
    }

    /// Why the answer to a request with this body cannot be gone on with by another model: a clause whose subject is
    /// the request. `None`: it can.
    fn obstacle(&self, _body: &[u8]) -> Option<&'static str> {
        Some("it is passed on in the provider's own dialect")
    }

    /// The request that asks for the rest of an answer, of which `text` is there. `None`: it cannot be made.
    fn continued(&self, _request: &Request, _text: &str, _prefill: Prefill) -> Option<Request> {
        None
    }

    /// Inspects one event of a stream.
    fn inspect(&self, _name: &[u8], _data: &[u8]) -> Seen {
        Seen::Malformed
    }

    /// Inspects a whole body: an answer, or an error in its place.
    fn inspect_body(&self, body: &[u8]) -> Seen;

    /// Appends one event of a stream.
    fn frame(&self, name: &[u8], data: &[u8], out: &mut Vec<u8>) {
        openai_chat::frame(name, data, out);
    }

    /// The stream's normal end; empty where the end of the body is the end.
    fn done(&self) -> &'static [u8] {
        b""
    }

    /// Whether an event's data is the normal end and nothing more, so that it can pass as it came.
    fn is_done(&self, _data: &[u8]) -> bool {
        false
    }

    /// Whether the end of the body is the normal end of an answer that has said why it ends.
    fn ends_with_body(&self) -> bool {
        false
    }

    /// Whether its clients take a comment in a stream for one.
    fn has_comments(&self) -> bool {
        true
    }

    /// What a stream says in a long silence.
    fn keep_alive(&self) -> &'static [u8] {
        COMMENT
    }

    /// The body of an HTTP error.
    fn error_body(&self, failure: &Failure) -> Vec<u8> {
        openai_chat::error_body(failure)
    }

    /// The same of the answer with this id, where the dialect says it there too.
    fn identified_error(&self, failure: &Failure, _id: &str) -> Vec<u8> {
        self.error_body(failure)
    }

    /// The header with the id of an answer, where the dialect's SDKs show one.
    fn id_header(&self) -> Option<&'static str> {
        None
    }

    /// The HTTP status of a failure. 529 is Anthropic's; to all others it is a server that cannot serve now.
    fn status(&self, failure: &Failure) -> u16 {
        if failure.status == 529 { 503 } else { failure.status }
    }

    /// What ends a stream that failed, where the client was given the provider's own events: `said` are the first and the
    /// last of them, for those that [`Speak::remembers`].
    fn error_event(&self, failure: &Failure, _said: &Said) -> Vec<u8> {
        let mut event = Vec::new();
        self.frame(b"", &self.error_body(failure), &mut event);
        event
    }

    /// Whether its error event takes something of what was said before.
    fn remembers(&self) -> bool {
        false
    }

    /// Makes the canonical stream its own; `None`: it is the canonical one, or has no streams.
    fn encoder(&self, _facts: Facts) -> Option<Box<dyn Encoder>> {
        None
    }

    /// A whole answer that a plugin translated, in the form that the request asked for, where there are several.
    fn settled(&self, _request: &Request, answer: Bytes) -> Bytes {
        answer
    }

    /// The canonical whole answer as its own; `None`: it is the canonical one, or no chat answers as it does.
    fn answer(&self, _chat: &Value, _facts: &Facts) -> Option<Value> {
        None
    }

    /// A whole answer in this dialect, in the form that its request asks for where a provider knows another alone.
    fn as_asked(&self, _request: &Request, body: Bytes) -> Bytes {
        body
    }
}

/// Whole events that went to the client as they came.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// What was sent first.
    pub first: Bytes,
    /// What was sent last.
    pub last: Bytes,
}

/// Writes a canonical answer as a stream of another dialect. It is called for each chunk in turn, and then once for the
/// end.
pub trait Encoder: Send {
    /// A `chat.completion.chunk`, the one with the usage included.
    fn chunk(&mut self, chunk: &Value, out: &mut Vec<u8>);

    /// The normal end.
    fn done(&mut self, out: &mut Vec<u8>);

    /// The end of a stream that failed: one terminal, at which the official SDKs raise.
    fn error(&mut self, failure: &Failure, out: &mut Vec<u8>);
}
