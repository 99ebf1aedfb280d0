//! What a client was told: the answer read as strictly as its dialect allows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::client::{Answer, End};
use super::sse;

/// How an answer ended, as the dialect says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// `[DONE]`, or a whole answer.
    Done,
    /// The error form, with its status.
    Error(u16),
}

/// A call of a tool, its fragments joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its id.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
}

/// An answer that kept the dialect's rules.
#[derive(Clone, Debug)]
pub struct Told {
    /// The HTTP status.
    pub status: u16,
    /// The text, joined.
    pub text: String,
    /// The calls, by index.
    pub calls: Vec<Call>,
    /// The first choice's finish reason.
    pub finish: Option<String>,
    /// The usage.
    pub usage: Option<Value>,
    /// The one terminal.
    pub terminal: Terminal,
    /// The error's message.
    pub message: String,
    /// Something was sent before the terminal.
    pub committed: bool,
    /// The Retry-After header.
    pub retry_after: Option<String>,
}

impl Told {
    /// Reads an answer.
    ///
    /// # Errors
    /// A sentence on the first rule that it breaks: its HTTP framing is not complete, it has no terminal or two, something
    /// follows the terminal, an event is not of the dialect.
    pub fn of(answer: &Answer, stream: bool) -> Result<Self, String> {
        if answer.end != End::Complete {
            return Err(format!("the answer's HTTP framing ended with {:?}: {}", answer.end, shown(answer)));
        }
        let mut told = Self {
            status: answer.status,
            text: String::new(),
            calls: Vec::new(),
            finish: None,
            usage: None,
            terminal: Terminal::Done,
            message: String::new(),
            committed: false,
            retry_after: answer.header("retry-after").map(str::to_owned),
        };
        let kind = answer.header("content-type").unwrap_or_default();
        match (answer.status, stream) {
            (200, true) if kind.starts_with("text/event-stream") => told.stream(answer)?,
            (200, false) if kind.starts_with("application/json") => told.whole(&answer.json())?,
            (200, _) => return Err(format!("a 200 has the content type {kind:?}")),
            _ if kind.starts_with("application/json") => told.error(&answer.json())?,
            (status, _) => return Err(format!("an error {status} has the content type {kind:?}")),
        }
        Ok(told)
    }

    fn stream(&mut self, answer: &Answer) -> Result<(), String> {
        let (events, rest) = sse::events(&answer.body)?;
        if !rest.is_empty() {
            return Err(format!("the stream ends inside an event: {rest:?}"));
        }
        let (mut calls, mut over) = (BTreeMap::<u64, Call>::new(), false);
        for event in &events {
            if over {
                return Err(format!("something follows the terminal: {event:?}"));
            }
            if event.data == "[DONE]" {
                (over, self.terminal) = (true, Terminal::Done);
                continue;
            }
            let chunk: Value = serde_json::from_str(&event.data)
                .map_err(|error| format!("an event is not JSON ({error}): {:.200}", event.data))?;
            if chunk.get("error").is_some() {
                self.error(&chunk)?;
                over = true;
                continue;
            }
            self.chunk(&chunk, &mut calls).map_err(|why| format!("{why}: {:.300}", event.data))?;
            self.committed = true;
        }
        self.calls = calls.into_values().collect();
        if over { Ok(()) } else { Err(format!("the stream has no terminal: {}", shown(answer))) }
    }

