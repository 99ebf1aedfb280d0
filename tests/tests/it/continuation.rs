//! A stream that breaks off after content and goes on with another deployment: the client reads one answer, each word
//! once, with one end. Where that cannot be, it is told what broke its answer off.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tidegate_sim::{Ending, Gate, Script, Sim};
use tidegate_tests::client::{ask, body, chat, post};
use tidegate_tests::{Answer, Conn, Proxy, Setup, Terminal, Told, sse};
use tokio::net::TcpStream;

use crate::world::{LONG, fetch, told, world};

const SOON: Duration = Duration::from_secs(10);

/// What is said before the break, and after it.
const BEFORE: &str = "Die Flut \"steigt\" über das 潮 🌊 ";
const AFTER: &str = "und hebt \\ jedes Boot.";

/// Groups by the dialects of their first and their second deployment.
const PAIRS: [(&str, bool, bool); 3] = [("oo", true, true), ("og", true, false), ("go", false, true)];

fn pairs(sim: &Sim) -> Setup {
    let kind = |openai: bool| if openai { "openai" } else { "gemini" };
    let setup = Setup::of(sim).short_clocks().tidegate("mid_stream: continue");
    PAIRS.iter().fold(setup, |setup, (name, first, second)| {
        setup.model(name, kind(*first), sim, "order: 1").model(name, kind(*second), sim, "order: 2")
    })
}

async fn continuing(change: impl FnOnce(Setup) -> Setup) -> (Sim, Proxy) {
    let sim = crate::world::sim().await;
    let proxy = Proxy::start(&change(pairs(&sim)).yaml()).await;
    (sim, proxy)
}

fn chunk(id: &str, delta: &Value, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": id, "object": "chat.completion.chunk", "created": 7, "model": id, "system_fingerprint": id,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    });
    format!("data: {chunk}\n\n")
}

/// Events of a stream: a role, then pieces of text.
fn says(openai: bool, id: &str, text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let pieces = letters.chunks(7).map(|piece| piece.iter().collect::<String>());
    if openai {
        let role = chunk(id, &json!({"role": "assistant", "content": ""}), None);
        role + &pieces.map(|piece| chunk(id, &json!({"content": piece}), None)).collect::<String>()
    } else {
        let event = |piece: String| {
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": piece}]}, "index": 0}],
                   "modelVersion": id, "responseId": id})
        };
        pieces.map(|piece| format!("data: {}\n\n", event(piece))).collect()
    }
}

/// The normal end, with a usage of 20 and 5 tokens.
fn ends(openai: bool, id: &str) -> String {
    if openai {
        let usage = json!({"id": id, "object": "chat.completion.chunk", "created": 7, "model": id, "choices": [],
            "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}});
        chunk(id, &json!({}), Some("stop")) + &format!("data: {usage}\n\ndata: [DONE]\n\n")
    } else {
        let last = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP",
            "index": 0}], "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 5, "totalTokenCount": 25},
            "modelVersion": id, "responseId": id});
        format!("data: {last}\n\n")
    }
}

const ERROR: &str = "data: {\"error\":{\"code\":429,\"message\":\"Resource exhausted\",\"status\":\"RESOURCE_EXHAUSTED\"}}\n\n";

/// Says this much, and then breaks off with a 429.
fn breaks(openai: bool) -> Script {
    Script::sse().write(says(openai, "first", BEFORE)).write(ERROR)
}

fn goes_on(openai: bool, text: &str) -> Script {
    Script::sse().write(says(openai, "second", text)).write(ends(openai, "second"))
}

/// Asks `model` for the next scripts.
async fn play(sim: &Sim, proxy: &Proxy, model: &str, scripts: [Script; 2]) -> (Answer, Told) {
    let [first, second] = scripts;
    sim.push_script(first);
    sim.push_script(second);
    let answer = fetch(proxy, model, "custom", true).await;
    let told = Told::of(&answer, true).unwrap_or_else(|why| panic!("{model}: {why}"));
    (answer, told)
}

