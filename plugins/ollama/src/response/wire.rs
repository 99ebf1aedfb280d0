//! Ollama's JSON, as far as it is read: its API reference's "Generate a chat completion".

use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_plugin_sdk::{Fault, Note};

/// A line of a stream, or a whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) message: Option<Message>,
    #[serde(default)]
    pub(super) done: bool,
    pub(super) done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    logprobs: Option<Vec<Value>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) content: String,
    pub(super) thinking: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call {
    pub(super) id: Option<String>,
    pub(super) function: Function,
}

#[derive(Debug, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    /// An object.
    #[serde(default)]
    pub(super) arguments: Value,
}

/// What an answer cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    prompt: u64,
    completion: u64,
}

impl Line {
    /// An error is the upstream's; what is neither that nor a part of an answer is malformed.
    pub(super) fn read(data: &[u8]) -> Result<Self, Fault> {
        let value: Value = serde_json::from_slice(data).map_err(|_| Fault::Protocol("it is not JSON"))?;
        if value.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Fault::Upstream);
        }
        let line: Line = serde_json::from_value(value)
            .map_err(|_| Fault::Protocol("it is not a part of a chat's answer"))?;
        if line.message.is_none() && !line.done {
            return Err(Fault::Protocol("it is not a part of a chat's answer"));
        }
        Ok(line)
    }

    /// The counts, which come with the end. A prompt that the server had in its cache may have none.
    pub(super) fn usage(&self) -> Option<Usage> {
        let counted = self.prompt_eval_count.is_some() || self.eval_count.is_some();
        counted.then(|| Usage {
            prompt: self.prompt_eval_count.unwrap_or(0),
            completion: self.eval_count.unwrap_or(0),
        })
    }

    /// As OpenAI has them, or null.
    pub(super) fn logprobs(&self) -> Value {
        match &self.logprobs {
            Some(tokens) if !tokens.is_empty() => json!({"content": tokens, "refusal": null}),
            _ => Value::Null,
        }
    }
}

impl Message {
    pub(super) fn calls(&self) -> &[Call] {
        self.tool_calls.as_deref().unwrap_or_default()
    }
}

impl Usage {
    pub(super) fn openai(self) -> Value {
        let Usage { prompt, completion } = self;
        let total = prompt.saturating_add(completion);
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total})
    }

    pub(super) fn notes(self) -> [Note; 2] {
        [Note::TokensIn(self.prompt), Note::TokensOut(self.completion)]
    }
}
