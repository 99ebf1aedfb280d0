//! Recorded answers, replayed: an honest provider, and such as invent or forget the end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tidegate_plugin_abi::status;
use tidegate_plugin_sdk::harness::{Ending, Harness, Recording, ToolCall};
use tidegate_plugin_sdk::{
    Class, Config, End, ErrorKind, EventIn, FailureIn, Fault, Flow, Framing, HeadIn, Host, Note, Provider,
    RequestIn, RequestOut, Stream, StreamOut, TextOut, classify,
};

/// Speaks `{"token": ...}` as its model's name says.
struct Tokens {
    how: String,
}

struct Play {
    how: String,
    ended: bool,
}

impl Provider for Tokens {
    type Stream = Play;

    fn create(config: Config, _: Host) -> Result<Self, String> {
        Ok(Tokens { how: config.model })
    }

    fn request(&self, _: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        out.target("POST", "https://x.test/v1")
    }

    fn open(&self, _: &HeadIn<'_>) -> Result<Play, Fault> {
        Ok(Play { how: self.how.clone(), ended: false })
    }

    fn response(&self, _: &HeadIn<'_>, _: &[u8], _: &mut TextOut<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Pass)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::generic(classify::Said::of_bytes(failure.body), failure.http_status, class);
    }
}

impl Stream for Play {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        let value: Value = serde_json::from_slice(event.data).map_err(|_| Fault::Protocol("not JSON"))?;
        if classify::is_error("", &value) {
            return Err(Fault::Upstream);
        }
        self.ended |= value["end"] == true;
        let mut delta = json!({"content": value["token"]});
        if value["arguments"].is_string() {
            let function = json!({"name": value["call"], "arguments": value["arguments"]});
            delta = json!({"tool_calls": [{"index": 0, "id": value["id"], "function": function}]});
        }
        let says_why = self.ended && self.how != "mute";
        let choice = json!({"index": 0, "delta": delta, "finish_reason": says_why.then_some("stop")});
        out.event("", json!({"choices": [choice]}).to_string().as_bytes())?;
        if self.ended {
            let usage = json!({"choices": [], "usage": {"total_tokens": 3}});
            out.event("", usage.to_string().as_bytes())?;
            out.note(Note::Done)?;
        }
        Ok(Flow::Done)
    }

    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault> {
        if self.how == "eager" && !self.ended {
            let choice = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
            out.event("", json!({"choices": [choice]}).to_string().as_bytes())?;
            return Ok(End::Done);
        }
        Ok(if self.ended { End::Done } else { End::Truncated })
    }
}

fn tokens(how: &str) -> Harness {
    Harness::new::<Tokens>(&json!({"provider": "tokens", "model": how})).unwrap()
}

#[test]
fn a_recording_is_text_calls_usage_and_an_end() {
    let recording = Recording::read("tests/answers/tokens.sse");
    let told = tokens("").replay(&recording);
    assert_eq!((told.text().as_str(), told.ending.clone()), ("Ebbe Flut", Ending::Done));
    assert_eq!(told.finish().as_deref(), Some("stop"));
    assert_eq!(told.usage(), Some(json!({"total_tokens": 3})));
    let call = ToolCall { id: "c1".into(), name: "tide".into(), arguments: r#"{"at":1}"#.into() };
    assert_eq!(told.tool_calls(), [call]);
    assert_eq!((told.events.len(), told.notes.as_slice()), (6, &[(5, 0)][..]));
}

#[test]
fn every_framing_is_read() {
    for file in ["tests/answers/tokens.jsonl", "tests/answers/tokens.json"] {
        let recording = Recording::read(file);
        let told = tokens("").replay(&recording);
        assert_eq!((told.text().as_str(), told.ending), ("Ebbe Flut", Ending::Done), "{file}");
        assert!(tokens("").invented_ends(&recording).is_empty(), "{file}");
    }
}

#[test]
fn an_invented_end_is_found_at_every_cut_and_a_forgotten_finish_is_no_end() {
    let recording = Recording::read("tests/answers/tokens.sse");
    assert_eq!(tokens("").invented_ends(&recording), [0; 0]);
    let invented = tokens("eager").invented_ends(&recording);
    assert!(invented.len() > 10 && invented.contains(&0), "{invented:?}");
    assert_eq!(tokens("mute").replay(&recording).ending, Ending::Unfinished);
}

#[test]
fn an_upstream_s_error_is_classified_and_what_is_no_event_fails() {
    let body = "data: {\"token\":\"a\"}\n\ndata: {\"error\":{\"code\":429,\"message\":\"slow down\"}}\n\ndata: {\"end\":true}\n\n";
    let told = tokens("").replay(&Recording::new(body, Framing::Sse));
    let Ending::Upstream(class) = told.ending else { panic!("{told:?}") };
    assert_eq!((class.error, told.events.len()), (ErrorKind::RateLimit, 1));
    let told = tokens("").replay(&Recording::new("<html>\n", Framing::Sse));
    assert_eq!(told.ending, Ending::Failed(status::E_PROTOCOL));
}
