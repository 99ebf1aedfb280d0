//! Clients of OpenAI's legacy completions: as they come where the provider has them, by way of a chat elsewhere.

use serde_json::{Value, json};
use tidegate_sim::{Script, healthy_text};
use tidegate_tests::client::{ask, post};
use tidegate_tests::{Answer, Proxy, Setup};

use crate::world::{LONG, sim};

async fn complete(proxy: &Proxy, path: &str, body: Value) -> Answer {
    ask(proxy.data, &post(path, "", body.to_string().as_bytes()), LONG).await
}

/// The data of a stream's events.
pub(crate) fn events(answer: &Answer) -> Vec<String> {
    let text = answer.text();
    let data = |event: &str| event.strip_prefix("data: ").map(str::to_owned);
    text.split("\n\n").filter_map(data).collect()
}

/// The texts of a stream of completions, joined; and what its last event is.
fn joined(answer: &Answer) -> (String, String) {
    let events = events(answer);
    let text = |event: &String| {
        let event: Value = serde_json::from_str(event).ok()?;
        event["choices"][0]["text"].as_str().map(str::to_owned)
    };
    (events.iter().filter_map(text).collect(), events.last().cloned().unwrap_or_default())
}

/// `openai` has completions, `groq` has none; `lax` drops what it cannot say.
async fn world() -> (tidegate_sim::Sim, Proxy) {
    let sim = sim().await;
    let base = format!("api_base: \"http://{}/v1\", api_key: sim-key", sim.addr());
    let setup = Setup::of(&sim)
        .params("groq", &format!("model: groq/m, {base}"))
        .params("lax", &format!("model: groq/m, drop_params: true, {base}"));
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    (sim, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_has_them_gets_and_gives_bytes_as_they_are() {
    let (sim, proxy) = world().await;
    let whole = r#"{"id":"cmpl-1","object":"text_completion", "choices":[{"text":"Flut","index":0,"logprobs":null,"finish_reason":"stop"}],"x":1e400,"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
    sim.script("text", Script::json(200, whole));
    let answer =
        complete(&proxy, "/v1/completions", json!({"model": "openai", "prompt": "sim:text", "echo": true}))
            .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, whole));
    let seen = sim.log().pop().unwrap();
    assert_eq!(seen.target, "/v1/completions");
    assert_eq!(
        serde_json::from_slice::<Value>(&seen.body).unwrap(),
        json!({"model": "sim", "prompt": "sim:text", "echo": true})
    );

    let chunk = "data: {\"id\":\"c\", \"object\":\"text_completion\",\"choices\":[{\"text\":\"Flut\",\"index\":0,\"finish_reason\":null}]}\n\n";
    let finish = "data: {\"id\":\"c\",\"object\":\"text_completion\",\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":\"length\"}]}\n\n";
    sim.script("stream", Script::sse().write(chunk).write(finish).write("data: [DONE]\n\n"));
    let body = json!({"model": "openai", "prompt": "sim:stream", "stream": true, "stream_options": {"include_usage": true}});
    let answer = complete(&proxy, "/engines/openai/completions", body.clone()).await;
    assert_eq!(answer.text(), format!("{chunk}{finish}data: [DONE]\n\n"));

    // A client that does not ask is not told what is asked for in its stead.
    let usage = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":31,\"completion_tokens\":7,\"total_tokens\":38}}\n\n";
    sim.script("counted", Script::sse().write(chunk).write(finish).write(usage).write("data: [DONE]\n\n"));
    let mut body = json!({"model": "openai", "prompt": "sim:counted", "stream": true});
    let answer = complete(&proxy, "/v1/completions", body.clone()).await;
    assert_eq!(answer.text(), format!("{chunk}{finish}data: [DONE]\n\n"));
    let seen: Value = serde_json::from_slice(&sim.log().pop().unwrap().body).unwrap();
    assert_eq!(seen["stream_options"], json!({"include_usage": true}));
    let counted =
        proxy.metrics().await.get("tidegate_tokens_total", &[("group", "openai"), ("kind", "output")]);
    assert_eq!(counted, Some(8.0), "with the one of the whole answer");
    body["stream_options"] = json!({"include_usage": true});
    let answer = complete(&proxy, "/v1/completions", body).await;
    assert_eq!(answer.text(), format!("{chunk}{finish}{usage}data: [DONE]\n\n"));

    // Broken after content: by an error, and by an end without a word.
    sim.script(
        "error",
        Script::sse().write(chunk).write("data: {\"error\":{\"message\":\"slow\",\"code\":429}}\n\n"),
    );
    sim.script("cut", Script::sse().write(chunk));
    for (name, code) in [("error", "429"), ("cut", "502")] {
        let body = json!({"model": "openai", "prompt": format!("sim:{name}"), "stream": true});
        let answer = complete(&proxy, "/v1/completions", body).await;
        let (text, last) = joined(&answer);
        let last: Value = serde_json::from_str(&last).unwrap();
        assert_eq!((text.as_str(), &last["error"]["code"]), ("Flut", &json!(code)), "{name}");
        assert!(!answer.text().contains("[DONE]"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_a_users_message_where_it_has_none() {
    let (sim, proxy) = world().await;
    let answer = complete(
        &proxy,
        "/v1/completions",
        json!({"model": "groq", "prompt": ["Hi sim:fast"], "max_tokens": 9}),
    )
    .await;
    let said = answer.json();
    assert_eq!((answer.status, &said["object"]), (200, &json!("text_completion")), "{said}");
    assert_eq!(said["choices"][0]["text"], healthy_text());
    assert!(said["usage"]["total_tokens"].as_u64().is_some());
    let seen: Value = serde_json::from_slice(&sim.log().pop().unwrap().body).unwrap();
    assert_eq!(
        seen,
        json!({"model": "m", "messages": [{"role": "user", "content": "Hi sim:fast"}], "max_tokens": 9})
    );

    let body = json!({"model": "groq", "prompt": "sim:fast", "stream": true});
    let answer = complete(&proxy, "/completions", body).await;
    assert_eq!(joined(&answer), (healthy_text(), "[DONE]".to_owned()));
    assert!(!answer.text().contains("\"usage\""), "nobody asked for it");
    let body = json!({"model": "groq", "prompt": "sim:fast", "stream": true, "stream_options": {"include_usage": true}});
    let events = events(&complete(&proxy, "/v1/completions", body).await);
    let usage: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
    assert!(usage["usage"]["completion_tokens"].as_u64().is_some(), "{usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_keep_their_status_and_their_one_terminal() {
    let (_sim, proxy) = world().await;
    for stream in [false, true] {
        let body = json!({"model": "groq", "prompt": "sim:http-429", "stream": stream});
        let answer = complete(&proxy, "/v1/completions", body).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (429, Some("429")));
        assert!(answer.header("retry-after").is_some());
    }
    for (scenario, code) in [("429-frame-end", "429"), ("no-finish", "502")] {
        let body = json!({"model": "groq", "prompt": format!("sim:{scenario}"), "stream": true});
        let answer = complete(&proxy, "/v1/completions", body).await;
        let (text, last) = joined(&answer);
        let last: Value =
            serde_json::from_str(&last).unwrap_or_else(|_| panic!("{scenario}: {}", answer.text()));
        assert_eq!(last["error"]["code"], code, "{scenario}");
        assert!(!text.is_empty() && !answer.text().contains("[DONE]"), "{scenario}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_said_in_a_chat_is_named() {
    let (sim, proxy) = world().await;
    for (more, why) in [
        (json!({"prompt": "sim:fast", "echo": true, "best_of": 3}), "\"echo\", \"best_of\" cannot be sent"),
        (json!({"prompt": ["a", "b"]}), "several texts"),
        (json!({"prompt": [1, 2]}), "as tokens"),
    ] {
        let mut body = json!({"model": "groq"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = complete(&proxy, "/v1/completions", body).await;
        let said = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == 400 && said.contains(why) && said.contains("groq/"), "{said}");
    }
    assert!(sim.log().is_empty(), "no provider was called");
    let body = json!({"model": "lax", "prompt": "sim:fast", "echo": true, "best_of": 3});
    let answer = complete(&proxy, "/v1/completions", body).await;
    assert_eq!((answer.status, answer.header("x-tidegate-dropped")), (200, Some("best_of, echo")));
    proxy.logged("parameters were left out of a request").await;
}
