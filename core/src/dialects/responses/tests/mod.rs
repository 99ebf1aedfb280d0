//! The dialect through its one door: what a provider of chat completions is asked, and what the client is told.

mod answers;
mod inspected;
mod requests;

use serde_json::{Value, json};

use super::*;
use crate::dialects::Dialect;

fn request(body: Value) -> Request {
    Responses.decode(&Route::of(Dialect::OpenAiResponses), body.to_string().into()).expect("legal")
}

fn crossed(body: Value, dropping: bool) -> Result<(Value, Vec<String>), String> {
    let request = request(body);
    let chat = Responses.to_chat(&request, dropping)?;
    assert_eq!(chat.body[chat.model_at.clone()], *Value::from(request.model).to_string().as_bytes());
    Ok((serde_json::from_slice(&chat.body).expect("JSON"), chat.dropped))
}

fn chat(body: Value) -> Value {
    crossed(body, false).expect("sayable").0
}

fn facts(request: Value) -> Facts {
    Facts { model: "m".to_owned(), seed: 7, created: 1_750_000_000, request: request.to_string().into() }
}

/// The events of a stream of these deltas, and of its end.
fn told(request: Value, deltas: &[Value], finish: &str) -> Vec<Value> {
    let mut out = Vec::new();
    let mut encoder = Responses.encoder(facts(request)).expect("it has streams");
    for delta in deltas {
        encoder.chunk(&json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}), &mut out);
    }
    encoder.chunk(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}), &mut out);
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_creation_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2}});
    encoder.chunk(&json!({"choices": [], "usage": usage}), &mut out);
    encoder.done(&mut out);
    let events = read(&out);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], json!(number), "{event}");
    }
    events
}

/// Events of which each has its type as its name.
fn read(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let blocks = text.split_terminator("\n\n").map(|block| {
        let (name, data) = block.split_once('\n').expect("two lines");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str(), "{block}");
        data
    });
    blocks.collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().map(|event| event["type"].as_str().expect("a type"));
    kinds.map(|kind| kind.strip_prefix("response.").unwrap_or(kind)).collect()
}

fn last(events: &[Value]) -> &Value {
    &events.last().expect("an end")["response"]
}

fn asked() -> Value {
    json!({"model": "m", "input": "Hi", "stream": true})
}
