//! The plugin through its C table: what it sends, how answers read, where the end is, and what a failure means.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_plugin_ollama::Ollama;
use tidegate_plugin_sdk::harness::{Ending, Harness, Recording, Replayed};
use tidegate_plugin_sdk::{Class, Dialect, ErrorKind, FailureIn, Framing, HeadIn, Headers, Phase, RequestIn};

const OK: i32 = 0;
const E_INVALID: i32 = -2;
const E_PROTOCOL: i32 = -4;
const E_TRUNCATED: i32 = -6;
const E_UNSUPPORTED: i32 = -7;
const E_UPSTREAM: i32 = -8;

fn with(params: Value, secrets: Value) -> Harness {
    let config = json!({"provider": "ollama_chat", "model": "m", "params": params, "secrets": secrets});
    Harness::new::<Ollama>(&config).unwrap()
}

fn ollama() -> Harness {
    with(json!({"api_base": "http://h:11434"}), json!([]))
}

fn answer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers").join(name)
}

/// What is sent for a chat with these members beside its message.
fn sent_by(harness: &Harness, model: &str, more: &Value) -> Result<Value, (i32, String)> {
    let mut body = json!({"model": "mine", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = body.to_string();
    let input =
        RequestIn { dialect: Dialect::OpenAiChat, model, body: body.as_bytes(), ..RequestIn::default() };
    match harness.request(&input) {
        Ok(sent) => Ok(serde_json::from_slice(&sent.body).unwrap()),
        Err(refusal) => Err((refusal.status, refusal.why)),
    }
}

fn sent(more: Value) -> Value {
    sent_by(&ollama(), "llama3.2", &more).unwrap()
}

#[test]
fn a_request_is_one_of_api_chat() {
    let body =
        br#"{"model":"mine","stream":true,"messages":[{"role":"user","content":"Hi"}],"temperature":0.5}"#;
    let input = RequestIn {
        stream: true,
        dialect: Dialect::OpenAiChat,
        model: "llama3.2:3b",
        body,
        ..RequestIn::default()
    };
    for base in ["http://h:11434", "http://h:11434/", "http://h:11434/api", "http://h:11434/api/generate"] {
        let sent = with(json!({"api_base": base}), json!(["api_key"])).request(&input).unwrap();
        assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "http://h:11434/api/chat"), "{base}");
        assert_eq!((sent.dialect, sent.framing), (Some(Dialect::Unknown), Some(Framing::JsonLines)));
        assert_eq!(sent.auth.unwrap().secret, "api_key");
        assert_eq!(
            serde_json::from_slice::<Value>(&sent.body).unwrap(),
            json!({"model": "llama3.2:3b", "stream": true, "messages": [{"role": "user", "content": "Hi"}],
                "options": {"temperature": 0.5}})
        );
    }
    assert_eq!(ollama().request(&input).unwrap().auth, None);
    for base in ["h:11434", "http://h:11434/v1"] {
        let config = json!({"provider": "ollama", "model": "m", "params": {"api_base": base}});
        assert!(Harness::new::<Ollama>(&config).is_err(), "{base}");
    }
    let other = RequestIn { dialect: Dialect::GeminiGenerate, body: b"{}", ..RequestIn::default() };
    assert_eq!(ollama().request(&other).unwrap_err().status, E_UNSUPPORTED);
}

