//! The client dialects: how each asks, and where.

use serde_json::{Value, json};
use tidegate_sim::strict::client::{ask, post};

use super::{LONG, World};
use crate::Answer;

/// A client dialect.
pub struct Client {
    /// On the page.
    pub name: &'static str,
    /// Which of a feature's forms it uses.
    pub form: Form,
}

/// The form of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Messages,
    /// Gemini `generateContent`.
    Gemini,
    /// OpenAI's legacy completions.
    Completions,
    /// OpenAI's embeddings.
    Embeddings,
}

/// The dialects that have a matrix.
pub const CLIENTS: &[Client] = &[
    Client { name: "OpenAI chat completions", form: Form::Chat },
    Client { name: "OpenAI Responses", form: Form::Responses },
    Client { name: "Anthropic Messages", form: Form::Messages },
    Client { name: "Gemini generateContent", form: Form::Gemini },
    Client { name: "OpenAI's legacy completions", form: Form::Completions },
    Client { name: "OpenAI's embeddings", form: Form::Embeddings },
];

impl Form {
    /// Whether its answers can be streamed.
    pub fn streams(self) -> bool {
        self != Self::Embeddings
    }

    /// Whether it has tools.
    pub fn has_tools(self) -> bool {
        !matches!(self, Self::Completions | Self::Embeddings)
    }

    /// The smallest request with this text.
    pub fn base(self, text: &str) -> Value {
        match self {
            Self::Chat => json!({"messages": [{"role": "user", "content": text}]}),
            Self::Responses => {
                json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": text}]}]})
            }
            Self::Messages => {
                json!({"max_tokens": 4096, "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]})
            }
            Self::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
            Self::Completions => json!({"prompt": text}),
            Self::Embeddings => json!({"input": text}),
        }
    }

    /// The next request of a tool loop: the answer as it came, and a result for each of its calls. Without tools the same
    /// request again.
    pub fn after(self, answer: &Value) -> Value {
        let mut body = self.base("sim:fast");
        let empty = Vec::new();
        match self {
            Self::Completions | Self::Embeddings => body,
            Self::Chat => {
                let message = &answer["choices"][0]["message"];
                let calls = message["tool_calls"].as_array().unwrap_or(&empty);
                let results = calls
                    .iter()
                    .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "r"}));
                let messages = [body["messages"][0].clone(), message.clone()].into_iter().chain(results);
                json!({"messages": messages.collect::<Vec<_>>(), "tools": [
                    {"type": "function", "function": {"name": "probe_call_a", "parameters": {"type": "object"}}},
                    {"type": "function", "function": {"name": "probe_call_b", "parameters": {"type": "object"}}}]})
            }
            Self::Responses => {
                let items = answer["output"].as_array().unwrap_or(&empty);
                let calls = items.iter().filter(|item| item["type"] == "function_call");
                let results = calls.map(
                    |call| json!({"type": "function_call_output", "call_id": call["call_id"], "output": "r"}),
                );
                let input =
                    [body["input"][0].clone()].into_iter().chain(items.iter().cloned()).chain(results);
                body["input"] = input.collect();
                let tool = |name| json!({"type": "function", "name": name, "parameters": {"type": "object"}});
                body["tools"] = json!([tool("probe_call_a"), tool("probe_call_b")]);
                body
            }
            Self::Messages => {
                let blocks = answer["content"].as_array().unwrap_or(&empty);
                let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
                let results = calls
                    .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "r"}));
                let results: Vec<Value> = results.collect();
                body["messages"] = json!([body["messages"][0], {"role": "assistant", "content": blocks},
                    {"role": "user", "content": results}]);
                let tool = |name| json!({"name": name, "input_schema": {"type": "object"}});
                body["tools"] = json!([tool("probe_call_a"), tool("probe_call_b")]);
                body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
                body
            }
            Self::Gemini => {
                let content = &answer["candidates"][0]["content"];
                let parts = content["parts"].as_array().unwrap_or(&empty);
                let calls = parts.iter().filter_map(|part| part.get("functionCall"));
                let results = calls.map(|call| {
                    let mut response = json!({"name": call["name"], "response": {"r": "r"}});
                    if let Some(id) = call.get("id") {
                        response["id"] = id.clone();
                    }
                    json!({"functionResponse": response})
                });
                let results: Vec<Value> = results.collect();
                body["contents"] = json!([body["contents"][0], content, {"role": "user", "parts": results}]);
                body["tools"] =
                    json!([{"functionDeclarations": [{"name": "probe_call_a"}, {"name": "probe_call_b"}]}]);
                body
            }
        }
    }

    /// The request with this body, for a group.
    pub fn request(self, group: &str, mut body: Value, stream: bool) -> Vec<u8> {
        let path = match self {
            Self::Gemini if stream => format!("/v1beta/models/{group}:streamGenerateContent?alt=sse"),
            Self::Gemini => format!("/v1beta/models/{group}:generateContent"),
            Self::Chat => "/v1/chat/completions".to_owned(),
            Self::Responses => "/v1/responses".to_owned(),
            Self::Messages => "/v1/messages".to_owned(),
            Self::Completions => "/v1/completions".to_owned(),
            Self::Embeddings => "/v1/embeddings".to_owned(),
        };
        if self != Self::Gemini {
            body["model"] = group.into();
            if stream {
                body["stream"] = true.into();
            }
        }
        let headers = if self == Self::Messages { "anthropic-version: 2023-06-01\r\n" } else { "" };
        post(&path, headers, body.to_string().as_bytes())
    }
}

impl World {
    /// Asks, and reads the whole answer.
    pub(super) async fn ask(&self, form: Form, group: &str, body: Value, stream: bool) -> Answer {
        ask(self.proxy.data, &form.request(group, body, stream), LONG).await
    }
}

/// Puts the members of `patch` into `body`: objects into objects, anything else in the place of what is there.
pub fn merge(body: &mut Value, patch: &Value) {
    match (body, patch) {
        (Value::Object(body), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(body.entry(name).or_insert(Value::Null), value);
            }
        }
        (body, patch) => *body = patch.clone(),
    }
}
