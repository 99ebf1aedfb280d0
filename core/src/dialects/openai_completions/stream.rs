//! A chat's chunks as those of a text completion.

use serde_json::Value;

use super::{answer, request};
use crate::dialects::openai_chat::Chat;
use crate::dialects::{Encoder, Facts, Said, Speak};
use crate::failure::Failure;

/// One stream. What a completion has no place for, such as reasoning, is not said.
pub(super) struct Texts {
    facts: Facts,
    wants_usage: bool,
}

impl Texts {
    pub(super) fn new(facts: &Facts) -> Self {
        let wants_usage = request::wants_usage(&facts.request);
        // The body is as long as the prompt, and nothing else of it is needed.
        Self { facts: Facts { request: bytes::Bytes::new(), ..facts.clone() }, wants_usage }
    }
}

impl Encoder for Texts {
    fn chunk(&mut self, chunk: &Value, out: &mut Vec<u8>) {
        let choices = chunk["choices"].as_array().map_or(&[][..], Vec::as_slice);
        let says = |choice: &&Value| {
            !answer::text(&choice["delta"]).is_empty()
                || choice["finish_reason"].as_str().is_some_and(|reason| !reason.is_empty())
        };
        let said: Vec<Value> =
            choices.iter().filter(says).map(|choice| answer::choice(choice, &choice["delta"])).collect();
        let usage = Some(&chunk["usage"]).filter(|usage| usage.is_object() && self.wants_usage);
        // Some providers count in a chunk that has a choice too: then the count is a chunk of its own.
        if !said.is_empty() {
            self.write(chunk, said, self.wants_usage.then_some(&Value::Null), out);
        }
        if let Some(usage) = usage {
            self.write(chunk, Vec::new(), Some(usage), out);
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(Chat.done());
    }

    fn error(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        out.extend(Chat.error_event(failure, &Said::default()));
    }
}

impl Texts {
    fn write(&self, chunk: &Value, choices: Vec<Value>, usage: Option<&Value>, out: &mut Vec<u8>) {
        let mut made = answer::head(chunk, &self.facts, choices);
        made.extend(usage.map(|usage| ("usage".to_owned(), usage.clone())));
        Chat.frame(b"", Value::Object(made).to_string().as_bytes(), out);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn told(request: &'static str, chunks: &[Value]) -> Vec<Value> {
        let facts = Facts {
            model: "mine".into(),
            seed: 1,
            created: 7,
            request: Bytes::from_static(request.as_bytes()),
        };
        let mut texts = Texts::new(&facts);
        let mut out = Vec::new();
        chunks.iter().for_each(|chunk| texts.chunk(chunk, &mut out));
        texts.done(&mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        let mut events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
        assert_eq!(events.pop(), Some("data: [DONE]"));
        events.iter().map(|event| serde_json::from_str(&event["data: ".len()..]).expect("JSON")).collect()
    }

    fn chunk(delta: Value, finish: Value) -> Value {
        json!({"model": "up", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    }

    #[test]
    fn deltas_are_texts_and_the_rest_is_silent() {
        let usage =
            json!({"model": "up", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
        let chunks = [
            chunk(json!({"role": "assistant", "content": ""}), Value::Null),
            chunk(json!({"reasoning_content": "hm"}), Value::Null),
            chunk(json!({"content": "Flut"}), Value::Null),
            chunk(json!({"content": "!"}), Value::Null),
            chunk(json!({}), json!("stop")),
            usage.clone(),
        ];
        let events = told(r#"{"model":"m","prompt":"a"}"#, &chunks);
        let texts: Vec<&Value> = events.iter().map(|event| &event["choices"][0]["text"]).collect();
        assert_eq!(texts, [&json!("Flut"), &json!("!"), &json!("")]);
        assert_eq!(events[2]["choices"][0]["finish_reason"], "stop");
        assert!(
            events.iter().all(|event| event["object"] == "text_completion" && event.get("usage").is_none())
        );

        let wanted = r#"{"model":"m","prompt":"a","stream_options":{"include_usage":true}}"#;
        let events = told(wanted, &chunks);
        assert_eq!(events.len(), 4);
        assert!(events[..3].iter().all(|event| event["usage"].is_null() && event.get("usage").is_some()));
        assert_eq!((&events[3]["usage"], &events[3]["choices"]), (&usage["usage"], &json!([])));
        // The same where the count comes with the last choice.
        let mut last = chunk(json!({"content": "x"}), json!("length"));
        last["usage"] = usage["usage"].clone();
        let events = told(wanted, &[last]);
        assert_eq!((&events[0]["choices"][0]["text"], &events[1]["usage"]), (&json!("x"), &usage["usage"]));
    }

    #[test]
    fn a_failure_is_one_error_event() {
        let mut out = Vec::new();
        Texts::new(&Facts { model: "m".into(), seed: 1, created: 1, request: Bytes::new() })
            .error(&Failure::refusal(429, "slow down"), &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(
            text.starts_with("data: {\"error\":{\"message\":\"slow down\"") && text.ends_with("\n\n"),
            "{text}"
        );
        assert!(!text.contains("[DONE]"));
    }
}