#[test]
fn parameters_have_ollamas_names() {
    let made = sent(json!({
        "temperature": 0.1, "top_p": 0.2, "top_k": 3, "seed": 4, "presence_penalty": 0.5, "frequency_penalty": 0.6,
        "max_completion_tokens": 7, "stop": "a", "n": 1, "user": "u", "num_ctx": 8192, "keep_alive": "5m",
        "options": {"min_p": 0.05}, "logprobs": true, "top_logprobs": 2, "metadata": {}, "top_a": null,
    }));
    assert_eq!(
        made["options"],
        json!({"temperature": 0.1, "top_p": 0.2, "top_k": 3, "seed": 4, "presence_penalty": 0.5,
            "frequency_penalty": 0.6, "num_predict": 7, "stop": ["a"], "num_ctx": 8192, "min_p": 0.05})
    );
    assert_eq!(
        (&made["keep_alive"], &made["logprobs"], &made["top_logprobs"]),
        (&json!("5m"), &json!(true), &json!(2))
    );
    assert_eq!(made["stream"], false);
    assert_eq!(sent(json!({"response_format": {"type": "json_object"}}))["format"], "json");
    let schema = json!({"type": "object"});
    let asked =
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}});
    assert_eq!(sent(asked)["format"], schema);
    assert_eq!(sent(json!({"response_format": {"type": "text"}})).get("format"), None);
}

#[test]
fn thinking_is_said_as_the_model_takes_it() {
    let think = |model: &str, more: Value| sent_by(&ollama(), model, &more).unwrap()["think"].clone();
    for (model, effort, want) in [
        ("qwen3", "high", json!(true)),
        ("qwen3", "none", json!(false)),
        ("qwen3", "minimal", json!(false)),
        ("gpt-oss:20b", "high", json!("high")),
        ("hub/gpt-oss:20b", "minimal", json!("low")),
    ] {
        assert_eq!(think(model, json!({"reasoning_effort": effort})), want, "{model} {effort}");
    }
    assert_eq!(think("qwen3", json!({"thinking": {"type": "enabled", "budget_tokens": 5}})), true);
    assert_eq!(think("qwen3", json!({"thinking": {"type": "disabled"}})), false);
    assert_eq!(think("qwen3", json!({"think": "low", "reasoning_effort": "none"})), "low");
}

#[test]
fn arguments_that_are_no_object_do_not_refuse_the_request() {
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"cut"}});
    let made = sent(json!({"messages": [{"role": "assistant", "tool_calls": [call]}]}));
    let arguments = &made["messages"][0]["tool_calls"][0]["function"]["arguments"];
    assert_eq!(arguments, &json!({"INVALID_JSON": "{\"cut"}));
}

#[test]
fn messages_keep_their_tools_pictures_and_thoughts() {
    let messages = json!([
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What "}, {"type": "text", "text": "is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
        {"role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": "{\"harbour\":\"Husum\"}"}},
            {"id": "c2", "type": "function", "function": {"name": "moon", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "c2", "content": "full"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "06:12"}]},
    ]);
    let tool = json!({"type": "function", "function": {"name": "tide", "parameters": {"type": "object"}}});
    let made = sent(json!({"messages": messages, "tools": [tool], "tool_choice": "auto"}));
    assert_eq!(
        made["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is this?", "images": ["iVBORw0KGgo="]},
            {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [
                {"function": {"name": "tide", "arguments": {"harbour": "Husum"}}},
                {"function": {"name": "moon", "arguments": {}}}]},
            {"role": "tool", "content": "full", "tool_name": "moon"},
            {"role": "tool", "content": "06:12", "tool_name": "tide"},
        ])
    );
    assert_eq!(made["tools"], json!([tool]));
    assert_eq!(sent(json!({"tools": [tool], "tool_choice": "none"})).get("tools"), None);
}

