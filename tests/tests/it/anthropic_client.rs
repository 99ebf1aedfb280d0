//! A client of Anthropic's Messages, whatever its provider speaks: what it is told is as true as what an OpenAI client is
//! told, in its own words.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_sim::{Dialect, Expect, Mode, Scenario, Script, fault_text, healthy_text};
use tidegate_tests::anthropic::{HEADERS, messages, post, told};
use tidegate_tests::client::{self, ask, get};
use tidegate_tests::config::hasty;
use tidegate_tests::{Answer, Proxy, Setup, Terminal, Told, judge, sse};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::world::{LONG, sim, world};

/// Requests at once.
const ABREAST: usize = 8;

async fn fetch(proxy: &Proxy, body: &Value) -> Answer {
    ask(proxy.data, &post(body), LONG).await
}

fn body(model: &str, scenario: &str) -> Value {
    let content = json!([{"role": "user", "content": format!("sim:{scenario}")}]);
    json!({"model": model, "max_tokens": 100, "messages": content})
}

/// The request as the provider got it.
async fn echoed(proxy: &Proxy, mut request: Value) -> Value {
    let messages = request["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "user", "content": "sim:echo"}));
    let answer = fetch(proxy, &request).await;
    let text = answer.json()["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", answer.text()))
        .to_owned();
    let seen: Value = serde_json::from_str(&text).unwrap();
    match &seen["body"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        body => body.clone(),
    }
}

/// The status of the error that is to come, where only the error says it.
fn wanted(expect: &Expect) -> u16 {
    match expect {
        Expect::Http { status, .. } | Expect::Error { status, .. } => *status,
        Expect::Stalled { .. } => 504,
        _ => 502,
    }
}

