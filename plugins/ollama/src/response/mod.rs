//! `/api/chat`'s answers as OpenAI chat completions.

mod stream;
mod wire;

use serde_json::{Value, json};
use tidegate_plugin_sdk::{Fault, HeadIn};

pub use stream::Lines;

use wire::Line;

/// What all parts of an answer share.
#[derive(Debug)]
struct Identity {
    id: String,
    seed: u64,
    created: u64,
    model: String,
}

impl Identity {
    fn new(head: &HeadIn<'_>) -> Self {
        Identity {
            id: format!("chatcmpl-{:016x}", head.seed),
            seed: head.seed,
            created: head.unix_ms / 1000,
            model: head.model.to_owned(),
        }
    }

    fn object(&self, object: &str, choices: Value) -> Value {
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices})
    }

    /// A call as OpenAI has it: arguments as text, and an id, which older servers do not give.
    fn call(&self, call: &wire::Call, number: usize) -> Value {
        let id = call.id.clone().filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| format!("call_{:016x}{number:04x}", self.seed));
        let arguments = match &call.function.arguments {
            Value::String(text) => text.clone(),
            Value::Null => "{}".to_owned(),
            other => other.to_string(),
        };
        json!({"id": id, "type": "function", "function": {"name": call.function.name, "arguments": arguments}})
    }
}

/// Why an answer ended, in OpenAI's words; Ollama's own word where that says more.
fn finish(reason: Option<&str>, called: bool) -> (&'static str, Option<&str>) {
    match reason {
        Some("length") => ("length", None),
        _ if called => ("tool_calls", None),
        None | Some("stop" | "") => ("stop", None),
        // `load` and `unload`: nothing was asked.
        Some(other) => ("stop", Some(other)),
    }
}

/// A whole answer.
pub(crate) fn whole(head: &HeadIn<'_>, body: &[u8]) -> Result<Value, Fault> {
    let line = Line::read(body)?;
    if !line.done {
        return Err(Fault::Protocol("the answer does not say that it is done"));
    }
    let identity = Identity::new(head);
    let said = line.message.as_ref().ok_or(Fault::Protocol("the body has no message"))?;
    let calls: Vec<Value> =
        said.calls().iter().enumerate().map(|(number, call)| identity.call(call, number)).collect();
    let (finish, native) = finish(line.done_reason.as_deref(), !calls.is_empty());
    let text =
        if said.content.is_empty() && !calls.is_empty() { Value::Null } else { said.content.as_str().into() };
    let mut message = json!({"role": "assistant", "content": text});
    if let Some(thinking) = said.thinking.as_deref().filter(|text| !text.is_empty()) {
        message["reasoning_content"] = thinking.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let mut choice =
        json!({"index": 0, "message": message, "logprobs": line.logprobs(), "finish_reason": finish});
    if let Some(native) = native {
        choice["provider_specific_fields"] = json!({"native_finish_reason": native});
    }
    let mut made = identity.object("chat.completion", json!([choice]));
    if let Some(usage) = line.usage() {
        made["usage"] = usage.openai();
    }
    Ok(made)
}