#[test]
fn what_cannot_be_said_is_named_or_left_out() {
    let dropping = with(json!({"api_base": "http://h", "drop_params": true}), json!([]));
    for (more, why) in [
        (json!({"logit_bias": {"1": 5}}), "the parameter \"logit_bias\" has no counterpart"),
        (json!({"x_unknown": 1}), "the parameter \"x_unknown\""),
        (json!({"tool_choice": "required", "tools": []}), "\"tool_choice\""),
        (json!({"modalities": ["text", "audio"]}), "\"modalities\""),
        (json!({"n": 2}), "\"n\""),
    ] {
        let (status, said) = sent_by(&ollama(), "m", &more).unwrap_err();
        assert!(status == E_UNSUPPORTED && said.contains(why), "{said}");
        assert!(sent_by(&dropping, "m", &more).is_ok(), "{more}");
        let named = more.as_object().unwrap().keys().next().unwrap();
        let body = json!({"messages": [], "tools": []}).as_object().unwrap().clone();
        let body =
            Value::Object(body.into_iter().chain(more.as_object().unwrap().clone()).collect()).to_string();
        let input = RequestIn {
            dialect: Dialect::OpenAiChat,
            model: "m",
            body: body.as_bytes(),
            ..RequestIn::default()
        };
        let told = (
            "x-tidegate-dropped".to_owned(),
            if named == "tools" { "tool_choice" } else { named }.to_owned(),
        );
        assert!(dropping.request(&input).unwrap().headers.contains(&told), "{more}");
    }
    for (more, status, why) in [
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/a.png"}}]}]}),
            E_UNSUPPORTED,
            "messages[0].content[0]: Ollama takes pictures in the request alone",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}),
            E_UNSUPPORTED,
            "a part of type \"input_audio\"",
        ),
        (json!({"messages": [{"role": "king", "content": "x"}]}), E_INVALID, "the role \"king\""),
        (
            json!({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}),
            E_INVALID,
            "answers no call",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}),
            E_INVALID,
            "messages[0].tool_calls[0]: only calls",
        ),
        (json!({"messages": "hello"}), E_INVALID, "\"messages\" must be a list"),
        (json!({"options": 3}), E_INVALID, "\"options\""),
        (json!({"reasoning_effort": "much"}), E_INVALID, "\"much\""),
        (json!({"response_format": {"type": "json_schema"}}), E_INVALID, "needs a \"schema\""),
        (json!({"tools": [{"type": "web_search"}]}), E_UNSUPPORTED, "tools[0]"),
    ] {
        let refused = sent_by(&dropping, "m", &more).unwrap_err();
        assert!(refused.0 == status && refused.1.contains(why), "{more}: {refused:?}");
    }
}

#[test]
fn what_is_left_out_is_named() {
    let body = json!({"model": "m", "user": "u", "service_tier": "flex", "n": 1, "stream_options": {},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}]});
    let body = body.to_string();
    let input = RequestIn { dialect: Dialect::OpenAiChat, body: body.as_bytes(), ..RequestIn::default() };
    assert_eq!(ollama().request(&input).unwrap().dropped(), ["user", "service_tier", "cache_control"]);
    let body = br#"{"model":"m","input":"x","user":"u","encoding_format":"base64"}"#;
    let input = RequestIn { dialect: Dialect::OpenAiEmbeddings, body, ..RequestIn::default() };
    assert_eq!(ollama().request(&input).unwrap().dropped(), ["user"]);
}

fn replayed(name: &str) -> Replayed {
    let recording = Recording::read(answer(name));
    let harness = ollama();
    assert!(harness.invented_ends(&recording).is_empty(), "{name}");
    harness.replay(&recording)
}

#[test]
fn a_recorded_stream_is_a_chats() {
    let chat = replayed("chat.jsonl");
    assert_eq!((chat.text().as_str(), chat.finish().as_deref()), ("High water at six. 🌊", Some("stop")));
    assert_eq!(chat.ending, Ending::Done);
    let length = replayed("length.jsonl");
    assert_eq!((length.text().as_str(), length.finish().as_deref()), ("High", Some("length")));
    let tools = replayed("tools.jsonl");
    assert_eq!((tools.text().as_str(), tools.finish().as_deref()), ("", Some("tool_calls")));
    let calls: Vec<(String, Value)> = tools
        .tool_calls()
        .iter()
        .map(|call| (call.name.clone(), serde_json::from_str(&call.arguments).unwrap()))
        .collect();
    assert_eq!(
        calls,
        [("tide".to_owned(), json!({"harbour": "Husum"})), ("tide".to_owned(), json!({"harbour": "Büsum"}))]
    );
    assert!(matches!(replayed("error.jsonl").ending, Ending::Upstream(_)));
}

