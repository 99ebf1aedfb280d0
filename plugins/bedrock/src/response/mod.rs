//! Converse's answers as OpenAI chat completions.

mod citation;
mod finish;
mod stream;
mod usage;
mod whole;
mod wire;

pub(crate) use finish::is_failure;
pub(crate) use whole::whole;

pub use stream::Translator;

use serde_json::{Value, json};
use tidegate_plugin_sdk::HeadIn;

/// What all chunks of an answer share.
#[derive(Debug)]
struct Identity {
    id: String,
    created: u64,
    model: String,
}

impl Identity {
    /// An answer has no id of its own but AWS's of the request.
    fn new(head: &HeadIn<'_>) -> Self {
        let own = head.headers.get("x-amzn-requestid").filter(|id| !id.is_empty());
        Identity {
            id: own.map_or_else(|| format!("chatcmpl-{:016x}", head.seed), |id| format!("chatcmpl-{id}")),
            created: head.unix_ms / 1000,
            model: head.model.to_owned(),
        }
    }

    fn object(&self, object: &str, choices: Vec<Value>) -> Value {
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices})
    }
}

fn image(format: Option<&str>, bytes: &str) -> Value {
    let format = format.unwrap_or("png");
    json!({"type": "image_url", "image_url": {"url": format!("data:image/{format};base64,{bytes}")}})
}

/// Whether a document is an error, as AWS writes one: a message, without anything of an answer.
fn is_error(document: &Value) -> bool {
    let has = |name: &str| document.get(name).is_some();
    (has("message") || has("Message") || has("__type") || has("error")) && !has("output")
}
