//! Requests and recorded answers, without a network. Record more of them: `curl -N ... > tests/answers/NAME.sse`.

use parrot::Parrot;
use serde_json::json;
use tidegate_plugin_sdk::harness::{Ending, Harness, Recording};
use tidegate_plugin_sdk::{ErrorKind, Framing, RequestIn};

fn provider() -> Harness {
    let config = json!({"provider": "parrot", "model": "grey", "params": {"api_base": "http://h"}});
    Harness::new::<Parrot>(&config).unwrap()
}

#[test]
fn a_recorded_answer_is_its_text_and_its_end() {
    let recording = Recording::read("tests/answers/hello.sse");
    let told = provider().replay(&recording);
    assert_eq!((told.text().as_str(), told.ending.clone()), ("Hello!", Ending::Done));
    assert_eq!(told.finish().as_deref(), Some("stop"));
    // Broken off after any of its bytes, it is never told as complete.
    assert!(provider().invented_ends(&recording).is_empty());
}

#[test]
fn an_error_in_the_stream_stays_an_error() {
    let body = "data: {\"token\": \"He\"}\n\ndata: {\"error\": {\"code\": 429, \"message\": \"slow down\"}}\n\n";
    let Ending::Upstream(class) = provider().replay(&Recording::new(body, Framing::Sse)).ending else { panic!() };
    assert_eq!((class.error, class.retryable), (ErrorKind::RateLimit, true));
}

#[test]
fn the_last_message_is_the_prompt() {
    let body = br#"{"model": "grey", "messages": [{"role": "user", "content": "Polly?"}]}"#;
    let sent = provider().request(&RequestIn { stream: true, body, ..RequestIn::default() }).unwrap();
    assert_eq!(sent.url, "http://h/speak");
    assert_eq!(sent.json(), json!({"prompt": "Polly?", "stream": true}));
    let refused = provider().request(&RequestIn { body: b"{}", ..RequestIn::default() }).unwrap_err();
    assert!(refused.why.contains("needs a text"), "{}", refused.why);
}