async fn every_scenario(provider: &'static str, dialect: Dialect) {
    let sim = sim().await;
    let setup = Setup::of(&sim).hasty_and_patient(provider, &sim).tidegate("limits: {event: 6MiB}");
    let setup =
        setup.model("anthropic", "anthropic", &sim, "").model("retried", provider, &sim, "num_retries: 1");
    let proxy = Arc::new(Proxy::start(&setup.yaml()).await);
    let seats = Arc::new(Semaphore::new(ABREAST));
    let mut asking = JoinSet::new();
    for scenario in Scenario::all() {
        let (proxy, seats) = (proxy.clone(), seats.clone());
        asking.spawn(async move {
            let _seat = seats.acquire_owned().await.unwrap();
            let mut wrong = Vec::new();
            for stream in [true, false] {
                let expect = scenario.expect(dialect, if stream { Mode::Stream } else { Mode::Whole });
                let model = match scenario.name {
                    "http-429-once" => "retried",
                    _ => hasty(&expect).unwrap_or(provider),
                };
                let answer = ask(proxy.data, &messages(model, scenario.name, stream), LONG).await;
                let seen = told(&answer, stream, wanted(&expect)).or_else(|why| match expect {
                    // Whichever limit or clock is met first.
                    Expect::Failed { .. } => told(&answer, stream, 504).map_err(|_| why),
                    _ => Err(why),
                });
                let seen = seen.map(|mut told| {
                    // The upstream did say it, and it had been passed on when the end turned out to be missing.
                    if scenario.name == "finish-no-done" && dialect == Dialect::Anthropic && stream {
                        assert_eq!(told.finish.take().as_deref(), Some("stop"));
                    }
                    told
                });
                if let Err(why) = seen.and_then(|told| judge(&expect, &told)) {
                    wrong.push(format!("{} (stream: {stream}): {why}", scenario.name));
                }
            }
            wrong
        });
    }
    let wrong = asking.join_all().await.concat();
    assert!(wrong.is_empty(), "{provider}: {} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_of_openai() {
    every_scenario("openai", Dialect::OpenAiChat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_of_gemini() {
    every_scenario("gemini", Dialect::Gemini).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_of_anthropic() {
    every_scenario("anthropic", Dialect::Anthropic).await;
}

/// Where the provider speaks the client's dialect, what it writes is what the client reads.
#[tokio::test(flavor = "multi_thread")]
async fn anthropics_own_bytes_pass() {
    const MODEL: &str = "claude-sonnet-4-5";
    let sim = sim().await;
    let setup = Setup::of(&sim).model(MODEL, "anthropic", &sim, "");
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    for scenario in ["fast", "usage", "tool-calls", "crlf", "keepalive-comment", "one-byte-writes"] {
        for stream in [true, false] {
            let mut request = body(MODEL, scenario);
            request["stream"] = json!(stream);
            request["tools"] =
                json!([{"name": "f", "input_schema": {"type": "object"}}, {"name": "g", "input_schema": {}}]);
            let request = request.to_string();
            let at = |headers: &str| {
                client::post("/v1/messages?beta=true", &format!("{HEADERS}{headers}"), request.as_bytes())
            };
            let own = ask(sim.addr(), &at("x-api-key: sim-key\r\n"), LONG).await;
            let passed = ask(proxy.data, &at(""), LONG).await;
            assert_eq!((own.status, passed.status), (200, 200), "{scenario}: {}", passed.text());
            assert_eq!(own.text(), passed.text(), "{scenario} (stream: {stream})");
            let seen = sim.log();
            let [.., direct, through] = seen.as_slice() else { panic!("{scenario}: two requests") };
            assert_eq!(direct.body, through.body, "{scenario}: the request goes out as it came");
            for name in ["anthropic-version", "anthropic-beta"] {
                let of = |seen: &tidegate_sim::Seen| {
                    seen.headers.iter().find(|(header, _)| header == name).cloned()
                };
                assert_eq!(of(direct), of(through), "{scenario}");
            }
        }
    }
}

/// What another provider left in a history is taken out for Anthropic, which would refuse it; its own stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_of_other_providers_is_cleaned_for_anthropic() {
    let sim = sim().await;
    let setup = Setup::of(&sim).model("claude", "anthropic", &sim, "temperature: 0.5, max_tokens: 7");
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    let mut request = body("claude", "fast");
    let history = request["messages"].as_array_mut().unwrap();
    history.push(json!({"role": "assistant", "content": [
        {"type": "thinking", "thinking": "another's", "signature": ""},
        {"type": "tool_use", "id": "call_1__thought__QUI", "name": "f", "input": {}}]}));
    history.push(json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "call_1__thought__QUI", "content": "7"}, {"type": "text", "text": "sim:fast"}]}));
    let answer = fetch(&proxy, &request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let log = sim.log();
    let sent: Value = serde_json::from_slice(&log.last().unwrap().body).unwrap();
    assert_eq!(
        sent["messages"][1]["content"],
        json!([{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}])
    );
    assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], "call_1");
    assert_eq!(
        (&sent["temperature"], &sent["max_tokens"]),
        (&json!(0.5), &json!(100)),
        "the client's word holds"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_paths_and_every_count() {
    let (_sim, proxy) = world(|setup| setup).await;
    for model in ["openai", "gemini"] {
        let request = body(model, "usage").to_string();
        let request = client::post("/anthropic/v1/messages", HEADERS, request.as_bytes());
        let whole = ask(proxy.data, &request, LONG).await.json();
        let counts = &whole["usage"];
        assert_eq!(counts["cache_read_input_tokens"], 64, "{model}: {whole}");
        assert_eq!(counts["input_tokens"], 120 - 64, "what came from a cache is no input");
        assert_eq!(
            (&counts["output_tokens"], &counts["output_tokens_details"]["thinking_tokens"]),
            (&json!(53), &json!(33))
        );
        let answer = ask(proxy.data, &messages(model, "usage", true), LONG).await;
        let streamed = told(&answer, true, 0).unwrap().usage.unwrap();
        assert_eq!(
            (&streamed["input_tokens"], &streamed["cache_read_input_tokens"], &streamed["output_tokens"]),
            (&json!(56), &json!(64), &json!(53))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_of_tools() {
    let (_sim, proxy) = world(|setup| setup).await;
    let tools = json!([
        {"name": "first", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"name": "second", "input_schema": {"type": "object", "properties": {"b": {"type": "integer"}}}},
    ]);
    for model in ["openai", "gemini"] {
        let mut request = body(model, "tool-calls");
        request["tools"] = tools.clone();
        let turn = fetch(&proxy, &request).await.json();
        assert_eq!(turn["stop_reason"], "tool_use", "{turn}");
        let calls: Vec<&Value> =
            turn["content"].as_array().unwrap().iter().filter(|block| block["type"] == "tool_use").collect();
        assert_eq!(calls.len(), 2);
        let results: Vec<Value> = calls
            .iter()
            .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "{\"n\": 7}"}))
            .collect();
        let history = request["messages"].as_array_mut().unwrap();
        history.push(json!({"role": "assistant", "content": turn["content"]}));
        history.push(json!({"role": "user", "content": results}));
        let asked = echoed(&proxy, request).await;
        let asked = asked.to_string();
        for part in ["first", "second", "\\\"n\\\": 7"] {
            assert!(asked.contains(part) || asked.contains("\"n\":7"), "{model}: {part}: {asked}");
        }
    }
}

/// Gemini refuses the history of a call without the signature that it gave; the simulator does too.
#[tokio::test(flavor = "multi_thread")]
async fn the_proof_of_a_thought_comes_back() {
    let (_sim, proxy) = world(|setup| setup).await;
    let tools = json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}]);
    for stream in [false, true] {
        let mut request = body("gemini", "thought-signature");
        request["tools"] = tools.clone();
        request["stream"] = json!(stream);
        let answer = fetch(&proxy, &request).await;
        let call = if stream {
            let (events, _) = sse::events(&answer.body).unwrap();
            let start = events.iter().find(|event| event.data.contains("tool_use")).unwrap();
            serde_json::from_str::<Value>(&start.data).unwrap()["content_block"].clone()
        } else {
            answer.json()["content"].as_array().unwrap().last().unwrap().clone()
        };
        assert!(call["id"].as_str().unwrap().contains("__thought__"), "{call}");
        let history = request["messages"].as_array_mut().unwrap();
        let result = json!([{"type": "tool_result", "tool_use_id": call["id"], "content": "7"}]);
        history.push(json!({"role": "assistant", "content": [call]}));
        history.push(json!({"role": "user", "content": result}));
        let again = fetch(&proxy, &request).await;
        assert_eq!(again.status, 200, "{}", again.text());
        let seen = told(&again, stream, 0).unwrap();
        assert!(seen.terminal == Terminal::Done && seen.finish.as_deref() == Some("stop"), "{seen:?}");
    }
}