fn ids(answer: &Answer) -> Vec<[Value; 4]> {
    let (events, _) = sse::events(&answer.body).unwrap();
    let chunks = events.iter().filter_map(|event| serde_json::from_str::<Value>(&event.data).ok());
    let mut ids: Vec<_> = chunks
        .filter(|chunk| chunk.get("error").is_none())
        .map(|chunk| ["id", "created", "model", "system_fingerprint"].map(|name| chunk[name].clone()))
        .collect();
    ids.dedup();
    ids
}

fn roles(answer: &Answer) -> usize {
    answer.text().matches("\"role\":\"assistant\"").count()
}

const NOTICE: &str = ": tidegate continued on another deployment\n\n";

/// What the last upstream call asked for.
fn asked(sim: &Sim) -> Value {
    let log = sim.log();
    let last = log.iter().rev().find(|seen| seen.scenario == "custom").unwrap();
    serde_json::from_slice(&last.body).unwrap()
}

/// The text so far, where the request has it.
fn begun(openai: bool, asked: &Value) -> String {
    let last =
        if openai { &asked["messages"] } else { &asked["contents"] }.as_array().unwrap().last().unwrap();
    assert_eq!(last["role"], if openai { "assistant" } else { "model" }, "{asked}");
    let text = if openai { &last["content"] } else { &last["parts"][0]["text"] };
    text.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_break_is_continued_and_nobody_can_tell() {
    let (sim, proxy) = continuing(|setup| setup).await;
    for (model, first, second) in PAIRS {
        let said = || Script::sse().write(says(first, "first", BEFORE));
        for (case, script) in [
            ("429", breaks(first)),
            ("error 500", said().write("data: {\"error\":{\"code\":500,\"message\":\"m\"}}\n\n")),
            ("end without a marker", said()),
            ("FIN", said().ending(Ending::Fin)),
            ("RST", said().pause(Duration::from_millis(50)).ending(Ending::Rst)),
            ("cut inside an event", said().write("data: {\"choices\":[{\"delta\":{\"content\":\"lost")),
            ("garbage", said().write("data: <html>\n\n")),
            ("stall", said().ending(Ending::Open)),
        ] {
            let case = format!("{model}, {case}");
            let (answer, told) = play(&sim, &proxy, model, [script, goes_on(second, AFTER)]).await;
            assert_eq!(told.text, format!("{BEFORE}{AFTER}"), "{case}");
            assert_eq!((told.finish.as_deref(), &told.terminal), (Some("stop"), &Terminal::Done), "{case}");
            assert_eq!(ids(&answer).len(), 1, "{case}: {}", answer.text());
            assert!(roles(&answer) == 1, "{case}: {}", answer.text());
            assert_eq!(answer.text().matches(NOTICE).count(), 1, "{case}: {}", answer.text());
            assert_eq!(begun(second, &asked(&sim)), BEFORE.trim_end(), "{case}");
            assert_eq!(told.usage.unwrap()["total_tokens"], 25, "{case}");
        }
    }
    let metrics = proxy.metrics().await;
    let sum = |family, labels: &[(&str, &str)]| metrics.sum(family, labels);
    assert_eq!(sum("tidegate_continuations_total", &[("result", "complete")]), 24.0);
    assert_eq!(sum("tidegate_continuations_total", &[]), 24.0);
    assert_eq!(sum("tidegate_request_endings_total", &[("kind", "complete")]), 24.0);
    assert_eq!(sum("tidegate_attempts_total", &[("outcome", "ok")]), 24.0);
    assert_eq!(sum("tidegate_attempts_total", &[]), 48.0);
    assert_eq!(metrics.get("tidegate_fallbacks_total", &[]), None, "it stayed in its group");
    assert_eq!(sim.counts("custom").started, 48);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_provider_is_asked_in_its_way() {
    let sim = crate::world::sim().await;
    let addr = sim.addr();
    let setup = ["mistral", "hosted_vllm", "groq"].iter().fold(pairs(&sim), |setup, provider| {
        let second =
            format!("model: {provider}/m, api_base: \"http://{addr}/v1\", api_key: sim-key, order: 2");
        setup.model(provider, "openai", &sim, "order: 1").params(provider, &second)
    });
    let proxy = Proxy::start(&setup.yaml()).await;
    for provider in ["mistral", "hosted_vllm", "groq", "oo"] {
        let (_, told) = play(&sim, &proxy, provider, [breaks(true), goes_on(true, AFTER)]).await;
        assert_eq!(told.text, format!("{BEFORE}{AFTER}"), "{provider}");
        let asked = asked(&sim);
        assert_eq!(begun(true, &asked), BEFORE.trim_end());
        let messages = asked["messages"].as_array().unwrap();
        let (note, last) = (&messages[messages.len() - 2], &messages[messages.len() - 1]);
        assert_eq!(last.get("prefix").is_some(), provider == "mistral", "{asked}");
        let final_message =
            asked["continue_final_message"] == true && asked["add_generation_prompt"] == false;
        assert_eq!(final_message, provider == "hosted_vllm", "{asked}");
        assert_eq!(note["role"] == "system", provider == "oo", "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_model_repeats_is_not_sent_twice() {
    let (sim, proxy) = continuing(|setup| setup).await;
    for (model, first, second) in PAIRS {
        for again in [
            format!("{BEFORE}{AFTER}"),
            format!("{} {AFTER}", BEFORE.trim_end()),
            format!("über das 潮 🌊 {AFTER}"),
        ] {
            let (_, told) = play(&sim, &proxy, model, [breaks(first), goes_on(second, &again)]).await;
            assert_eq!(told.text, format!("{BEFORE}{AFTER}"), "{model} {again}");
            assert_eq!(told.terminal, Terminal::Done);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_continuation_that_fails_leaves_the_first_failure() {
    let (sim, proxy) = continuing(|setup| setup.router("num_retries: 3")).await;
    for (model, first, second) in PAIRS {
        for (case, script, text) in [
            ("at once", Script::json(500, r#"{"error":{"code":500,"message":"m"}}"#), BEFORE.to_owned()),
            ("without an answer", Script::headless(Ending::Fin), BEFORE.to_owned()),
            ("before content", Script::sse(), BEFORE.to_owned()),
            (
                "on its way",
                Script::sse().write(says(second, "second", AFTER)).ending(Ending::Fin),
                format!("{BEFORE}{AFTER}"),
            ),
        ] {
            let started = sim.counts("custom").started;
            let (_, told) = play(&sim, &proxy, model, [breaks(first), script]).await;
            assert_eq!((told.text, &told.terminal), (text, &Terminal::Error(429)), "{model}, {case}");
            assert!(told.message.contains("exhausted"), "{model}, {case}: {}", told.message);
            assert_eq!(sim.counts("custom").started, started + 2, "{model}, {case}: once, and no retry");
        }
    }
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_continuations_total", &[("result", "failed")]), 12.0);
    assert_eq!(metrics.sum("tidegate_request_endings_total", &[("kind", "stream_error")]), 12.0);
}

/// Asks with more members in the body than [`body`] has.
async fn with_members(sim: &Sim, proxy: &Proxy, first: Script, members: Value) -> Told {
    sim.push_script(first);
    let mut body = body("oo", "custom", true);
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let request = post("/v1/chat/completions", "", body.to_string().as_bytes());
    Told::of(&ask(proxy.data, &request, LONG).await, true).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_continued_is_not() {
    let sim = crate::world::sim().await;
    let setup = pairs(&sim).model("forced", "openai", &sim, "order: 1").model(
        "forced",
        "openai",
        &sim,
        "response_format: {type: json_object}, order: 2",
    );
    let proxy = Proxy::start(&setup.yaml()).await;
    let said = |delta: Value| {
        Script::sse().write(says(true, "first", BEFORE)).write(chunk("first", &delta, None)).write(ERROR)
    };
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]});
    let refused =
        json!({"error": {"code": 400, "message": "The response was filtered", "type": "content_filter"}});
    let mut cases = 0.0;
    for (script, members, status) in [
        (said(call), json!({}), 429),
        (said(json!({"reasoning_content": "hm"})), json!({}), 429),
        (said(json!({"audio": {"id": "a"}})), json!({}), 429),
        (said(json!({})), json!({"response_format": {"type": "json_object"}}), 429),
        (said(json!({})), json!({"response_format": {"type": "json_schema", "json_schema": {}}}), 429),
        (said(json!({})), json!({"n": 2}), 429),
        (said(json!({})), json!({"logprobs": true}), 429),
        (
            Script::sse().write(says(true, "first", BEFORE)).write(chunk("first", &json!({}), Some("stop"))),
            json!({}),
            502,
        ),
        (
            Script::sse().write(says(true, "first", BEFORE)).write(format!("data: {refused}\n\n")),
            json!({}),
            400,
        ),
    ] {
        let told = with_members(&sim, &proxy, script, members.clone()).await;
        assert_eq!((told.text.as_str(), told.terminal), (BEFORE, Terminal::Error(status)), "{members}");
        cases += 1.0;
        assert_eq!(sim.counts("custom").started as f64, cases, "{members}");
    }
    // The second deployment alone asks for it, by its default parameters: it is not called.
    sim.push_script(breaks(true));
    let told = told(&proxy, "forced", "custom", true).await;
    assert_eq!((told.text.as_str(), told.terminal), (BEFORE, Terminal::Error(429)));
    assert_eq!(sim.counts("custom").started as f64, cases + 1.0);
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_continuations_total", &[("group", "oo"), ("result", "refused")]), cases);
    assert_eq!(
        metrics.sum("tidegate_continuations_total", &[("group", "forced"), ("result", "failed")]),
        1.0
    );
    assert_eq!(metrics.sum("tidegate_continuations_total", &[]), cases + 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_wish_nothing_is_continued() {
    let (sim, proxy) = continuing(|setup| {
        setup.tidegate("mid_stream: fail").tidegate("groups: {og: {mid_stream: continue}}")
    })
    .await;
    sim.push_script(breaks(true));
    let failed = told(&proxy, "oo", "custom", true).await;
    assert_eq!((failed.text.as_str(), failed.terminal), (BEFORE, Terminal::Error(429)));
    assert_eq!(sim.counts("custom").started, 1);
    let (_, saved) = play(&sim, &proxy, "og", [breaks(true), goes_on(false, AFTER)]).await;
    assert_eq!(saved.terminal, Terminal::Done);
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_continuations_total", &[("group", "oo")]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn litellms_switch_and_a_fallback() {
    let (sim, proxy) = world(|setup| {
        setup
            .router("enable_mid_stream_fallback_continuation: true")
            .router("fallbacks: [{openai: [gemini]}]")
    })
    .await;
    let (answer, saved) = play(&sim, &proxy, "openai", [breaks(true), goes_on(false, AFTER)]).await;
    assert_eq!((saved.text, saved.terminal), (format!("{BEFORE}{AFTER}"), Terminal::Done));
    assert_eq!(ids(&answer).len(), 1);
    // Nobody is there to go on.
    sim.push_script(breaks(false));
    let failed = told(&proxy, "gemini", "custom", true).await;
    assert_eq!((failed.text.as_str(), failed.terminal), (BEFORE, Terminal::Error(429)));
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_fallbacks_total", &[("group", "openai"), ("to", "gemini")]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_of_both_is_summed() {
    let (sim, proxy) = continuing(|setup| setup).await;
    let told_on_the_way = json!({"id": "first", "object": "chat.completion.chunk", "created": 7, "model": "first",
        "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}});
    for (model, _, second) in &PAIRS[..2] {
        let first = Script::sse()
            .write(says(true, "first", BEFORE))
            .write(format!("data: {told_on_the_way}\n\n"))
            .write(ERROR);
        let (answer, told) = play(&sim, &proxy, model, [first, goes_on(*second, AFTER)]).await;
        let usage = told.usage.unwrap();
        let count = |name: &str| usage[name].as_u64().unwrap();
        assert_eq!((count("prompt_tokens"), count("completion_tokens"), count("total_tokens")), (30, 8, 38));
        assert_eq!(ids(&answer).iter().filter(|id| id[0] != "first").count(), 0, "{}", answer.text());
    }
    // Gemini tells its counts with every event, and the client is told them at the end.
    let counts = json!({"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2, "thoughtsTokenCount": 1}});
    let first =
        Script::sse().write(says(false, "first", BEFORE)).write(format!("data: {counts}\n\n")).write(ERROR);
    let (_, told) = play(&sim, &proxy, "go", [first, goes_on(true, AFTER)]).await;
    assert_eq!(told.usage.unwrap()["total_tokens"], 38);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_during_the_continuation_takes_it_with_it() {
    let (sim, proxy) = continuing(|setup| {
        setup.clock("first_content: 60s").clock("content_idle: 60s").clock("byte_idle: 60s")
    })
    .await;
    let silent = Script::headless(Ending::Open);
    let half = Script::sse().write(says(true, "second", AFTER)).ending(Ending::Open);
    for (case, second, seen) in [("no head", silent, "🌊"), ("in mid-stream", half, "und heb")] {
        let cut = sim.counts("custom").cut;
        sim.push_script(breaks(true));
        sim.push_script(second);
        let mut conn = Conn::open(proxy.data).await.unwrap();
        conn.send(&chat("oo", "custom", true)).await.unwrap();
        assert!(conn.read_until(SOON, |answer| answer.text().contains(seen)).await, "{case}");
        assert!(sim.wait_until(SOON, |sim| sim.counts("custom").active() == 1).await, "{case}");
        drop(conn);
        assert!(
            sim.wait_until(SOON, |sim| sim.counts("custom").cut > cut).await,
            "{case}: it outlived its client"
        );
        assert!(sim.wait_until(SOON, |sim| sim.counts("custom").active() == 0).await, "{case}");
    }
    let metrics = proxy.metrics_when("all are gone", |m| m.sum("tidegate_active_streams", &[]) == 0.0).await;
    assert_eq!(metrics.sum("tidegate_request_endings_total", &[("kind", "client_gone")]), 2.0);
    assert_eq!(metrics.sum("tidegate_continuations_total", &[("result", "client_gone")]), 2.0);
    assert_eq!(metrics.sum("tidegate_attempts_total", &[("outcome", "cancelled")]), 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_a_continuation_that_hangs() {
    let (sim, proxy) = continuing(|setup| {
        setup
            .clock("first_content: 60s")
            .clock("content_idle: 60s")
            .clock("byte_idle: 60s")
            .clock("drain: 1s")
    })
    .await;
    sim.push_script(breaks(true));
    sim.push_script(Script::sse().wait(&Gate::new()));
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("oo", "custom", true)).await.unwrap();
    assert!(sim.wait_until(SOON, |sim| sim.counts("custom").started == 2).await);
    proxy.signal(Signal::SIGTERM);
    let told = Told::of(&conn.answer(LONG).await, true).unwrap();
    assert_eq!((told.text.as_str(), told.terminal), (BEFORE, Terminal::Error(503)));
}

/// The clocks of the request run on: the continuation has what is left of its total.
#[tokio::test(flavor = "multi_thread")]
async fn the_total_clock_holds_over_the_continuation() {
    let (sim, proxy) = continuing(|setup| setup.clock("first_content: 60s").clock("total: 3s")).await;
    let began = tokio::time::Instant::now();
    let hangs = Script::sse().ending(Ending::Open);
    let (_, told) = play(&sim, &proxy, "oo", [breaks(true), hangs]).await;
    assert_eq!((told.text.as_str(), told.terminal), (BEFORE, Terminal::Error(429)));
    assert!(began.elapsed() < Duration::from_secs(30));
}

/// In its own group and order it is a retry, and a group that has none left has none for this.
#[tokio::test(flavor = "multi_thread")]
async fn the_retry_budget_pays_for_it() {
    let sim = crate::world::sim().await;
    let twins = |setup: Setup| {
        setup.model("twins", "openai", &sim, "temperature: 0").model(
            "twins",
            "openai",
            &sim,
            "temperature: 1",
        )
    };
    let setup = pairs(&sim).tidegate("retry_budget: {ratio: 0, min_per_second: 0.1, window: 10s}");
    let proxy = Proxy::start(&twins(setup).yaml()).await;
    // The bucket begins with what a window brings: one.
    let (_, saved) = play(&sim, &proxy, "twins", [breaks(true), goes_on(true, AFTER)]).await;
    assert_eq!(saved.terminal, Terminal::Done);
    sim.push_script(breaks(true));
    let failed = told(&proxy, "twins", "custom", true).await;
    assert_eq!((failed.text.as_str(), failed.terminal), (BEFORE, Terminal::Error(429)));
    assert_eq!(sim.counts("custom").started, 3);
    let metrics = proxy.metrics().await;
    assert_eq!(
        metrics.sum("tidegate_continuations_total", &[("group", "twins"), ("result", "refused")]),
        1.0
    );
    assert_eq!(metrics.sum("tidegate_retry_budget_exhausted_total", &[("group", "twins")]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_it_is_the_same() {
    let (sim, proxy) = continuing(|setup| setup).await;
    sim.push_script(breaks(false));
    sim.push_script(goes_on(true, AFTER));
    let stream = TcpStream::connect(proxy.data).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = hyper::Request::post(format!("http://{}/v1/chat/completions", proxy.data))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body("go", "custom", true).to_string())))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let (events, rest) = sse::events(&answer).unwrap();
    let chunks = events.iter().filter_map(|event| serde_json::from_str::<Value>(&event.data).ok());
    let text: String = chunks
        .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect();
    assert_eq!(
        (text, events.last().unwrap().data.as_str(), rest.as_str()),
        (format!("{BEFORE}{AFTER}"), "[DONE]", "")
    );
    driving.abort();
}

/// However the bytes of both streams come, the client reads the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_cut_of_the_bytes_does_not_matter() {
    let (sim, proxy) = continuing(|setup| setup).await;
    let cut = |script: Script, text: &str, most: usize| {
        text.as_bytes().chunks(most).fold(script, |script, piece| script.write(piece.to_vec()))
    };
    for (model, first, second) in PAIRS {
        for most in [1, 2, 5, 17, 64, 1 << 20] {
            let before = says(first, "first", BEFORE) + ERROR;
            // It repeats the end of what was said, which must be found in pieces too.
            let after = says(second, "second", &format!("über das 潮 🌊 {AFTER}")) + &ends(second, "second");
            let scripts = [cut(Script::sse(), &before, most), cut(Script::sse(), &after, most)];
            let (answer, told) = play(&sim, &proxy, model, scripts).await;
            let case = format!("{model}, {most}");
            assert_eq!((told.text, told.terminal), (format!("{BEFORE}{AFTER}"), Terminal::Done), "{case}");
            assert_eq!((ids(&answer).len(), roles(&answer)), (1, 1), "{case}");
        }
    }
}
