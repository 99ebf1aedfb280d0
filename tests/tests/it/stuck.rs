//! What can be stuck outside of a stream's poll: files of credentials, the end of a stream or of an instance in a plugin, a
//! drain. Nobody beside it notices, and SIGTERM ends the process.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tidegate_sim::{Script, Sim, healthy_text};
use tidegate_tests::client::{ask, chat, chat_with, get};
use tidegate_tests::zoo::{Inline, Made, Member, When, Zoo};
use tidegate_tests::{Answer, Conn, Proxy, Setup, Terminal, Told};
use tokio::task::JoinHandle;

use crate::world::{LONG, fetch, sim};

const TWO: [(&str, &str); 1] = [("TIDEGATE_WORKERS", "2")];

fn chunk(content: &str) -> String {
    format!(
        r#"data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":null}}]}}"#
    ) + "\n\n"
}

/// A stream of so many pieces, one every 50 ms.
fn paced(sim: &Sim, name: &str, pieces: usize) {
    let finish = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let piece = |script: Script, _| script.write(chunk("a")).pause(Duration::from_millis(50));
    sim.script(name, (0..pieces).fold(Script::sse(), piece).write(format!("{finish}\n\ndata: [DONE]\n\n")));
}

fn begin(proxy: &Proxy, model: &str, scenario: &str) -> JoinHandle<Answer> {
    let (addr, request) = (proxy.data, chat(model, scenario, true));
    tokio::spawn(async move { ask(addr, &request, LONG).await })
}

async fn healthy(proxy: &Proxy) {
    let told = Told::of(&fetch(proxy, "openai", "fast", true).await, true).unwrap();
    assert_eq!(told.text, healthy_text(), "{}", told.message);
}