/// What Claude Code sends in every request: caches, beta headers, thinking, effort, a long system, metadata.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_claude_codes_kind_reaches_every_provider() {
    let (_sim, proxy) = world(|setup| setup).await;
    let cached = json!({"type": "ephemeral"});
    let request = |model: &str| {
        json!({
            "model": model, "max_tokens": 32000, "temperature": 1,
            "system": [{"type": "text", "text": "You are an agent."}, {"type": "text", "text": "Rules.", "cache_control": cached}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"},
                    {"type": "text", "text": "look", "cache_control": cached}]},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "QUJD"},
                    {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a.png"}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true,
                    "content": "no such file", "cache_control": cached}]},
            ],
            "tools": [{"name": "Read", "description": "reads", "input_schema": {"type": "object",
                "properties": {"path": {"type": "string"}}, "required": ["path"], "additionalProperties": false,
                "$schema": "http://json-schema.org/draft-07/schema#"}, "cache_control": cached}],
            "metadata": {"user_id": "user_0123456789012345678901234567890123456789012345678901234567890123_account__session_1"},
            "thinking": {"type": "enabled", "budget_tokens": 31999}, "output_config": {"effort": "high"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        })
    };
    for model in ["openai", "gemini"] {
        let asked = echoed(&proxy, request(model)).await.to_string();
        assert!(asked.contains("no such file") && asked.contains("Rules."), "{asked}");
        for alien in ["cache_control", "context_management", "output_config", "thinking_blocks", "is_error"] {
            assert!(!asked.contains(alien), "{model} is not asked for {alien}: {asked}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_cross_is_refused_by_its_name_or_dropped() {
    let sim = sim().await;
    let setup = Setup::of(&sim).model("dropping", "openai", &sim, "drop_params: true");
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    let request = |model: &str| {
        let mut request = body(model, "fast");
        request["tools"] = json!([{"type": "web_search_20250305", "name": "web_search"}]);
        request
    };
    let seen = told(&fetch(&proxy, &request("openai")).await, false, 400).unwrap();
    assert_eq!(seen.terminal, Terminal::Error(400));
    assert!(seen.message.contains("web_search_20250305"), "{}", seen.message);
    let seen = told(&fetch(&proxy, &request("dropping")).await, false, 0).unwrap();
    assert_eq!((seen.terminal, seen.text), (Terminal::Done, healthy_text()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_the_providers_or_a_guess_that_says_so() {
    let sim = sim().await;
    let setup = Setup::of(&sim).model("claude", "anthropic", &sim, "");
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    let content = json!([{"role": "user", "content": "x".repeat(4000)}]);
    let long = json!({"model": "openai", "messages": content}).to_string();
    let request = client::post("/v1/messages/count_tokens?beta=true", HEADERS, long.as_bytes());
    let answer = ask(proxy.data, &request, LONG).await;
    assert_eq!((answer.status, answer.header("x-tidegate-estimate")), (200, Some("true")));
    let count = answer.json()["input_tokens"].as_u64().unwrap();
    assert!((1000..1100).contains(&count), "{count}");
    let body = body("claude", "fast").to_string();
    let request = client::post("/v1/messages/count_tokens", HEADERS, body.as_bytes());
    let answer = ask(proxy.data, &request, LONG).await;
    assert_eq!((answer.status, answer.header("x-tidegate-estimate")), (200, None), "{}", answer.text());
    assert!(answer.json()["input_tokens"].is_u64());
    let wrong = client::post("/v1/messages/count_tokens", HEADERS, b"{\"model\":\"gone\",\"messages\":[]}");
    let answer = ask(proxy.data, &wrong, LONG).await;
    assert_eq!(told(&answer, false, 404).unwrap().terminal, Terminal::Error(404));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_what_is_not_there_are_told_in_its_form() {
    let (_sim, proxy) = world(|setup| setup).await;
    let look = |path: &str| {
        let request = get(path, HEADERS);
        async move { ask(proxy.data, &request, LONG).await }
    };
    let list = look("/v1/models?limit=1000").await.json();
    assert_eq!((&list["has_more"], &list["first_id"]), (&json!(false), &list["data"][0]["id"]));
    let one = look("/v1/models/openai").await.json();
    assert_eq!(
        (&one["type"], &one["id"], &one["display_name"]),
        (&json!("model"), &json!("openai"), &json!("openai"))
    );
    for (path, words) in [
        ("/v1/models/gone", "there is no model \"gone\""),
        ("/v1/messages/batches", "batches"),
        ("/v1/files", "files"),
        ("/v1/messages", "only POST"),
    ] {
        let answer = look(path).await;
        let seen = told(&answer, false, answer.status).unwrap_or_else(|why| panic!("{path}: {why}"));
        assert!(seen.message.contains(words), "{path}: {}", seen.message);
    }
    // An OpenAI client sees OpenAI's form of the same list.
    let list = ask(proxy.data, &get("/v1/models", ""), LONG).await.json();
    assert_eq!(list["object"], "list");
    assert_eq!(ask(proxy.data, &get("/v1/models/openai", ""), LONG).await.json()["object"], "model");
}

/// A key is wrong, a model is not there, a body is none: each in Anthropic's form.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_tidegates_own() {
    let (_sim, proxy) = world(|setup| setup.general("master_key: sk-right")).await;
    let send = |key: &str, body: &str| {
        let request =
            client::post("/v1/messages", &format!("{HEADERS}x-api-key: {key}\r\n"), body.as_bytes());
        async move { ask(proxy.data, &request, LONG).await }
    };
    for (key, body, status) in [
        ("sk-wrong", "{}", 401),
        ("sk-right", "{}", 400),
        ("sk-right", "{\"model\":\"gone\",\"messages\":[]}", 404),
        ("sk-right", "not JSON", 400),
    ] {
        let answer = send(key, body).await;
        let seen = told(&answer, false, status).unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!(seen.terminal, Terminal::Error(status), "{body}");
    }
}

/// Before content the request can go to a provider of another dialect; the client sees one message.
#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_may_speak_another_dialect() {
    let (healthy, sick) = (sim().await, sim().await);
    sick.script("fast", Script::json(503, r#"{"error":{"message":"down","type":"server_error"}}"#));
    let setup = Setup::default()
        .router("num_retries: 0")
        .router("fallbacks: [{first: [second]}, {native: [second]}]")
        .model("first", "openai", &sick, "")
        .model("native", "anthropic", &sick, "")
        .model("second", "gemini", &healthy, "");
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    for first in ["first", "native"] {
        for stream in [true, false] {
            let answer = ask(proxy.data, &messages(first, "fast", stream), LONG).await;
            let seen = told(&answer, stream, 0).unwrap();
            assert_eq!((seen.terminal, seen.text), (Terminal::Done, healthy_text()), "{first}");
        }
    }
    assert_eq!(sick.counts("fast").started, 4);
}

/// litellm's way out of a broken stream, for a client of this dialect.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_may_go_on_elsewhere() {
    let sim = sim().await;
    let setup = Setup::default()
        .router("num_retries: 0")
        .router("fallbacks: [{first: [second]}]")
        .tidegate("mid_stream: continue")
        .model("first", "openai", &sim, "")
        .model("second", "openai", &sim, "");
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    let answer = ask(proxy.data, &messages("first", "429-frame-end", true), LONG).await;
    let seen: Told = told(&answer, true, 429).unwrap();
    assert!(seen.text.starts_with(&fault_text()), "{}", seen.text);
    assert_eq!(
        seen.terminal,
        Terminal::Error(429),
        "the second fails as the first did, and is not tried again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_filled_with_pings() {
    let (_sim, proxy) =
        world(|setup| setup.tidegate("keep_alive: 100ms").clock("content_idle: 1s").clock("byte_idle: 1s"))
            .await;
    let answer = ask(proxy.data, &messages("openai", "stall-mid", true), LONG).await;
    let (events, _) = sse::events(&answer.body).unwrap();
    assert!(events.iter().any(|event| event.name == "ping"), "{}", answer.text());
    assert_eq!(told(&answer, true, 504).unwrap().terminal, Terminal::Error(504));
}