    /// The fields that the official SDKs rely on.
    fn chunk(&mut self, chunk: &Value, calls: &mut BTreeMap<u64, Call>) -> Result<(), &'static str> {
        let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        // Azure's own word on the prompt, which has the members of a chunk with nothing in them.
        if chunk["prompt_filter_results"].is_array() && chunk["choices"] == json!([]) {
            return Ok(());
        }
        if chunk["object"] != "chat.completion.chunk" {
            return Err("`object` is not chat.completion.chunk");
        }
        if !text(&chunk["id"]) || !text(&chunk["model"]) || !chunk["created"].is_u64() {
            return Err("`id`, `model` or `created` is missing");
        }
        let choices = chunk["choices"].as_array().ok_or("`choices` is no list")?;
        if chunk["usage"].is_object() {
            self.usage = Some(chunk["usage"].clone());
        }
        for choice in choices {
            let delta = choice["delta"].as_object().ok_or("a choice has no `delta`")?;
            if choice["index"] != 0 {
                return Err("a choice that was not asked for");
            }
            if self.finish.is_some() && !delta.is_empty() {
                return Err("content after the finish reason");
            }
            if let Some(part) = delta.get("content").and_then(Value::as_str) {
                self.text.push_str(part);
            }
            for part in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                let index = part["index"].as_u64().ok_or("a tool call has no index")?;
                let call = calls.entry(index).or_default();
                let add = |to: &mut String, from: &Value| to.push_str(from.as_str().unwrap_or_default());
                add(&mut call.id, &part["id"]);
                add(&mut call.name, &part["function"]["name"]);
                add(&mut call.arguments, &part["function"]["arguments"]);
            }
            match &choice["finish_reason"] {
                Value::Null => {}
                Value::String(_) if self.finish.is_some() => return Err("a second finish reason"),
                Value::String(reason) => self.finish = Some(reason.clone()),
                _ => return Err("`finish_reason` is neither text nor null"),
            }
        }
        Ok(())
    }

    fn whole(&mut self, body: &Value) -> Result<(), String> {
        let choice = &body["choices"][0];
        let (message, finish) = (&choice["message"], choice["finish_reason"].as_str());
        if body["object"] != "chat.completion" || !message.is_object() || finish.is_none() {
            return Err(format!("not a chat completion: {body:.300}"));
        }
        self.finish = finish.map(str::to_owned);
        self.text = message["content"].as_str().unwrap_or_default().to_owned();
        self.usage = body.get("usage").cloned();
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.calls = calls
            .map(|call| Call {
                id: text(&call["id"]),
                name: text(&call["function"]["name"]),
                arguments: text(&call["function"]["arguments"]),
            })
            .collect();
        Ok(())
    }

    /// The nested form, the only one that raises in the official SDKs, with the status as text in `code`; OpenAI's own code for
    /// a prompt that is too long, which is a 400.
    fn error(&mut self, body: &Value) -> Result<(), String> {
        let error = &body["error"];
        let code = error["code"].as_str().and_then(|code| match code {
            "context_length_exceeded" => Some(400),
            status => status.parse().ok(),
        });
        let (Some(code), Some(message), true) = (code, error["message"].as_str(), error["type"].is_string())
        else {
            return Err(format!("not an error that SDKs read: {body:.300}"));
        };
        if self.status != 200 && self.status != code {
            return Err(format!("the status is {} and the body says {code}", self.status));
        }
        self.message = message.to_owned();
        self.terminal = Terminal::Error(code);
        Ok(())
    }
}

fn shown(answer: &Answer) -> String {
    let text = answer.text();
    let tail: String = text.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{} ... {tail:?}", answer.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: &str = r#"data: {"id":"i","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    const FILTER: &str =
        r#"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}"#;
    const FINISH: &str = r#"data: {"id":"i","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const ERROR: &str = r#"data: {"error":{"message":"m","type":"t","param":null,"code":"429"}}"#;
    const DONE: &str = "data: [DONE]";

    fn told(events: &[&str]) -> Result<Told, String> {
        let body: String = events.iter().map(|event| format!("{event}\n\n")).collect();
        let headers = vec![("content-type".into(), "text/event-stream; charset=utf-8".into())];
        let answer =
            Answer { status: 200, headers, body: body.into(), times: Vec::new(), end: End::Complete };
        Told::of(&answer, true)
    }

    #[test]
    fn a_good_stream_and_an_honest_error_are_read() {
        let good = told(&[FILTER, CHUNK, CHUNK, FINISH, DONE]).unwrap();
        assert_eq!(
            (good.text.as_str(), good.finish.as_deref(), good.terminal),
            ("aa", Some("stop"), Terminal::Done)
        );
        let error = told(&[CHUNK, ERROR]).unwrap();
        assert_eq!((error.text.as_str(), error.finish, error.terminal), ("a", None, Terminal::Error(429)));
    }

    #[test]
    fn every_broken_rule_is_named() {
        for (events, why) in [
            (&[CHUNK][..], "no terminal"),
            (&[CHUNK, ERROR, DONE], "follows the terminal"),
            (&[CHUNK, DONE, ERROR], "follows the terminal"),
            (&[CHUNK, ERROR, ERROR], "follows the terminal"),
            (&[FINISH, CHUNK, DONE], "content after"),
            (&[FINISH, FINISH, DONE], "second finish"),
            (&["data: {\"choices\":", DONE], "not JSON"),
            (&[r#"data: {"choices":[],"created":0,"id":"","model":"","object":""}"#, DONE], "`object`"),
            (&[r#"data: {"object":"error","message":"flat","code":429}"#], "`object`"),
            (&[r#"data: {"error":{"message":"m","code":429}}"#], "not an error that SDKs read"),
        ] {
            let error = told(events).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
