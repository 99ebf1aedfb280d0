//! Plugins in a process of their own, and what becomes of it: whoever was at it when it ended is tried again or told
//! once, whoever was not goes on, and whoever uses another plugin does not notice.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tidegate_sim::{Gate, Script, Sim, healthy_text};
use tidegate_tests::client::{ask, chat, get};
use tidegate_tests::{Conn, Metrics, Proxy, Setup, Terminal, Told};
use tokio::time::sleep;

use crate::world::{LONG, fetch, sim, told};

fn event(text: &str) -> String {
    format!(
        "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{{\"text\":\"{text}\"}}]}},\"index\":0}}],\"modelVersion\":\"m\"}}\n\n"
    )
}

const LAST: &str = "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":2,\"totalTokenCount\":3},\"modelVersion\":\"m\"}\n\n";

/// `Ebbe `, and once the gate is open `Flut` and the end.
fn gated(gate: &Gate) -> Script {
    Script::sse().write(event("Ebbe ")).wait(gate).write(event("Flut")).write(LAST)
}

/// OpenAI's form of the same.
fn gated_openai(gate: &Gate) -> Script {
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let text = |text: &str| chunk(&format!("{{\"content\":\"{text}\"}}"), "null");
    Script::sse()
        .write(text("Ebbe "))
        .wait(gate)
        .write([text("Flut"), chunk("{}", "\"stop\""), "data: [DONE]\n\n".into()].concat())
}

async fn isolated(change: impl FnOnce(Setup, &Sim) -> Setup) -> (Sim, Proxy) {
    let sim = sim().await;
    let setup = Setup::of(&sim).isolated(&["gemini"]).clock("content_idle: 60s").clock("byte_idle: 60s");
    let proxy = Proxy::start(&change(setup, &sim).yaml()).await;
    (sim, proxy)
}

/// A stream that has had its first content.
async fn begun(proxy: &Proxy, model: &str, scenario: &str) -> Conn {
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat(model, scenario, true)).await.unwrap();
    assert!(conn.read_until(LONG, |answer| answer.text().contains("Ebbe")).await, "{}", conn.so_far().text());
    conn
}

async fn rest(conn: &mut Conn) -> Told {
    let answer = conn.answer(LONG).await;
    Told::of(&answer, true).unwrap_or_else(|why| panic!("{why}: {}", answer.text()))
}

/// The one worker.
async fn worker(proxy: &Proxy) -> Pid {
    proxy.metrics_when("a worker", |m| workers(m) == 1.0).await;
    let found = proxy.workers();
    let [worker] = found[..] else { panic!("{found:?} are the workers") };
    Pid::from_raw(i32::try_from(worker).unwrap())
}

fn workers(metrics: &Metrics) -> f64 {
    metrics.sum("tidegate_plugin_workers", &[("plugin", "gemini")])
}

fn ends(metrics: &Metrics) -> f64 {
    metrics.sum("tidegate_plugin_worker_ends_total", &[("plugin", "gemini")])
}

