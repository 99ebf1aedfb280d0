//! Chat completions before a provider that has the Responses API alone: requests on their way there, answers on their way back.
//!
//! - [`request`] makes a Responses request of a chat request.
//! - [`Translator`] and [`whole`] make chunks and completions of answers.
//!
//! Items of a kind that a chat has no place for (calls of OpenAI's own tools, what tomorrow brings) are in the
//! `provider_specific_fields` of the message, as they came.

mod carry;
mod crossing;
mod item;
mod messages;
mod request;
mod stream;
mod tools;
mod whole;

use serde_json::{Value, json};
use tidegate_plugin_sdk::{Dialect, Fault, HeadIn};

pub use request::{Asked, request};
pub use stream::Translator;
pub use whole::whole;

/// A whole answer to a client of chat: translated where it is one of Responses, `None` where it is none.
///
/// # Errors
/// See [`whole`].
pub fn answer(head: &HeadIn<'_>, body: &[u8]) -> Result<Option<Value>, Fault> {
    use Dialect::{OpenAiCompletions, OpenAiEmbeddings, OpenAiResponses};
    if matches!(head.dialect, OpenAiResponses | OpenAiCompletions | OpenAiEmbeddings) {
        return Ok(None);
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| Fault::Protocol("the body is not JSON"))?;
    if value["object"] != "response" && !value["output"].is_array() {
        return Ok(None);
    }
    whole(head, body).map(Some)
}

/// What all chunks of an answer share.
#[derive(Clone, Debug, Default)]
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

    /// The answer's own id and time.
    fn of(&mut self, response: &Value) {
        if let Some(id) = response["id"].as_str().filter(|id| !id.is_empty()) {
            id.clone_into(&mut self.id);
        }
        // Some servers write it with a fraction.
        if let Some(created) = response["created_at"].as_f64().filter(|created| *created >= 1.0) {
            self.created = created as u64;
        }
    }

    fn object(&self, object: &str, choices: Vec<Value>) -> Value {
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices})
    }
}

/// The chat's word for why an answer ended. `None`: it has not.
fn finish(response: &Value, called: bool) -> Option<&'static str> {
    Some(match response["status"].as_str() {
        Some("completed") if called => "tool_calls",
        Some("completed") => "stop",
        Some("incomplete") => match response["incomplete_details"]["reason"].as_str() {
            Some("content_filter") => "content_filter",
            _ => "length",
        },
        _ => return None,
    })
}

/// The counts in a chat's words; `None`: there are none.
fn usage(response: &Value) -> Option<Value> {
    let usage = &response["usage"];
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let (input, output) = (count("/input_tokens"), count("/output_tokens"));
    input.or(output)?;
    let (input, output) = (input.unwrap_or(0), output.unwrap_or(0));
    let mut prompt = json!({"cached_tokens": count("/input_tokens_details/cached_tokens").unwrap_or(0)});
    if let Some(written) = count("/input_tokens_details/cache_write_tokens").filter(|count| *count > 0) {
        prompt["cache_creation_tokens"] = json!(written);
    }
    Some(json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": count("/total_tokens").unwrap_or_else(|| input.saturating_add(output)),
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": count("/output_tokens_details/reasoning_tokens").unwrap_or(0),
        },
    }))
}
