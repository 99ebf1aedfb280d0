//! What went wrong in other gateways, replayed: the bytes and the waits of each report, and Tidegate's answer.
//! `docs/fault-matrix.md` lists them.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_sim::{Ending, Script, Seen, Sim, healthy_text};
use tidegate_tests::client::{ask, post};
use tidegate_tests::{Answer, Proxy, Setup, Terminal, Told};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::world::{LONG, sim, told};

/// The answers of the fault bench that several reports cite have this many tokens.
const TOKENS: usize = 60;

/// Google's words for it.
const EXHAUSTED: &str = "{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"Resource exhausted. Please try again later.\",\n    \
                         \"status\": \"RESOURCE_EXHAUSTED\"\n  }\n}\n";

/// A group whose deployment plays the script `name`, whatever it is asked.
fn plays(setup: Setup, group: &str, sim: &Sim, name: &str) -> Setup {
    let base = format!("http://{}/s/{name}/v1", sim.addr());
    setup.params(group, &format!("model: openai/{name}, api_base: \"{base}\", api_key: sim-key"))
}

/// Two groups, `primary` and `fallback`, the second behind the first, no retries.
fn pair(sim: &Sim) -> Setup {
    let setup = Setup::default().router("num_retries: 0").router("cooldown_time: 0").short_clocks();
    let setup = plays(plays(setup, "primary", sim, "primary"), "fallback", sim, "fallback");
    setup.router("fallbacks: [{primary: [fallback]}]")
}

async fn answers(proxy: &Proxy, model: &str) -> Answer {
    let body = json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "hello"}]});
    ask(proxy.data, &post("/v1/chat/completions", "", body.to_string().as_bytes()), LONG).await
}

async fn says(proxy: &Proxy, model: &str) -> Told {
    Told::of(&answers(proxy, model).await, true).unwrap()
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
    format!("data: {chunk}\n\n")
}

fn token(number: usize) -> String {
    chunk(&json!({"content": format!("t{number} ")}), None)
}

/// The text of the tokens below `to`.
fn text(to: usize) -> String {
    (0..to).map(|number| format!("t{number} ")).collect()
}

/// A stream that has said the role and the tokens below `to`.
fn stream(to: usize) -> Script {
    let script = Script::sse().write(chunk(&json!({"role": "assistant", "content": ""}), None));
    (0..to).fold(script, |script, number| script.write(token(number)))
}

/// A whole stream.
fn whole() -> Script {
    stream(TOKENS).write(chunk(&json!({}), Some("stop"))).write("data: [DONE]\n\n")
}

fn refusal(status: u16) -> Script {
    let error = json!({"error": {"message": "no", "type": "error", "code": status.to_string()}});
    Script::json(status, error.to_string())
}

/// When the requests for `scenario` came.
fn came(sim: &Sim, scenario: &str) -> Vec<std::time::Instant> {
    sim.log().into_iter().filter(|seen: &Seen| seen.scenario == scenario).map(|seen| seen.at).collect()
}

/// Retries are configured, fallbacks are not, and the error comes inside the stream: there it was never retried.
#[tokio::test(flavor = "multi_thread")]
async fn litellm_29808_an_error_in_the_stream_is_retried_before_content_and_told_after_it() {
    let sim = sim().await;
    let setup = Setup::default().router("cooldown_time: 0").short_clocks();
    let proxy = Proxy::start(&setup.model("vertex", "vertex", &sim, "num_retries: 1").yaml()).await;
    let said = |words: &str| {
        let part = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": words}]}, "index": 0}], "modelVersion": "m"});
        format!("data: {part}\r\n\r\n")
    };
    let end = "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\",\"index\":0}]}\r\n\r\n";
    let good = || Script::sse().write(said("Ebbe und ")).write(said("Flut")).write(end);
    for early in [
        Script::json(429, EXHAUSTED),
        Script::sse().write(EXHAUSTED),
        Script::sse().write(format!("data: {}\r\n\r\n", EXHAUSTED.replace('\n', ""))),
    ] {
        sim.push_script(early);
        sim.push_script(good());
        let saved = told(&proxy, "vertex", "custom", true).await;
        assert_eq!((saved.text.as_str(), saved.terminal), ("Ebbe und Flut", Terminal::Done));
    }
    assert_eq!(sim.counts("custom").started, 6);

    // What the client has read cannot be taken back, so it is told; no text comes twice.
    sim.push_script(Script::sse().write(said("Ebbe und ")).write(EXHAUSTED));
    sim.push_script(good());
    let broken = told(&proxy, "vertex", "custom", true).await;
    assert_eq!((broken.text.as_str(), broken.terminal), ("Ebbe und ", Terminal::Error(429)));
    assert_eq!(sim.counts("custom").started, 7);
}

