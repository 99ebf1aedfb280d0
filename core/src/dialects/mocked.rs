//! litellm's `mock_response` and `mock_tool_calls`: an answer, or a failure, without a provider.

use serde_json::{Value, json};
use tidegate_engine::ErrorClass;

use super::openai_chat::Chat;
use super::{Facts, Speak};
use crate::failure::Failure;

/// What stands in the place of a provider's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Mocked {
    said: Said,
    /// OpenAI's `tool_calls`, whole.
    calls: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    Text(String),
    /// An embedding.
    Vector(Vec<Value>),
    /// A whole `chat.completion`.
    Completion(Value),
}

/// litellm's text where only tools are mocked.
const USUAL: &str = "This is a mock request";
/// litellm's counts.
const PROMPT_TOKENS: u64 = 10;
const COMPLETION_TOKENS: u64 = 20;
/// litellm streams three letters at a time; a long text comes in at most so many pieces.
const PIECE: usize = 3;
const MAX_PIECES: usize = 1000;
/// More choices than OpenAI gives.
const MAX_CHOICES: u64 = 128;

impl Mocked {
    /// From the two members as they are written. `None`: neither says anything.
    ///
    /// # Errors
    /// A sentence that names the one that cannot be meant.
    pub fn of(response: &Value, calls: &Value) -> Result<Option<Self>, String> {
        let calls = match calls {
            Value::Null => Vec::new(),
            Value::Array(calls) if calls.iter().all(|call| call["function"]["name"].is_string()) => {
                calls.clone()
            }
            _ => {
                return Err(
                    "\"mock_tool_calls\" must be a list of calls such as {\"id\": \"1\", \"type\": \"function\", \"function\": \
                     {\"name\": \"f\", \"arguments\": \"{}\"}}"
                        .into(),
                );
            }
        };
        let said = match response {
            Value::Null if calls.is_empty() => return Ok(None),
            Value::Null => Said::Text(USUAL.to_owned()),
            Value::String(text) => Said::Text(text.clone()),
            Value::Array(vector) if vector.iter().all(Value::is_number) => Said::Vector(vector.clone()),
            Value::Object(completion) if completion.get("choices").is_some_and(Value::is_array) => {
                Said::Completion(response.clone())
            }
            Value::Bool(_) | Value::Number(_) => Said::Text(response.to_string()),
            _ => {
                return Err(
                    "\"mock_response\" must be a text, a chat completion with \"choices\", or a list of numbers for an \
                     embedding"
                        .into(),
                );
            }
        };
        Ok(Some(Self { said, calls }))
    }

    /// The failure that a text stands for: litellm 1.83.9's names of exceptions.
    pub fn failure(&self) -> Option<Failure> {
        let Said::Text(text) = &self.said else { return None };
        let (class, status, message) = match text.as_str() {
            "litellm.RateLimitError" => (ErrorClass::RateLimit, 429, "this is a mock rate limit error"),
            "litellm.ContextWindowExceededError" => {
                (ErrorClass::ContextLength, 400, "this is a mock context window exceeded error")
            }
            "litellm.InternalServerError" => {
                (ErrorClass::Server, 500, "this is a mock internal server error")
            }
            text if text.starts_with("Exception: content_filter_policy") => {
                (ErrorClass::ContentFilter, 400, text)
            }
            text if text.starts_with("Exception: mock_streaming_error") => {
                (ErrorClass::Overloaded, 503, "this is a mock error of a stream")
            }
            _ => return None,
        };
        Some(Failure { class, ..Failure::refusal(status, message) })
    }

    /// A `chat.completion` with as many choices as the canonical `request` wants.
    ///
    /// # Errors
    /// It is an embedding.
    pub fn completion(&self, request: &[u8], facts: &Facts) -> Result<Value, Failure> {
        let text = match &self.said {
            Said::Text(text) => text,
            Said::Completion(completion) => return Ok(completed(completion, facts)),
            Said::Vector(_) => {
                return Err(Failure::bad_request(
                    "\"mock_response\" is an embedding, and this request is for a text",
                ));
            }
        };
        let wanted: Option<Value> = serde_json::from_slice(request).ok();
        let n = wanted.and_then(|body| body["n"].as_u64()).unwrap_or(1).clamp(1, MAX_CHOICES);
        let choices: Vec<Value> = (0..n)
            .map(|index| {
                let mut message = json!({"role": "assistant", "content": text});
                if !self.calls.is_empty() {
                    message["tool_calls"] = self.calls.clone().into();
                }
                let finish = if self.calls.is_empty() { "stop" } else { "tool_calls" };
                json!({"index": index, "message": message, "finish_reason": finish})
            })
            .collect();
        Ok(completed(&json!({"choices": choices}), facts))
    }

