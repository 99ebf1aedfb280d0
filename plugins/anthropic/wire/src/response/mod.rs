//! Messages answers as chat completions.

mod citation;
mod finish;
mod stream;
mod usage;
mod whole;
pub(crate) mod wire;

use serde_json::{Value, json};
use tidegate_plugin_sdk::HeadIn;

pub use stream::Translator;
pub use whole::whole;

/// What all chunks of an answer share.
#[derive(Debug)]
struct Identity {
    id: String,
    created: u64,
    model: String,
}

impl Identity {
    fn new(head: &HeadIn<'_>) -> Self {
        Identity {
            id: format!("chatcmpl-{:016x}", head.seed),
            created: head.unix_ms / 1000,
            model: head.model.to_owned(),
        }
    }

    /// The message's own id names the answer.
    fn name(&mut self, id: Option<String>) {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            self.id = id;
        }
    }

    fn object(&self, object: &str, choices: Vec<Value>) -> Value {
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices})
    }
}