/// A file becomes one that nobody ever writes.
fn never_written(file: &Path) {
    std::fs::remove_file(file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_credentials_that_cannot_be_read_hold_nobody_but_who_needs_them() {
    let (sim, dir) = (sim().await, tempfile::tempdir().unwrap());
    let (google, aws) = (dir.path().join("key.json"), dir.path().join("credentials"));
    std::fs::write(&google, sim.service_account_json()).unwrap();
    std::fs::write(&aws, "[default]\naws_access_key_id=AKID\naws_secret_access_key=s\n").unwrap();
    let addr = sim.addr();
    let setup = Setup::of(&sim)
        .params("google", &format!(
            "model: vertex_ai/gemini-2.5-pro, vertex_project: p, vertex_location: us-central1, \
             vertex_credentials: \"{}\", api_base: \"http://{addr}/v1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-pro\"", google.display()
        ))
        .params("aws", &format!(
            "model: \"bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0\", aws_region_name: eu-west-1, \
             aws_bedrock_runtime_endpoint: \"http://{addr}\""
        ))
        .clock("drain: 1s");
    let env = [TWO[0], ("AWS_SHARED_CREDENTIALS_FILE", aws.to_str().unwrap())];
    let mut proxy = Proxy::start_with(&setup.yaml(), &env).await;
    never_written(&google);
    never_written(&aws);
    let waiting: Vec<_> =
        ["google", "google", "aws", "aws"].map(|model| begin(&proxy, model, "fast")).into_iter().collect();
    for _ in 0..10 {
        healthy(&proxy).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for answer in waiting {
        let answer = answer.await.unwrap();
        assert!(answer.status == 500 && answer.text().contains("did not answer within"), "{}", answer.text());
    }
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_threads_lost", &[]), 0.0);
    assert_eq!(metrics.sum("tidegate_watchdog_takeovers_total", &[]), 0.0);
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
}

/// A proxy with a C member of the zoo inline, for the model `bite`; its folder.
async fn with_member(sim: &Sim, at: &'static str, does: &'static str, workers: &str) -> (Proxy, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let member = Member {
        name: "stuck",
        does: "",
        made: Made::C(at, does),
        when: When::Streamed,
        inline: Inline::LosesThread,
    };
    Zoo::put_c(&member, folder.path(), false);
    let proxy =
        Proxy::start_with(&setup(sim, folder.path(), "inline").yaml(), &[("TIDEGATE_WORKERS", workers)])
            .await;
    (proxy, folder)
}

fn setup(sim: &Sim, folder: &Path, isolation: &str) -> Setup {
    Setup::of(sim)
        .params(
            "bite",
            &format!("model: stuck/bite, api_base: \"http://{}/v1\", api_key: sim-key", sim.addr()),
        )
        .tidegate(&format!(
            "plugins: {{dirs: [{}], use: {{stuck: {{isolation: {isolation}}}}}}}",
            folder.display()
        ))
        .clock("drain: 1s")
}

async fn kinds(proxy: &Proxy) -> Vec<String> {
    let list = ask(proxy.admin, &get("/api/incidents", ""), LONG).await.json();
    let kinds = list["incidents"].as_array().unwrap().iter();
    kinds.filter_map(|one: &Value| one["kind"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_client_left_and_whose_end_is_stuck_in_its_plugin_is_seen() {
    let sim = sim().await;
    paced(&sim, "long", 200);
    let (mut proxy, _folder) = with_member(&sim, "CLOSE", "SPIN", "2").await;
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("bite", "long", true)).await.unwrap();
    assert!(conn.read_until(LONG, |answer| !answer.body.is_empty()).await);
    let beside = begin(&proxy, "openai", "long");
    assert!(sim.wait_until(LONG, |sim| sim.counts("long").active() == 2).await);
    drop(conn);
    for _ in 0..20 {
        healthy(&proxy).await;
    }
    proxy
        .metrics_when("a quarantined plugin", |m| {
            m.sum("tidegate_quarantined", &[("kind", "plugin"), ("name", "stuck")]) == 1.0
                && m.sum("tidegate_watchdog_plugin_stuck_total", &[("plugin", "stuck")]) == 1.0
        })
        .await;
    let told = Told::of(&beside.await.unwrap(), true).unwrap();
    assert_eq!((told.text.len(), told.terminal), (200, Terminal::Done), "{}", told.message);
    let seen = kinds(&proxy).await;
    assert!(seen.iter().any(|kind| kind == "stream_verdict"), "{seen:?}");
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_destruction_is_stuck_holds_neither_a_stream_nor_a_reload() {
    let sim = sim().await;
    paced(&sim, "long", 60);
    let (mut proxy, folder) = with_member(&sim, "DESTROY", "SPIN", "2").await;
    let read_again = |times: f64| {
        move |m: &tidegate_tests::Metrics| {
            m.sum("tidegate_config_reloads_total", &[("result", "ok")]) >= times
        }
    };
    // They hold the routes that they began with, and let them go on a worker.
    let streams = ["bite", "openai", "openai"].map(|model| begin(&proxy, model, "long"));
    assert!(sim.wait_until(LONG, |sim| sim.counts("long").active() == 3).await);
    for times in 1..=3 {
        proxy.rewrite(&setup(&sim, folder.path(), "inline").clock(&format!("client_idle: {times}m")).yaml());
        proxy.signal(Signal::SIGHUP);
        proxy.metrics_when("a reload", read_again(f64::from(times))).await;
    }
    for stream in streams {
        let told = Told::of(&stream.await.unwrap(), true).unwrap();
        assert_eq!((told.text.len(), told.terminal), (60, Terminal::Done), "{}", told.message);
    }
    for _ in 0..10 {
        healthy(&proxy).await;
    }
    // Three were made and let go, and each keeps a thread of its own.
    let metrics = proxy.metrics_when("counted", |m| m.sum("tidegate_threads_lost", &[]) >= 3.0).await;
    assert_eq!(metrics.sum("tidegate_quarantined", &[]), 0.0, "its requests are well");
    assert_eq!(metrics.sum("tidegate_watchdog_takeovers_total", &[]), 0.0);
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_a_plugin_never_classifies_ends_by_the_requests_clocks() {
    let (sim, folder) = (sim().await, tempfile::tempdir().unwrap());
    let member = Member {
        name: "stuck",
        does: "",
        made: Made::C("FAILURE", "SLEEP"),
        when: When::Failed,
        inline: Inline::LosesThread,
    };
    Zoo::put_c(&member, folder.path(), false);
    let setup = setup(&sim, folder.path(), "process, deadline: 60s").clock("total: 2s");
    let proxy = Proxy::start_with(&setup.yaml(), &[]).await;
    let answer = fetch(&proxy, "bite", "http-429", true).await;
    assert!(matches!(answer.status, 408 | 504), "{} {}", answer.status, answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_stuck_in_a_drain_do_not_cut_the_streams_that_go_on() {
    let sim = sim().await;
    paced(&sim, "long", 400);
    sim.script(
        "late",
        Script::sse().pause(Duration::from_secs(2)).write(chunk("a")).pause(Duration::from_secs(60)),
    );
    let setup = Setup::of(&sim)
        .clock("drain: 40s")
        .tidegate("watchdog: {thresholds: {r4: {cpu: 100ms, demote: 60s}}}");
    let mut proxy = Proxy::start_with(&setup.yaml(), &[("TIDEGATE_WORKERS", "4")]).await;
    let beside = begin(&proxy, "openai", "long");
    let mut stuck = Vec::new();
    for _ in 0..3 {
        let mut conn = Conn::open(proxy.data).await.unwrap();
        conn.send(&chat_with("x-tidegate-fault: stuck\r\n", "openai", "late", true)).await.unwrap();
        stuck.push(conn);
    }
    assert!(sim.wait_until(LONG, |sim| sim.counts("late").active() == 3).await);
    assert!(sim.wait_until(LONG, |sim| sim.counts("long").active() == 1).await);
    proxy.signal(Signal::SIGTERM);
    proxy.metrics_when("three lost threads", |m| m.sum("tidegate_threads_lost", &[]) == 3.0).await;
    let told = Told::of(&beside.await.unwrap(), true).unwrap();
    assert_eq!((told.text.len(), told.terminal), (400, Terminal::Done), "{}", told.message);
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
    assert!(!proxy.log().contains("gave_up"), "{}", proxy.log());
}