/// The three ways of the report in which a stream breaks, after `to` tokens.
fn broken(to: usize) -> [Script; 3] {
    let malformed = stream(to).write("data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\n\n");
    let rest = (to..TOKENS).fold(malformed, |script, number| script.write(token(number)));
    [
        stream(to).ending(Ending::Fin),
        stream(to).ending(Ending::Open),
        rest.write(chunk(&json!({}), Some("stop"))).write("data: [DONE]\n\n"),
    ]
}

/// A cut, a stall and a broken line: there the fallback got no request at all, at any of them.
#[tokio::test(flavor = "multi_thread")]
async fn litellm_40404_a_stream_that_breaks_falls_back_before_content_and_is_told_after_it() {
    let sim = sim().await;
    let proxy = Proxy::start(&pair(&sim).yaml()).await;
    sim.script("fallback", whole());
    for (number, script) in broken(0).into_iter().enumerate() {
        sim.script("primary", script);
        let saved = says(&proxy, "primary").await;
        assert_eq!((saved.text, saved.terminal), (text(TOKENS), Terminal::Done), "{number}");
        assert_eq!(sim.counts("fallback").started, number as u64 + 1);
    }
    let [cut, _, _] = broken(40);
    let [_, stalled, _] = broken(20);
    let [_, _, malformed] = broken(10);
    for (script, to, status) in [(cut, 40, 502), (stalled, 20, 504), (malformed, 10, 502)] {
        sim.script("primary", script);
        let told = says(&proxy, "primary").await;
        assert_eq!((told.text, told.terminal), (text(to), Terminal::Error(status)));
        assert_eq!(told.finish, None);
    }
    assert_eq!(sim.counts("fallback").started, 3, "none of the later ones: `mid_stream` is `fail`");

    // The same three where the group wants a continuation: one more call each, and the whole text once.
    let proxy = Proxy::start(&pair(&sim).tidegate("mid_stream: continue").yaml()).await;
    for (number, script) in broken(40).into_iter().enumerate() {
        sim.script("primary", script);
        let rest = (40..TOKENS).fold(stream(0), |script, number| script.write(token(number)));
        sim.script("fallback", rest.write(chunk(&json!({}), Some("stop"))).write("data: [DONE]\n\n"));
        let whole = says(&proxy, "primary").await;
        assert_eq!((whole.text, whole.terminal), (text(TOKENS), Terminal::Done), "{number}");
        assert_eq!(sim.counts("fallback").started, number as u64 + 4);
    }
}

/// Each 429 asks for a longer wait than the one before: there the first one's wait was used for all.
#[tokio::test(flavor = "multi_thread")]
async fn litellm_20722_each_attempt_waits_as_long_as_the_latest_answer_asks() {
    let sim = sim().await;
    let setup = Setup::default().router("num_retries: 3").router("cooldown_time: 0");
    let proxy = Proxy::start(&plays(setup, "only", &sim, "custom").yaml()).await;
    for wait in ["1", "2", "3"] {
        sim.push_script(refusal(429).header("retry-after", wait));
    }
    sim.push_script(whole());
    assert_eq!(says(&proxy, "only").await.terminal, Terminal::Done);
    let came = came(&sim, "custom");
    let waits: Vec<f64> = came.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    assert_eq!(waits.len(), 3);
    for (wait, asked) in waits.iter().zip([1.0, 2.0, 3.0]) {
        assert!(*wait >= asked - 0.05, "waits of {waits:?} s");
    }
}

