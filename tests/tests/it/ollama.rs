//! `ollama/` through the real program: lines of JSON as a chat, and how they may break.

use serde_json::{Value, json};
use tidegate_sim::{Script, Settings, Sim};
use tidegate_tests::client::{ask, post};
use tidegate_tests::{Proxy, Setup, Terminal};

use crate::world::{LONG, told};

const CHAT: &str = include_str!("../../../plugins/ollama/tests/answers/chat.jsonl");
const TOOLS: &str = include_str!("../../../plugins/ollama/tests/answers/tools.jsonl");
const ERROR: &str = include_str!("../../../plugins/ollama/tests/answers/error.jsonl");
const WHOLE: &str = include_str!("../../../plugins/ollama/tests/answers/chat.json");

fn lines(text: &str) -> Script {
    let script = Script::new(200).header("content-type", "application/x-ndjson");
    text.split_inclusive('\n').fold(script, |script, line| script.write(line.to_owned()))
}

async fn world() -> (Sim, Proxy) {
    let sim = Sim::start(Settings::default()).await.unwrap();
    let base = format!("api_base: \"http://{}\"", sim.addr());
    let setup = Setup::of(&sim)
        .params("chat", &format!("model: ollama_chat/llama3.2, {base}, num_ctx: 8192"))
        .params("plain", &format!("model: ollama/llama3.2, {base}, drop_params: true, api_key: key"));
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    sim.script("chat", lines(CHAT));
    sim.script("tools", lines(TOOLS));
    sim.script("error", lines(ERROR));
    sim.script("cut", lines(&CHAT[..CHAT.find('\n').unwrap() + 1]));
    sim.script("torn", lines(&CHAT[..CHAT.len() - 30]));
    sim.script("whole", Script::json(200, WHOLE));
    (sim, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_a_chats_stream() {
    let (sim, proxy) = world().await;
    for model in ["chat", "plain"] {
        let said = told(&proxy, model, "chat", true).await;
        assert_eq!((said.text.as_str(), said.finish.as_deref()), ("High water at six. 🌊", Some("stop")));
        assert_eq!((said.terminal, &said.usage.unwrap()["total_tokens"]), (Terminal::Done, &json!(38)));
        assert_eq!(sim.log().pop().unwrap().target, "/api/chat");
    }
    let body: Value = serde_json::from_slice(&sim.log()[0].body).unwrap();
    assert_eq!(
        (&body["options"]["num_ctx"], &body["model"], &body["stream"]),
        (&json!(8192), &json!("llama3.2"), &json!(true))
    );
    let tools = told(&proxy, "chat", "tools", true).await;
    assert_eq!((tools.calls.len(), tools.finish.as_deref()), (2, Some("tool_calls")));
    let whole = told(&proxy, "chat", "whole", false).await;
    assert_eq!((whole.text.as_str(), whole.finish.as_deref()), ("High water at six.", Some("stop")));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_streams_end_with_one_error() {
    let (_sim, proxy) = world().await;
    for (scenario, code) in [("error", 500), ("cut", 502), ("torn", 502)] {
        let broken = told(&proxy, "chat", scenario, true).await;
        assert_eq!(broken.terminal, Terminal::Error(code), "{scenario}: {}", broken.message);
        assert!(broken.text.starts_with("High"), "{scenario}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_before_content_are_statuses() {
    let (sim, proxy) = world().await;
    for (name, status, body) in [
        ("unknown", 404, r#"{"error":"model 'llama3.2' not found"}"#),
        ("busy", 503, r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#),
        ("limited", 429, r#"{"error":"you've reached your hourly usage limit"}"#),
    ] {
        sim.script(name, Script::json(status, body));
        for stream in [false, true] {
            let failed = told(&proxy, "chat", name, stream).await;
            assert_eq!(failed.status, status, "{name}");
            assert_eq!(failed.retry_after.is_some(), status != 404, "{name}");
            assert!(body.contains(&failed.message), "{name}: {}", failed.message);
        }
    }
    // An error as the first line of a 200 is a status too.
    sim.script("first", lines("{\"error\":\"model 'x' not found\"}\n"));
    assert_eq!(told(&proxy, "chat", "first", true).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ollama_has_no_word_for_is_named_or_dropped() {
    let (sim, proxy) = world().await;
    let body = |model: &str| {
        let body = json!({"model": model, "logit_bias": {"1": 2}, "messages": [{"role": "user", "content": "sim:whole"}]});
        post("/v1/chat/completions", "", body.to_string().as_bytes())
    };
    let refused = ask(proxy.data, &body("chat"), LONG).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("logit_bias"), "{}", refused.text());
    assert!(sim.log().is_empty());
    let dropped = ask(proxy.data, &body("plain"), LONG).await;
    assert_eq!((dropped.status, dropped.header("x-tidegate-dropped")), (200, Some("logit_bias")));
    let sent = sim.log().pop().unwrap();
    assert!(sent.headers.iter().all(|(name, _)| name != "x-tidegate-dropped"), "it is not sent");
    assert!(sent.headers.iter().any(|(name, _)| name == "authorization"));
}