    /// The same as the bytes of a canonical stream, to its end.
    ///
    /// # Errors
    /// As [`Mocked::completion`].
    pub fn stream(&self, request: &[u8], include_usage: bool, facts: &Facts) -> Result<Vec<u8>, Failure> {
        let whole = self.completion(request, facts)?;
        let mut out = Vec::new();
        let mut say = |choices: Value, usage: Option<&Value>| {
            let mut chunk = json!({
                "id": whole["id"], "object": "chat.completion.chunk", "created": whole["created"],
                "model": whole["model"], "choices": choices,
            });
            if let Some(usage) = usage {
                chunk["usage"] = usage.clone();
            }
            Chat.frame(b"", chunk.to_string().as_bytes(), &mut out);
        };
        for choice in whole["choices"].as_array().into_iter().flatten() {
            let index = &choice["index"];
            let mut delta =
                |delta: Value| say(json!([{"index": index, "delta": delta, "finish_reason": null}]), None);
            delta(json!({"role": "assistant", "content": ""}));
            let text = choice["message"]["content"].as_str().unwrap_or_default();
            pieces(text).for_each(|piece| delta(json!({"content": piece})));
            let calls = choice["message"]["tool_calls"].as_array().into_iter().flatten();
            for (number, call) in calls.enumerate() {
                let mut call = call.clone();
                call["index"] = number.into();
                delta(json!({"tool_calls": [call]}));
            }
            let finish =
                if choice["finish_reason"].is_string() { &choice["finish_reason"] } else { &json!("stop") };
            say(json!([{"index": index, "delta": {}, "finish_reason": finish}]), None);
        }
        if include_usage {
            say(json!([]), Some(&whole["usage"]));
        }
        out.extend_from_slice(Chat.done());
        Ok(out)
    }

