//! `generateContent` answers as OpenAI chat completions.

mod delta;
mod finish;
mod sources;
mod stream;
mod usage;
mod whole;
mod wire;

pub(crate) use finish::is_failure;
pub(crate) use whole::whole;

pub use stream::Translator;

use serde_json::{Value, json};
use tidegate_plugin_sdk::{Fault, HeadIn};

use crate::error::documents;
use wire::Reply;

/// What all chunks of an answer share.
#[derive(Debug)]
struct Identity {
    id: String,
    /// The id is Google's own.
    named: bool,
    seed: u64,
    created: u64,
    model: String,
}

impl Identity {
    fn new(head: &HeadIn<'_>) -> Self {
        Identity {
            id: format!("chatcmpl-{:016x}", head.seed),
            named: false,
            seed: head.seed,
            created: head.unix_ms / 1000,
            model: head.model.to_owned(),
        }
    }

    /// The first response id names the answer, unless a chunk went out before it.
    fn name(&mut self, reply: &Reply, begun: bool) {
        if let (false, false, Some(id)) =
            (self.named, begun, reply.response_id.as_deref().filter(|id| !id.is_empty()))
        {
            self.id = id.to_owned();
            self.named = true;
        }
    }

    fn call_id(&self, candidate: u32, call: u32) -> String {
        format!("call_{:016x}{candidate:02x}{call:04x}", self.seed)
    }

    fn object(&self, object: &str, choices: Vec<Value>) -> Value {
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices})
    }
}

/// The replies in a text. An error, in whatever form, is the upstream's; anything else that is no reply is malformed.
fn replies(text: &str) -> Result<Vec<Reply>, Fault> {
    let malformed = || match crate::error::find(text) {
        Some(_) => Fault::Upstream,
        None => Fault::Protocol("it is not a GenerateContentResponse"),
    };
    let replies = documents::<Reply>(text).ok_or_else(malformed)?;
    if replies.iter().any(|reply| reply.error.is_some()) {
        return Err(Fault::Upstream);
    }
    if replies.iter().any(|reply| !reply.is_reply()) {
        return Err(malformed());
    }
    Ok(replies)
}
