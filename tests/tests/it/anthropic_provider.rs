//! Claude behind Tidegate: a client of chat completions, or of Messages, against the simulated Anthropic. Every scenario in
//! turn is in `scenarios`.

use serde_json::{Value, json};
use tidegate_sim::{Sim, fault_text, healthy_text, mask};
use tidegate_tests::client::{ask, post};
use tidegate_tests::{Answer, Proxy, Setup, Terminal, Told, sse};

use crate::world::{LONG, sim, told};

/// A proxy with the group `claude` in front of `sim`.
async fn claude(sim: &Sim, change: impl FnOnce(Setup) -> Setup) -> Proxy {
    Proxy::start(&change(Setup::of(sim).short_clocks().model("claude", "anthropic", sim, "")).yaml()).await
}

async fn chat(proxy: &Proxy, mut body: Value) -> Answer {
    body["model"] = json!("claude");
    ask(proxy.data, &post("/v1/chat/completions", "", body.to_string().as_bytes()), LONG).await
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

/// The upstream request that the scenario `echo` says it got.
async fn echoed(proxy: &Proxy, mut body: Value) -> Value {
    body["messages"].as_array_mut().unwrap().push(user("sim:echo"));
    let answer = chat(proxy, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(answer.json()["choices"][0]["message"]["content"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_request_arrives_as_messages_with_the_key_and_the_version() {
    let sim = sim().await;
    let proxy = claude(&sim, |setup| setup).await;
    let mark = json!({"type": "ephemeral"});
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}});
    let seen = echoed(
        &proxy,
        json!({
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": mark}]},
                {"role": "user", "content": [{"type": "text", "text": "see"}, image]},
                {"role": "assistant", "content": "I do."},
            ],
            "reasoning_effort": "low", "stop": "END", "user": "u-1", "parallel_tool_calls": false,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        }),
    )
    .await;
    assert_eq!((&seen["method"], &seen["target"]), (&json!("POST"), &json!("/v1/messages")));
    assert_eq!(seen["headers"]["x-api-key"], mask("sim-key"));
    assert_eq!(seen["headers"]["anthropic-version"], "2023-06-01");
    assert!(seen["headers"].get("authorization").is_none());
    let block =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}});
    assert_eq!(
        seen["body"],
        json!({
            "model": "claude-sonnet-4-5", "max_tokens": 64000,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": mark}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "see"}, block]},
                {"role": "assistant", "content": [{"type": "text", "text": "I do."}]},
                {"role": "user", "content": [{"type": "text", "text": "sim:echo"}]},
            ],
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "stop_sequences": ["END"], "metadata": {"user_id": "u-1"},
            "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_loop_keeps_the_thoughts_and_their_signatures() {
    let sim = sim().await;
    let proxy = claude(&sim, |setup| setup).await;
    let asked = user("sim:thought-signature");
    let tools = json!([{"type": "function", "function": {"name": "tide"}}]);
    for stream in [false, true] {
        let body = json!({"messages": [asked], "tools": tools, "stream": stream});
        let answer = chat(&proxy, body).await;
        let message = if stream { joined(&answer) } else { answer.json()["choices"][0]["message"].clone() };
        assert_eq!(message["thinking_blocks"][0]["type"], "thinking", "{message}");
        assert!(message["reasoning_content"].as_str().unwrap().contains('潮'), "{message}");
        let result =
            json!({"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "14:05"});
        // The simulator refuses a history that has lost the signature, and Anthropic one that has lost the thought.
        let again = json!({"messages": [asked, message, result], "tools": tools});
        let answer = chat(&proxy, again).await;
        assert_eq!(answer.json()["choices"][0]["message"]["content"], fault_text(), "{}", answer.text());
        let sent: Value = serde_json::from_slice(&sim.log().pop().unwrap().body).unwrap();
        let thought = &sent["messages"][1]["content"][0];
        assert_eq!(thought["thinking"], message["reasoning_content"], "stream: {stream}");
    }
}

/// The message that a client of chat completions makes of a stream: texts joined, lists in a row.
fn joined(answer: &Answer) -> Value {
    let (events, _) = sse::events(&answer.body).unwrap();
    let chunks = events.iter().filter_map(|event| serde_json::from_str::<Value>(&event.data).ok());
    let (mut thoughts, mut blocks, mut call) = (String::new(), Vec::new(), json!({"type": "function"}));
    let mut arguments = String::new();
    for chunk in chunks {
        let delta = &chunk["choices"][0]["delta"];
        thoughts += delta["reasoning_content"].as_str().unwrap_or_default();
        blocks.extend(delta["thinking_blocks"].as_array().cloned().unwrap_or_default());
        let piece = &delta["tool_calls"][0];
        arguments += piece["function"]["arguments"].as_str().unwrap_or_default();
        if piece["id"].is_string() {
            call["id"] = piece["id"].clone();
            call["function"] = json!({"name": piece["function"]["name"]});
        }
    }
    call["function"]["arguments"] = json!(arguments);
    json!({"role": "assistant", "content": null, "reasoning_content": thoughts, "thinking_blocks": blocks, "tool_calls": [call]})
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_counts_the_cache_within_the_prompt() {
    let sim = sim().await;
    let proxy = claude(&sim, |setup| setup).await;
    let want = json!({
        "prompt_tokens": 120, "completion_tokens": 53, "total_tokens": 173,
        "prompt_tokens_details": {"cached_tokens": 64, "cache_creation_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 33},
    });
    let options = json!({"include_usage": true});
    let body = json!({"messages": [user("sim:usage")], "stream": true, "stream_options": options});
    let streamed = Told::of(&chat(&proxy, body).await, true).unwrap();
    assert_eq!((streamed.text, streamed.usage), (healthy_text(), Some(want.clone())));
    let bare = chat(&proxy, json!({"messages": [user("sim:usage")], "stream": true})).await;
    assert_eq!(Told::of(&bare, true).unwrap().usage, None, "nobody asked for it");
    let whole = Told::of(&chat(&proxy, json!({"messages": [user("sim:usage")]})).await, false).unwrap();
    assert_eq!(whole.usage, Some(want));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_claude_has_no_counterpart_for_is_a_400_that_names_it() {
    let sim = sim().await;
    let proxy = claude(&sim, |setup| setup.model("lenient", "anthropic", &sim, "drop_params: true")).await;
    let body = json!({"messages": [user("sim:fast")], "seed": 7});
    let answer = chat(&proxy, body.clone()).await;
    assert_eq!(answer.status, 400);
    let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("\"seed\""), "{said}");
    let mut body = body;
    body["model"] = json!("lenient");
    let answer = ask(proxy.data, &post("/v1/chat/completions", "", body.to_string().as_bytes()), LONG).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A group that falls back to the simulated OpenAI where Anthropic, at its place `a`, is asked for a fault.
async fn falling_back(sim: &Sim) -> Proxy {
    let base = format!("http://{}/at/a", sim.addr());
    let params = format!("model: anthropic/claude-sonnet-4-5, api_base: \"{base}\", api_key: sim-key");
    let setup = Setup::of(sim).short_clocks().params("claude", &params);
    Proxy::start(&setup.router("fallbacks: [{claude: [openai]}]").yaml()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overload_before_content_falls_back_to_another_provider() {
    let sim = sim().await;
    let proxy = falling_back(&sim).await;
    for scenario in
        ["http-529", "http-429", "http-429-quota", "http-402", "429-first", "429-after-opening", "http-504"]
    {
        for stream in [true, false] {
            let answer = told(&proxy, "claude", &format!("{scenario}@a"), stream).await;
            let got = (answer.status, answer.text, answer.terminal);
            assert_eq!(got, (200, healthy_text(), Terminal::Done), "{scenario}, stream: {stream}");
        }
    }
    // After content it is too late: one error event, with Anthropic's status and words.
    let broken = told(&proxy, "claude", "overloaded-frame@a", true).await;
    assert_eq!((broken.text, broken.terminal), (fault_text(), Terminal::Error(503)));
    assert!(broken.message.contains("Overloaded"), "{}", broken.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_messages_gets_anthropics_bytes() {
    let sim = sim().await;
    let proxy = claude(&sim, |setup| setup).await;
    let asked = |path: &str, scenario: &str, stream: bool| {
        let body =
            json!({"model": "claude", "max_tokens": 9, "stream": stream, "messages": [user(scenario)]});
        post(
            path,
            "x-api-key: any\r\nanthropic-version: 2024-01-01\r\nanthropic-beta: tide-1\r\n",
            body.to_string().as_bytes(),
        )
    };
    for (path, scenario, stream) in [
        ("/v1/messages", "sim:fast", true),
        ("/v1/messages", "sim:usage", false),
        ("/v1/messages", "sim:tool-calls", true),
        ("/v1/messages", "sim:thought-signature", true),
        ("/v1/messages/count_tokens", "sim:fast", false),
    ] {
        let through = ask(proxy.data, &asked(path, scenario, stream), LONG).await;
        assert_eq!(through.status, 200, "{path} {scenario}: {}", through.text());
        let sent = sim.log().pop().unwrap();
        let header =
            |name: &str| sent.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        assert_eq!(sent.target, path);
        assert_eq!(header("x-api-key"), Some(mask("sim-key").as_str()));
        assert_eq!(
            (header("anthropic-version"), header("anthropic-beta")),
            (Some("2024-01-01"), Some("tide-1"))
        );
        let direct = post(path, "x-api-key: sim-key\r\nanthropic-version: 2023-06-01\r\n", &sent.body);
        let direct = ask(sim.addr(), &direct, LONG).await;
        assert_eq!(through.text(), direct.text(), "{path} {scenario}");
    }
}