    /// The answer to a request for embeddings: the vector for each of its inputs.
    ///
    /// # Errors
    /// It is no vector.
    pub fn embeddings(&self, request: &[u8], facts: &Facts) -> Result<Value, Failure> {
        let Said::Vector(vector) = &self.said else {
            return Err(Failure::bad_request(
                "\"mock_response\" must be a list of numbers for a request for embeddings",
            ));
        };
        let wanted: Option<Value> = serde_json::from_slice(request).ok();
        let inputs = match wanted.as_ref().map(|body| &body["input"]) {
            Some(Value::Array(inputs)) if !inputs.iter().all(Value::is_number) => inputs.len(),
            _ => 1,
        };
        let data: Vec<Value> = (0..inputs)
            .map(|index| json!({"object": "embedding", "index": index, "embedding": vector}))
            .collect();
        let usage = json!({"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS});
        Ok(json!({"object": "list", "data": data, "model": facts.model, "usage": usage}))
    }
}

/// A completion with what is around its choices, where it does not say so itself.
fn completed(completion: &Value, facts: &Facts) -> Value {
    let mut made = json!({
        "id": format!("chatcmpl-{:016x}", facts.seed), "object": "chat.completion", "created": facts.created,
        "model": facts.model,
        "usage": {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS,
            "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS},
    });
    for (name, value) in completion.as_object().into_iter().flatten() {
        made[name] = value.clone();
    }
    for (index, choice) in made["choices"].as_array_mut().into_iter().flatten().enumerate() {
        if choice.is_object() {
            if choice["index"].is_null() {
                choice["index"] = index.into();
            }
            if choice["finish_reason"].is_null() {
                choice["finish_reason"] = "stop".into();
            }
        }
    }
    made
}

/// A text in pieces that are whole letters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let letters = text.chars().count();
    let size = PIECE.max(letters.div_ceil(MAX_PIECES));
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(size).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn facts() -> Facts {
        Facts { model: "mine".into(), seed: 1, created: 7, request: Bytes::new() }
    }

    fn mocked(response: Value) -> Mocked {
        Mocked::of(&response, &Value::Null).expect("it can be meant").expect("it says something")
    }

    #[test]
    fn a_text_is_an_answer_with_litellms_counts() {
        let whole = mocked(json!("Hällo")).completion(br#"{"n":2}"#, &facts()).expect("an answer");
        assert_eq!(whole["choices"][1]["message"], json!({"role": "assistant", "content": "Hällo"}));
        assert_eq!((&whole["model"], &whole["usage"]["total_tokens"]), (&json!("mine"), &json!(30)));
        let stream = mocked(json!("Hällo")).stream(b"{}", true, &facts()).expect("a stream");
        let text = String::from_utf8(stream).expect("UTF-8");
        let chunks: Vec<Value> = text
            .split("\n\n")
            .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
            .collect();
        let texts: Vec<&Value> =
            chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["content"]).collect();
        assert_eq!(texts[..3], [&json!(""), &json!("Häl"), &json!("lo")]);
        assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[4]["usage"]["prompt_tokens"], 10);
        assert!(text.ends_with("data: [DONE]\n\n"));
        let quiet = mocked(json!("x")).stream(b"{}", false, &facts()).expect("a stream");
        assert!(!String::from_utf8(quiet).expect("UTF-8").contains("usage"));
    }

    #[test]
    fn tools_completions_and_vectors() {
        let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let tools = Mocked::of(&Value::Null, &json!([call])).expect("fine").expect("some");
        let whole = tools.completion(b"{}", &facts()).expect("an answer");
        assert_eq!(whole["choices"][0]["message"]["tool_calls"], json!([call]));
        assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
        let stream =
            String::from_utf8(tools.stream(b"{}", false, &facts()).expect("a stream")).expect("UTF-8");
        assert!(stream.contains(r#""tool_calls":[{"#) && stream.contains(r#""index":0"#), "{stream}");

        let own = json!({"id": "own", "choices": [{"message": {"role": "assistant", "content": "x"}}]});
        let whole = mocked(own).completion(b"{}", &facts()).expect("an answer");
        assert_eq!((&whole["id"], &whole["choices"][0]["finish_reason"]), (&json!("own"), &json!("stop")));

        let vector = mocked(json!([0.5, 1]));
        let made = vector.embeddings(br#"{"input":["a","b"]}"#, &facts()).expect("vectors");
        assert_eq!(made["data"][1], json!({"object": "embedding", "index": 1, "embedding": [0.5, 1]}));
        assert_eq!(vector.embeddings(br#"{"input":[1,2]}"#, &facts()).expect("one")["data"][1], Value::Null);
        assert_eq!(vector.completion(b"{}", &facts()).unwrap_err().status, 400);
        assert_eq!(mocked(json!("x")).embeddings(b"{}", &facts()).unwrap_err().status, 400);
    }

    #[test]
    fn names_of_exceptions_are_failures() {
        for (text, status, class) in [
            ("litellm.RateLimitError", 429, ErrorClass::RateLimit),
            ("litellm.ContextWindowExceededError", 400, ErrorClass::ContextLength),
            ("litellm.InternalServerError", 500, ErrorClass::Server),
            ("Exception: content_filter_policy: no", 400, ErrorClass::ContentFilter),
            ("Exception: mock_streaming_error", 503, ErrorClass::Overloaded),
        ] {
            let failure = mocked(json!(text)).failure().expect(text);
            assert_eq!((failure.status, failure.class), (status, class), "{text}");
        }
        for text in ["litellm.Timeout", "hello", ""] {
            assert_eq!(mocked(json!(text)).failure(), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(Mocked::of(&Value::Null, &Value::Null), Ok(None));
        for (response, calls) in [
            (json!({"a": 1}), Value::Null),
            (json!(["a"]), Value::Null),
            (json!("x"), json!("f")),
            (json!("x"), json!([{"name": "f"}])),
        ] {
            assert!(Mocked::of(&response, &calls).unwrap_err().contains("must be"), "{response} {calls}");
        }
    }

    #[test]
    fn a_long_text_comes_in_few_pieces() {
        let text = "é".repeat(100_000);
        let all: Vec<&str> = pieces(&text).collect();
        assert!(all.len() <= MAX_PIECES && all.concat() == text);
        assert_eq!(pieces("").count(), 0);
    }
}