async fn incidents(proxy: &Proxy, kind: &str) -> Vec<Value> {
    let answer = ask(proxy.admin, &get("/api/incidents", "connection: close\r\n"), LONG).await;
    let incidents = answer.json();
    let all = incidents["incidents"].as_array().or(incidents.as_array()).cloned().unwrap_or_default();
    all.into_iter().filter(|incident| incident["kind"] == kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_not_at_the_worker_goes_on_in_the_next() {
    let (sim, proxy) = isolated(|setup, _| setup).await;
    let gate = Gate::new();
    sim.script("gated", gated(&gate));
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(begun(&proxy, "gemini", "gated").await);
    }
    let first = worker(&proxy).await;
    kill(first, Signal::SIGKILL).unwrap();
    proxy.metrics_when("it ended", |m| ends(m) == 1.0).await;
    gate.open();
    for stream in &mut streams {
        let told = rest(stream).await;
        assert_eq!((told.text.as_str(), told.terminal), ("Ebbe Flut", Terminal::Done), "{}", told.message);
    }
    assert_ne!(worker(&proxy).await, first);
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_plugin_worker_replayed_streams_total", &[("plugin", "gemini")]), 5.0);
    assert_eq!(metrics.sum("tidegate_plugin_worker_failed_calls_total", &[("plugin", "gemini")]), 0.0);
    let incidents = incidents(&proxy, "plugin_worker_ended").await;
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    let told = incidents[0].to_string();
    assert!(told.contains("gemini") && told.contains("signal 9"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_at_the_worker_is_told_once_and_neighbours_are_not() {
    let (sim, proxy) = isolated(|setup, _| setup).await;
    let (at, idle, other) = (Gate::new(), Gate::new(), Gate::new());
    sim.script("at", gated(&at));
    sim.script("idle", gated(&idle));
    sim.script("other", gated_openai(&other));
    let mut at_it = begun(&proxy, "gemini", "at").await;
    let mut beside = begun(&proxy, "gemini", "idle").await;
    let mut elsewhere = begun(&proxy, "openai", "other").await;
    let stuck = worker(&proxy).await;
    kill(stuck, Signal::SIGSTOP).unwrap();
    // It is asked, and does not answer. Another plugin's streams flow.
    at.open();
    other.open();
    let told = rest(&mut elsewhere).await;
    assert_eq!((told.text.as_str(), told.terminal), ("Ebbe Flut", Terminal::Done));
    // Its deadline, by the clock, would end it too.
    sleep(Duration::from_millis(200)).await;
    kill(stuck, Signal::SIGKILL).ok();
    let told = rest(&mut at_it).await;
    assert_eq!((told.text.as_str(), told.terminal), ("Ebbe ", Terminal::Error(500)));
    assert!(
        told.message.contains("\"gemini\"") && told.message.contains("worker process"),
        "{}",
        told.message
    );
    idle.open();
    let told = rest(&mut beside).await;
    assert_eq!((told.text.as_str(), told.terminal), ("Ebbe Flut", Terminal::Done), "{}", told.message);
    let metrics = proxy.metrics_when("it ended", |m| ends(m) == 1.0).await;
    assert_eq!(metrics.sum("tidegate_plugin_worker_failed_calls_total", &[("plugin", "gemini")]), 1.0);
    assert_eq!(metrics.sum("tidegate_watchdog_verdicts_total", &[]), 0.0);
    assert_eq!(metrics.sum("tidegate_request_endings_total", &[("kind", "stream_error")]), 1.0);
}

/// A group that continues streams does so for this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_worker_ended_is_continued_where_the_group_wants_that() {
    let (sim, proxy) = isolated(|setup, sim| {
        setup
            .tidegate("mid_stream: continue")
            .model("pair", "gemini", sim, "order: 1")
            .model("pair", "openai", sim, "order: 2")
    })
    .await;
    let gate = Gate::new();
    let mut second = gated_openai(&gate);
    second = second.pause(Duration::ZERO);
    sim.push_script(gated(&gate));
    sim.push_script(second);
    let mut conn = begun(&proxy, "pair", "custom").await;
    let stuck = worker(&proxy).await;
    kill(stuck, Signal::SIGSTOP).unwrap();
    gate.open();
    sleep(Duration::from_millis(200)).await;
    kill(stuck, Signal::SIGKILL).ok();
    let told = rest(&mut conn).await;
    assert_eq!(told.terminal, Terminal::Done, "{}", told.message);
    assert!(told.text.starts_with("Ebbe ") && told.text.ends_with("Flut"), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_had_nothing_is_tried_again() {
    let (_sim, proxy) = isolated(|setup, sim| setup.model("retried", "gemini", sim, "num_retries: 2")).await;
    assert_eq!(told(&proxy, "retried", "fast", true).await.text, healthy_text());
    let stuck = worker(&proxy).await;
    kill(stuck, Signal::SIGSTOP).unwrap();
    let (first, second, _) = tokio::join!(
        fetch(&proxy, "retried", "fast", true),
        fetch(&proxy, "retried", "fast", false),
        async {
            sleep(Duration::from_millis(300)).await;
            kill(stuck, Signal::SIGKILL).ok();
        }
    );
    for (answer, stream) in [(first, true), (second, false)] {
        let told = Told::of(&answer, stream).unwrap();
        assert_eq!((told.status, told.text), (200, healthy_text()), "{}", told.message);
    }
    let metrics = proxy.metrics().await;
    assert!(metrics.sum("tidegate_plugin_worker_failed_calls_total", &[("plugin", "gemini")]) >= 1.0);
    assert!(metrics.sum("tidegate_attempts_total", &[("outcome", "server")]) >= 1.0);
}

/// The stream had begun, and had said nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_content_is_tried_again() {
    let (sim, proxy) = isolated(|setup, sim| setup.model("retried", "gemini", sim, "num_retries: 1")).await;
    let gate = Gate::new();
    // The first event makes sure that the worker has the stream.
    let empty = event("");
    sim.script("silent", Script::sse().write(empty).wait(&gate).write(event("Flut")).write(LAST));
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("retried", "silent", true)).await.unwrap();
    let events = [("plugin", "gemini"), ("call", "stream_event")];
    proxy.metrics_when("an event", |m| m.sum("tidegate_plugin_calls_total", &events) >= 1.0).await;
    let stuck = worker(&proxy).await;
    kill(stuck, Signal::SIGSTOP).unwrap();
    gate.open();
    sleep(Duration::from_millis(200)).await;
    kill(stuck, Signal::SIGKILL).ok();
    let told = rest(&mut conn).await;
    assert_eq!((told.text.as_str(), told.terminal), ("Flut", Terminal::Done), "{}", told.message);
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_attempts_total", &[("outcome", "server")]), 1.0);
    assert_eq!(metrics.sum("tidegate_attempts_total", &[("outcome", "ok")]), 1.0);
}

/// The upstream's own error is what the client gets then.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_whose_worker_ended_is_done_without() {
    let (_sim, proxy) = isolated(|setup, sim| {
        setup.isolated(&["fallback"]).model("retried", "gemini", sim, "num_retries: 1")
    })
    .await;
    proxy
        .metrics_when("a worker", |m| {
            m.get("tidegate_plugin_workers", &[("plugin", "fallback")]) == Some(1.0)
        })
        .await;
    let [policy] = proxy.workers()[..] else { panic!("one worker was meant") };
    let policy = Pid::from_raw(i32::try_from(policy).unwrap());
    kill(policy, Signal::SIGSTOP).unwrap();
    let (refused, _) = tokio::join!(told(&proxy, "retried", "http-429", true), async {
        sleep(Duration::from_millis(300)).await;
        kill(policy, Signal::SIGKILL).ok();
    });
    assert_eq!(refused.status, 429, "{}", refused.message);
    assert_eq!(told(&proxy, "retried", "http-429-once", true).await.text, healthy_text(), "the next decides");
}

/// Without a retry the client is told, with a status that says it may try again.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_tried_again_is_told_what_happened() {
    let (_sim, proxy) = isolated(|setup, _| setup).await;
    let stuck = worker(&proxy).await;
    kill(stuck, Signal::SIGSTOP).unwrap();
    let told = told(&proxy, "gemini", "fast", true).await;
    assert_eq!(told.status, 500);
    assert!(told.message.contains("did not answer in time and was killed"), "{}", told.message);
    let metrics = proxy.metrics_when("it ended", |m| ends(m) == 1.0).await;
    let deadline = [("plugin", "gemini"), ("reason", "deadline")];
    assert_eq!(metrics.sum("tidegate_plugin_worker_ends_total", &deadline), 1.0);
    assert_eq!(crate::world::told(&proxy, "gemini", "fast", true).await.text, healthy_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_ends_within_a_minute_quarantine_and_a_good_trial_lifts_it() {
    let (_sim, proxy) = isolated(|setup, _| setup.tidegate("watchdog: {quarantine: {trial: 3s}}")).await;
    for number in 1..=3 {
        let next = worker(&proxy).await;
        kill(next, Signal::SIGKILL).unwrap();
        proxy.metrics_when("it ended", |m| ends(m) == f64::from(number)).await;
    }
    let quarantined = |m: &Metrics| m.sum("tidegate_quarantined", &[("kind", "plugin"), ("name", "gemini")]);
    proxy.metrics_when("it is quarantined", |m| quarantined(m) == 1.0).await;
    let answer = fetch(&proxy, "gemini", "fast", true).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text(), "another plugin");
    let incidents = incidents(&proxy, "plugin_quarantined").await;
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    proxy.metrics_when("a worker", |m| workers(m) == 1.0).await;
    let until = tokio::time::Instant::now() + LONG;
    loop {
        let told = told(&proxy, "gemini", "fast", true).await;
        if told.status == 200 {
            assert_eq!(told.text, healthy_text());
            break;
        }
        assert!(tokio::time::Instant::now() < until, "no trial came");
        sleep(Duration::from_millis(200)).await;
    }
    proxy.metrics_when("it is lifted", |m| quarantined(m) == 0.0).await;
}
