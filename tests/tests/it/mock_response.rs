//! litellm's mocks: answers and failures without a provider, for every dialect of clients.

use serde_json::{Value, json};
use tidegate_sim::{Sim, healthy_text};
use tidegate_tests::client::{ask, post};
use tidegate_tests::{Answer, Proxy, Setup, Terminal};

use crate::completions::events;
use crate::world::{LONG, sim, told};

async fn world() -> (Sim, Proxy) {
    let sim = sim().await;
    let setup = Setup::of(&sim)
        // No key anywhere: none is needed.
        .params("mock", "model: openai/gpt-4o, mock_response: \"High water at six.\"")
        .params("limited", "model: anthropic/claude-x, mock_response: litellm.RateLimitError")
        .params("broken", "model: openai/gpt-4o, mock_response: litellm.InternalServerError")
        .params("long", "model: openai/gpt-4o, mock_response: litellm.ContextWindowExceededError")
        .params("tools", "model: openai/gpt-4o, mock_tool_calls: [{id: c1, type: function, function: {name: tide, arguments: \"{}\"}}]")
        .params("vector", "model: openai/text-embedding-3-small, mock_response: [0.5, 1.0]")
        .router("fallbacks: [{broken: [openai]}]");
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    (sim, proxy)
}

async fn asked(proxy: &Proxy, path: &str, body: Value) -> Answer {
    ask(proxy.data, &post(path, "", body.to_string().as_bytes()), LONG).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_the_answer_and_nobody_is_called() {
    let (sim, proxy) = world().await;
    for stream in [false, true] {
        let said = told(&proxy, "mock", "fast", stream).await;
        assert_eq!((said.text.as_str(), said.finish.as_deref()), ("High water at six.", Some("stop")));
        assert_eq!(said.usage.unwrap()["total_tokens"], 30);
        let tools = told(&proxy, "tools", "fast", stream).await;
        assert_eq!((tools.calls.len(), tools.finish.as_deref()), (1, Some("tool_calls")));
        assert_eq!(tools.calls[0].name, "tide");
    }
    let body = json!({"model": "openai", "mock_response": "By request.", "messages": [{"role": "user", "content": "x"}]});
    let answer = asked(&proxy, "/v1/chat/completions", body).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "By request.");
    assert!(sim.log().is_empty());
    assert_eq!(
        proxy.metrics().await.sum("tidegate_requests_total", &[("group", "mock"), ("status", "200")]),
        2.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dialect_of_clients_hears_it() {
    let (sim, proxy) = world().await;
    let message = json!([{"role": "user", "content": "x"}]);
    let answer =
        asked(&proxy, "/v1/messages", json!({"model": "mock", "max_tokens": 9, "messages": message})).await;
    assert_eq!(answer.json()["content"][0]["text"], "High water at six.", "{}", answer.text());
    let body = json!({"model": "mock", "max_tokens": 9, "stream": true, "messages": message});
    let answer = asked(&proxy, "/v1/messages", body).await;
    assert!(answer.text().contains("event: message_stop"), "{}", answer.text());
    let answer = asked(&proxy, "/v1/responses", json!({"model": "mock", "input": "x"})).await;
    assert_eq!(answer.json()["output"][0]["content"][0]["text"], "High water at six.", "{}", answer.text());
    let answer = asked(&proxy, "/v1/responses", json!({"model": "mock", "input": "x", "stream": true})).await;
    assert!(answer.text().contains("event: response.completed"), "{}", answer.text());
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
    let answer = asked(&proxy, "/v1beta/models/mock:generateContent", contents.clone()).await;
    assert_eq!(
        answer.json()["candidates"][0]["content"]["parts"][0]["text"],
        "High water at six.",
        "{}",
        answer.text()
    );
    let answer = asked(&proxy, "/v1beta/models/mock:streamGenerateContent?alt=sse", contents).await;
    assert!(answer.text().contains("\"finishReason\":\"STOP\""), "{}", answer.text());
    let answer = asked(&proxy, "/v1/completions", json!({"model": "mock", "prompt": "x"})).await;
    assert_eq!(answer.json()["choices"][0]["text"], "High water at six.");
    let answer =
        asked(&proxy, "/v1/completions", json!({"model": "mock", "prompt": "x", "stream": true})).await;
    assert_eq!(events(&answer).last().map(String::as_str), Some("[DONE]"));
    let answer = asked(&proxy, "/v1/embeddings", json!({"model": "vector", "input": ["a", "b"]})).await;
    assert_eq!(answer.json()["data"][1]["embedding"], json!([0.5, 1.0]));
    let answer = asked(&proxy, "/v1/embeddings", json!({"model": "mock", "input": "a"})).await;
    assert_eq!(answer.status, 400);
    assert!(sim.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_exceptions_are_failures_that_fallbacks_follow() {
    let (sim, proxy) = world().await;
    for stream in [false, true] {
        let limited = told(&proxy, "limited", "fast", stream).await;
        assert_eq!((limited.status, limited.message.as_str()), (429, "this is a mock rate limit error"));
        assert!(limited.retry_after.is_some());
        assert_eq!(told(&proxy, "long", "fast", stream).await.status, 400);
        let fallen = told(&proxy, "broken", "fast", stream).await;
        assert_eq!((fallen.terminal, fallen.text), (Terminal::Done, healthy_text()));
    }
    assert_eq!(sim.log().len(), 2, "the fallback alone was called");
    let body = json!({"model": "limited", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    let answer = asked(&proxy, "/v1/messages", body).await;
    assert_eq!((answer.status, answer.json()["error"]["type"].clone()), (429, json!("rate_limit_error")));
    let body = json!({"model": "openai", "mock_response": {"a": 1}, "messages": []});
    let answer = asked(&proxy, "/v1/chat/completions", body).await;
    assert!(answer.status == 400 && answer.text().contains("mock_response"), "{}", answer.text());
}