/// A deployment refuses once with a short wait, and then, to requests that were on their way, without one. There the
/// short deadline stayed, and a second later it was called again.
#[tokio::test(flavor = "multi_thread")]
async fn litellm_40130_a_later_and_longer_cooldown_replaces_a_shorter_one() {
    let sim = sim().await;
    let setup = Setup::default().router("num_retries: 0").router("cooldown_time: 60").short_clocks();
    let setup = plays(plays(setup, "pool", &sim, "custom"), "pool", &sim, "b");
    let proxy = Proxy::start(&setup.yaml()).await;
    sim.script("b", whole());
    // The first is fast and has a hint; the others take 250 ms and have none.
    sim.push_script(refusal(429).header("retry-after", "1"));
    for _ in 0..32 {
        let error = r#"{"error":{"message":"no","type":"rate_limit_error","code":"429"}}"#;
        let head =
            "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nconnection: close\r\n";
        let slow = format!("{head}content-length: {}\r\n\r\n{error}", error.len());
        sim.push_script(Script::headless(Ending::Fin).pause(Duration::from_millis(250)).write(slow));
    }
    let began = Instant::now();
    let mut asking = JoinSet::new();
    let proxy = std::sync::Arc::new(proxy);
    for _ in 0..16 {
        let proxy = proxy.clone();
        asking.spawn(async move { says(&proxy, "pool").await.status });
    }
    let statuses = asking.join_all().await;
    let refused = statuses.iter().filter(|status| **status == 429).count() as u64;
    assert!(refused >= 2, "the pick is random: {statuses:?}");
    assert_eq!(sim.counts("custom").started, refused);
    // The short wait is over, the long one is not.
    sleep((began + Duration::from_millis(2500)).saturating_duration_since(Instant::now())).await;
    for _ in 0..10 {
        assert_eq!(says(&proxy, "pool").await.terminal, Terminal::Done);
    }
    assert_eq!(sim.counts("custom").started, refused, "the deployment is still cooling");
}

/// All deployments cool: there the 429 said so in its text alone.
#[tokio::test(flavor = "multi_thread")]
async fn litellm_27823_a_429_of_a_group_that_cools_has_a_retry_after() {
    let sim = sim().await;
    let setup =
        Setup::default().router("num_retries: 0").router("cooldown_time: 60").router("allowed_fails: 0");
    let setup = plays(plays(setup, "pool", &sim, "a"), "pool", &sim, "b");
    let proxy = Proxy::start(&setup.yaml()).await;
    sim.script("a", refusal(429));
    sim.script("b", refusal(429));
    for _ in 0..2 {
        assert_eq!(says(&proxy, "pool").await.status, 429);
    }
    let cooling = says(&proxy, "pool").await;
    assert_eq!(sim.counts("a").started + sim.counts("b").started, 2, "nobody is called");
    assert!(cooling.message.starts_with("No deployments available"), "{}", cooling.message);
    let wait: u64 = cooling.retry_after.as_deref().and_then(|wait| wait.parse().ok()).unwrap();
    assert!((30..=60).contains(&wait), "{wait}");
}