/// The chunks that a stream of these lines becomes, and the notes.
fn chunks(name: &str) -> (Vec<Value>, Vec<(u32, u64)>) {
    let head = HeadIn { model: "mine", seed: 0xab, unix_ms: 7000, ..HeadIn::default() };
    let harness = ollama();
    let mut stream = harness.stream(&head).unwrap();
    let (mut chunks, mut notes) = (Vec::new(), Vec::new());
    for line in std::fs::read_to_string(answer(name)).unwrap().lines() {
        let step = stream.event("", line);
        chunks.extend(step.events.iter().map(|(_, data)| serde_json::from_slice::<Value>(data).unwrap()));
        notes.extend(step.notes);
    }
    (chunks, notes)
}

#[test]
fn chunks_have_reasoning_calls_counts_and_probabilities() {
    let (tools, notes) = chunks("tools.jsonl");
    assert_eq!(
        tools[0]["choices"][0]["delta"],
        json!({"role": "assistant", "reasoning_content": "Which harbour? "})
    );
    let calls = &tools[2]["choices"][0]["delta"]["tool_calls"];
    assert_eq!((&calls[0]["index"], &calls[0]["id"]), (&json!(0), &json!("call_00000000000000ab0000")));
    assert_eq!((&calls[1]["index"], &calls[1]["id"]), (&json!(1), &json!("call_7x")));
    assert_eq!(
        tools[4]["usage"],
        json!({"prompt_tokens": 122, "completion_tokens": 33, "total_tokens": 155})
    );
    assert_eq!(notes, [(1, 122), (2, 33), (5, 0)]);
    assert!(tools.iter().all(|chunk| chunk["id"] == "chatcmpl-00000000000000ab" && chunk["model"] == "mine"));
    let (length, _) = chunks("length.jsonl");
    assert_eq!(length[0]["choices"][0]["logprobs"]["content"][0]["token"], "High");
    assert_eq!(length[2]["usage"]["completion_tokens"], 1);
}

#[test]
fn a_whole_answer_is_a_completion() {
    let head = HeadIn { model: "mine", seed: 1, unix_ms: 7000, ..HeadIn::default() };
    let (status, body) = ollama().response(&head, &std::fs::read(answer("chat.json")).unwrap());
    let said: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &said["object"], &said["created"]), (OK, &json!("chat.completion"), &json!(7)));
    assert_eq!(
        said["choices"][0]["message"],
        json!({"role": "assistant", "content": "High water at six.", "reasoning_content": "Six?"})
    );
    assert_eq!(
        (&said["choices"][0]["finish_reason"], &said["usage"]["total_tokens"]),
        (&json!("stop"), &json!(38))
    );
    for (body, want) in [
        (r#"{"error":"model 'x' not found"}"#, E_UPSTREAM),
        (r#"{"model":"m","message":{"role":"assistant","content":"x"},"done":false}"#, E_PROTOCOL),
        (r#"{"done":true}"#, E_PROTOCOL),
        ("{}", E_PROTOCOL),
        ("<html>", E_PROTOCOL),
    ] {
        assert_eq!(ollama().response(&head, body.as_bytes()).0, want, "{body}");
    }
}

#[test]
fn embeddings_are_by_api_embed() {
    let input = |body: &'static str| RequestIn {
        dialect: Dialect::OpenAiEmbeddings,
        model: "nomic",
        body: body.as_bytes(),
        ..RequestIn::default()
    };
    let sent = ollama()
        .request(&input(
            r#"{"model":"m","input":["a","b"],"encoding_format":"base64","dimensions":2,"user":"u"}"#,
        ))
        .unwrap();
    assert_eq!(sent.url, "http://h:11434/api/embed");
    assert_eq!(
        serde_json::from_slice::<Value>(&sent.body).unwrap(),
        json!({"model": "nomic", "input": ["a", "b"], "dimensions": 2})
    );
    for (body, status) in [
        (r#"{"model":"m","input":[1,2]}"#, E_UNSUPPORTED),
        (r#"{"model":"m","input":"a","x_unknown":1}"#, E_UNSUPPORTED),
        (r#"{"model":"m"}"#, E_INVALID),
    ] {
        assert_eq!(ollama().request(&input(body)).unwrap_err().status, status, "{body}");
    }
    let head = HeadIn { dialect: Dialect::OpenAiEmbeddings, model: "mine", ..HeadIn::default() };
    let (status, body) = ollama().response(&head, &std::fs::read(answer("embed.json")).unwrap());
    let said: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, said["data"].as_array().unwrap().len()), (OK, 2));
    assert_eq!(
        said["data"][1],
        json!({"object": "embedding", "index": 1, "embedding": [-0.0098027075, 0.06042469]})
    );
    assert_eq!(
        (&said["model"], &said["usage"]),
        (&json!("mine"), &json!({"prompt_tokens": 8, "total_tokens": 8}))
    );
}

fn classed(status: u32, body: &str) -> Class {
    let failure = FailureIn {
        phase: if status == 200 { Phase::Stream } else { Phase::Status },
        http_status: status,
        headers: Headers(vec![]),
        body: body.as_bytes(),
        ..FailureIn::default()
    };
    ollama().classify(&failure).unwrap()
}

#[test]
fn failures_are_classified() {
    for (status, body, kind, told, retryable) in [
        (404, r#"{"error":"model 'nothing' not found"}"#, ErrorKind::NotFound, 404, false),
        (200, r#"{"error":"model 'nothing' not found"}"#, ErrorKind::NotFound, 404, false),
        (
            400,
            r#"{"error":"registry.ollama.ai/library/gemma:2b does not support tools"}"#,
            ErrorKind::BadRequest,
            400,
            false,
        ),
        (
            500,
            r#"{"error":"llama runner process has terminated: signal: killed"}"#,
            ErrorKind::Server,
            500,
            true,
        ),
        (
            503,
            r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#,
            ErrorKind::Overloaded,
            503,
            true,
        ),
        (
            200,
            r#"{"error":"an error was encountered while running the model: CUDA error"}"#,
            ErrorKind::Server,
            500,
            true,
        ),
        (
            400,
            r#"{"error":"the input length exceeds the context length"}"#,
            ErrorKind::ContextLength,
            400,
            false,
        ),
        (
            500,
            r#"{"error":"prompt too long; exceeded max context length by 40 tokens"}"#,
            ErrorKind::ContextLength,
            400,
            false,
        ),
        (401, r#"{"error":"unauthorized"}"#, ErrorKind::Auth, 401, false),
        (
            429,
            r#"{"error":"you've reached your hourly usage limit, please upgrade to continue"}"#,
            ErrorKind::RateLimit,
            429,
            true,
        ),
    ] {
        let class = classed(status, body);
        assert_eq!((class.error, class.http_status, class.retryable), (kind, told, retryable), "{body}");
        assert!(class.message.is_some_and(|message| body.contains(&message)), "{body}");
    }
}

proptest! {
    #[test]
    fn garbage_never_panics_and_never_ends_a_stream(
        events in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[{}\\[\\]\":a-z,0-9]{0,40}".prop_map(String::into_bytes),
        ], 0..8)
    ) {
        let harness = ollama();
        let mut stream = harness.stream(&HeadIn::default()).unwrap();
        for data in &events {
            let event = tidegate_plugin_sdk::EventIn { stray: false, name: "", data };
            prop_assert_ne!(stream.play(&event).status, -1);
        }
        prop_assert_eq!(stream.end().status, E_TRUNCATED);
    }
}

#[test]
fn schemas_keep_the_clients_order() {
    ollama().keeps_order("llama3.2").unwrap();
}