/// The first event of a 200 is fine and the second is the error: there the stream was committed by then.
#[tokio::test(flavor = "multi_thread")]
async fn bifrost_5395_an_error_behind_a_first_event_without_content_falls_back() {
    let sim = sim().await;
    let proxy = Proxy::start(&pair(&sim).yaml()).await;
    sim.script("fallback", whole());
    let quota = json!({"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}});
    for name in ["", "event: error\n"] {
        let before = sim.counts("fallback").started;
        let pause = Duration::from_millis(200);
        sim.script("primary", stream(0).pause(pause).write(format!("{name}data: {quota}\n\n")));
        let saved = says(&proxy, "primary").await;
        assert_eq!((saved.text, saved.terminal), (text(TOKENS), Terminal::Done));
        assert_eq!(sim.counts("fallback").started, before + 1);
    }
}

/// The upstream has finished but never says `[DONE]`: there the gateway's own heartbeats kept the stream open for 502 s.
#[tokio::test(flavor = "multi_thread")]
async fn bifrost_7108_a_finished_stream_without_done_ends_soon() {
    let sim = sim().await;
    // The clocks are not what ends it: they are as long as they are by default.
    let setup = plays(Setup::default().router("num_retries: 0"), "only", &sim, "custom");
    let proxy = Proxy::start(&setup.yaml()).await;
    let finished = || stream(TOKENS).write(chunk(&json!({}), Some("stop")));
    let heartbeats = |script: Script| {
        (0..300).fold(script, |script, _| script.write(": heartbeat\n\n").pause(Duration::from_millis(200)))
    };
    for script in [finished(), finished().ending(Ending::Open), heartbeats(finished())] {
        sim.push_script(script);
        let began = Instant::now();
        let told = says(&proxy, "only").await;
        assert!(began.elapsed() < Duration::from_secs(40), "it took {:?}", began.elapsed());
        assert_eq!((told.text, told.finish.as_deref()), (text(TOKENS), Some("stop")));
        assert_eq!(told.terminal, Terminal::Error(502), "all of it came, but its own end did not");
    }

    // Servers that write an empty reason into every chunk, or a reason too early, have not finished.
    let early = |reason: &str| chunk(&json!({"content": ""}), Some(reason));
    let slow = stream(1).write(early("")).pause(Duration::from_secs(7)).write(token(1));
    let slow = slow.write(early("stop")).write(token(2)).pause(Duration::from_secs(7)).write(token(3));
    sim.push_script(slow.write(chunk(&json!({}), Some("stop"))).write("data: [DONE]\n\n"));
    let answer = answers(&proxy, "only").await.text();
    assert!(answer.contains("t3 ") && answer.ends_with("data: [DONE]\n\n"), "{answer}");

    // Our own heartbeats feed none of our clocks.
    let setup = Setup::default().router("num_retries: 0").short_clocks().tidegate("keep_alive: 200ms");
    let proxy = Proxy::start(&plays(setup, "only", &sim, "custom").yaml()).await;
    sim.push_script(stream(1).ending(Ending::Open));
    let answer = answers(&proxy, "only").await;
    let stalled = Told::of(&answer, true).unwrap();
    assert_eq!((stalled.text, stalled.terminal), (text(1), Terminal::Error(504)));
    assert!(answer.text().matches("\n: ").count() >= 3, "{}", answer.text());
}

/// The primary refuses, with a 403 or a 429, and a fallback is configured: there it was never asked.
#[tokio::test(flavor = "multi_thread")]
async fn bifrost_3261_a_refusal_by_the_primary_falls_back() {
    let sim = sim().await;
    let proxy = Proxy::start(&pair(&sim).yaml()).await;
    sim.script("fallback", whole());
    for status in [403, 429, 401, 404] {
        let before = sim.counts("fallback").started;
        sim.script("primary", refusal(status));
        let saved = says(&proxy, "primary").await;
        assert_eq!((saved.text, saved.terminal), (text(TOKENS), Terminal::Done), "{status}");
        assert_eq!(sim.counts("fallback").started, before + 1, "{status}");
    }
}

/// Providers that stall after the first token, many at once: there each held its connection for up to 15 minutes, until
/// the pool was empty.
#[tokio::test(flavor = "multi_thread")]
async fn tensorzero_6328_a_stall_after_the_first_token_gives_its_connection_back() {
    let sim = sim().await;
    let setup = Setup::of(&sim).clock("content_idle: 2s").clock("byte_idle: 30s");
    let proxy = std::sync::Arc::new(Proxy::start(&plays(setup, "stalls", &sim, "stalls").yaml()).await);
    sim.script("stalls", stream(1).ending(Ending::Open));
    let mut asking = JoinSet::new();
    for _ in 0..64 {
        let proxy = proxy.clone();
        asking.spawn(async move { says(&proxy, "stalls").await });
    }
    assert!(sim.wait_until(LONG, |sim| sim.counts("stalls").active() > 30).await);
    assert_eq!(
        told(&proxy, "openai", "fast", true).await.text,
        healthy_text(),
        "others are served meanwhile"
    );
    for stalled in asking.join_all().await {
        assert_eq!((stalled.text, stalled.terminal), (text(1), Terminal::Error(504)));
    }
    assert!(
        sim.wait_until(LONG, |sim| sim.counts("stalls").active() == 0).await,
        "an upstream call is still open"
    );
    let released = |m: &tidegate_tests::Metrics| {
        let sum = |name| m.sum(name, &[]);
        sum("tidegate_upstream_connections") == sum("tidegate_upstream_idle_connections")
            && sum("tidegate_deployment_in_flight") == 0.0
    };
    proxy.metrics_when("every connection is given back", released).await;
}

/// 40 of 60 tokens, then the connection ends: there the client got a clean end of a 200.
#[tokio::test(flavor = "multi_thread")]
async fn portkey_1797_a_cut_answer_never_looks_whole() {
    let sim = sim().await;
    let setup = Setup::default().router("num_retries: 0").router("cooldown_time: 0").short_clocks();
    let proxy = Proxy::start(&plays(setup, "only", &sim, "custom").yaml()).await;
    for ending in [Ending::Fin, Ending::Complete, Ending::Rst] {
        sim.push_script(stream(40).pause(Duration::from_millis(50)).ending(ending));
        let told = says(&proxy, "only").await;
        assert_eq!((told.text, told.terminal), (text(40), Terminal::Error(502)), "{ending:?}");
        assert_eq!(told.finish, None);
    }
}

/// Vertex AI's 429 has neither Retry-After nor a reset header: there failover needed one of them.
#[tokio::test(flavor = "multi_thread")]
async fn agentgateway_1500_a_429_without_a_hint_falls_back_in_the_same_request() {
    let sim = sim().await;
    let setup = Setup::of(&sim).short_clocks();
    let proxy = Proxy::start(&setup.router("fallbacks: [{vertex: [openai]}]").yaml()).await;
    sim.push_script(Script::json(429, EXHAUSTED));
    sim.push_script(whole());
    let saved = told(&proxy, "vertex", "custom", true).await;
    assert_eq!((saved.text, saved.terminal), (text(TOKENS), Terminal::Done));
    assert_eq!(sim.counts("custom").started, 2, "one call to each");
}

/// A local model sends a keep-alive chunk every few seconds while it reads a long prompt: there the client took that for
/// silence, and its next try inherited the deadline of the first.
#[tokio::test(flavor = "multi_thread")]
async fn jcode_976_keep_alives_feed_the_byte_clock_alone_and_each_attempt_has_its_own() {
    let sim = sim().await;
    let clocked = |first: &str, retries: &str| {
        let setup = Setup::default().router("cooldown_time: 0").router(&format!("num_retries: {retries}"));
        let setup =
            setup.clock("byte_idle: 2s").clock(&format!("first_content: {first}")).clock("content_idle: 3s");
        plays(setup, "local", &sim, "custom").yaml()
    };
    let alive = "data: {\"id\":\"k\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"keepalive\",\"choices\":[{\"index\":0,\
                 \"delta\":{\"content\":\"\"},\"finish_reason\":null}]}\n\n";
    let prefill = |seconds: usize| {
        let mut script = Script::sse();
        for _ in 0..seconds * 4 {
            script = script.write(alive).pause(Duration::from_millis(250));
        }
        (0..3).fold(script, |script, number| script.write(token(number)))
    };
    let done = |script: Script| script.write(chunk(&json!({}), Some("stop"))).write("data: [DONE]\n\n");

    // Far longer than the byte clock, shorter than the content clock.
    let patient = Proxy::start(&clocked("60s", "0")).await;
    sim.push_script(done(prefill(5)));
    let told = says(&patient, "local").await;
    assert_eq!((told.text, told.terminal), (text(3), Terminal::Done));

    // The content clock is not fed by them; the second attempt has all of it again.
    let strict = Proxy::start(&clocked("4s", "1")).await;
    sim.push_script(done(prefill(60)));
    sim.push_script(done(prefill(2)));
    let told = says(&strict, "local").await;
    assert_eq!((told.text, told.terminal), (text(3), Terminal::Done));
    assert_eq!(sim.counts("custom").started, 3);
}

/// The primary and its fallback both fail: there the chain began again, 75 times in 14 s.
#[tokio::test(flavor = "multi_thread")]
async fn llm_gateway_1119_an_exhausted_chain_ends_once() {
    let sim = sim().await;
    let setup = pair(&sim).router("fallbacks: [{primary: [fallback]}, {fallback: [primary]}]");
    let proxy = Proxy::start(&setup.yaml()).await;
    // The first was "handled (with error)": a 200 whose stream is the error.
    sim.script("primary", Script::sse().write("data: {\"error\":{\"message\":\"no\",\"code\":503}}\n\n"));
    sim.script("fallback", refusal(429));
    let answer = answers(&proxy, "primary").await;
    let failed = Told::of(&answer, true).unwrap();
    assert_eq!(answer.header("x-should-retry"), Some("false"), "the client is not to begin again either");
    assert!(matches!(failed.terminal, Terminal::Error(429 | 503)), "{failed:?}");
    let calls = || (sim.counts("primary").started, sim.counts("fallback").started);
    assert_eq!(calls(), (1, 1));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(calls(), (1, 1), "nothing is tried again behind the client's back");
}
