//! Streams that run away, with the fault arriving over the network: put into the runtime from a test's thread it would
//! wake a worker, and hide that nobody else is left to.

use std::time::Duration;

use tidegate_sim::{Script, Settings, Sim, healthy_text};
use tidegate_tests::client::{ask, chat, chat_with};
use tidegate_tests::{Answer, Conn, DropIn, End, Metrics, Proxy, Setup, Terminal, Told};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::world::{LONG, fetch, percentile, sim};

const SPIN: &str = "x-tidegate-fault: spin-wake\r\n";

/// Ten seconds of a chunk each 20 ms, without the proxy and through it.
async fn steady(sim: &Sim) {
    let chunk = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    let finish = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let paced = |script: Script, _| script.write(format!("{chunk}\n\n")).pause(Duration::from_millis(20));
    let script = (0..150).fold(Script::sse(), paced).write(format!("{finish}\n\ndata: [DONE]\n\n"));
    sim.script("steady", script);
}

fn begin(addr: std::net::SocketAddr, request: Vec<u8>) -> JoinHandle<Answer> {
    tokio::spawn(async move { ask(addr, &request, LONG).await })
}

fn gaps(answers: &[Answer]) -> Vec<Duration> {
    answers.iter().flat_map(Answer::gaps).collect()
}

async fn all(streams: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for stream in streams {
        answers.push(stream.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_keeps_waking_itself_is_aborted_alone() {
    let sim = sim().await;
    steady(&sim).await;
    let proxy = Proxy::start_with(&Setup::of(&sim).yaml(), &[("TIDEGATE_WORKERS", "2")]).await;
    let beside: Vec<_> = (0..8).map(|_| begin(proxy.data, chat("openai", "steady", true))).collect();
    // What the machine itself does to a stream while others build and test on it.
    let direct = String::from_utf8(chat("m", "steady", true))
        .unwrap()
        .replace("host:", "authorization: Bearer sim-key\r\nhost:");
    let normal: Vec<_> = (0..8).map(|_| begin(sim.addr(), direct.clone().into_bytes())).collect();
    assert!(sim.wait_until(LONG, |sim| sim.counts("steady").active() == 16).await);

    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat_with(SPIN, "openai", "stall-mid", true)).await.unwrap();
    assert!(conn.read_until(LONG, |answer| answer.text().contains("Flut")).await);
    let spinning = Instant::now();
    let aborted = conn.answer(LONG).await;
    let took = spinning.elapsed();
    let told = Told::of(&aborted, true).unwrap();
    assert_eq!(
        told.terminal,
        Terminal::Error(500),
        "was tidegate built with the feature fault-hooks? {}",
        aborted.text()
    );
    assert!(told.message.contains("R1") && told.finish.is_none(), "{}", told.message);
    assert!(took < Duration::from_secs(2), "it span for {took:?}");

    let (beside, normal) = (all(beside).await, all(normal).await);
    for answer in &beside {
        let told = Told::of(answer, true).unwrap();
        assert_eq!((told.text.len(), told.terminal), (150, Terminal::Done), "{}", told.message);
    }
    let (with, without) = (percentile(&gaps(&beside), 0.99), percentile(&gaps(&normal), 0.99));
    assert!(with < without + Duration::from_millis(50), "p99 between chunks: {with:?}, normally {without:?}");
    let metrics = proxy.metrics().await;
    assert_eq!(
        metrics.sum("tidegate_watchdog_verdicts_total", &[("rule", "R1"), ("action", "aborted")]),
        1.0
    );
    assert_eq!(metrics.sum("tidegate_watchdog_verdicts_total", &[("action", "aborted")]), 1.0);
    assert!(sim.wait_until(LONG, |sim| sim.counts("stall-mid").active() == 0).await, "its upstream was kept");
    assert!(
        ask(proxy.admin, &tidegate_tests::client::get("/api/incidents", ""), LONG)
            .await
            .text()
            .contains("\"R1\"")
    );
}

/// A stream whose normal end has gone out is over, even if the verdict comes before it is polled again: there was once a
/// second terminal behind the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_adds_no_second_terminal() {
    let sim = sim().await;
    let proxy = Proxy::start(&Setup::of(&sim).yaml()).await;
    for group in ["openai", "gemini"] {
        let mut conn = Conn::open(proxy.data).await.unwrap();
        conn.send(&chat_with(SPIN, group, "one-write", true)).await.unwrap();
        let told = Told::of(&conn.answer(LONG).await, true).unwrap();
        assert!(matches!(told.terminal, Terminal::Done | Terminal::Error(500)), "{group}: {}", told.message);
    }
}

/// Without the rule the same stream does not end: what the test above sees is the watchdog's doing.
async fn spins_on(mode: &str) -> Metrics {
    let sim = sim().await;
    let setup = Setup::of(&sim).tidegate(&format!("watchdog: {{mode: {mode}}}"));
    let proxy = Proxy::start_with(&setup.yaml(), &[("TIDEGATE_WORKERS", "2")]).await;
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat_with(SPIN, "openai", "stall-mid", true)).await.unwrap();
    assert!(!conn.read_until(Duration::from_secs(4), |_| false).await, "{mode}: the stream ended by itself");
    assert!(!conn.so_far().text().contains("error"));
    let share = tidegate_tests::cpu::beside_a_spinner(proxy.pid()).await;
    assert!(share > 0.3, "{mode}: nothing spins: {share} of what a thread that does was given");
    let answer = fetch(&proxy, "gemini", "fast", true).await;
    assert_eq!(
        Told::of(&answer, true).unwrap().text,
        healthy_text(),
        "a stream that yields leaves others their turn"
    );
    proxy.metrics().await
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_counts_and_does_not_abort() {
    let metrics = spins_on("observe").await;
    assert!(
        metrics.sum("tidegate_watchdog_verdicts_total", &[("rule", "R1"), ("action", "observed")]) >= 1.0
    );
    assert_eq!(metrics.sum("tidegate_watchdog_verdicts_total", &[("action", "aborted")]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_watchdog_it_spins_on() {
    let metrics = spins_on("off").await;
    assert_eq!(metrics.get("tidegate_watchdog_verdicts_total", &[]).unwrap_or(0.0), 0.0);
}

/// A proxy whose provider's call never returns at the token `spin`.
async fn stuck(workers: &str, mode: &str) -> (Sim, Proxy, Conn, DropIn) {
    let drop_in = DropIn::build();
    let sim = Sim::start(Settings { pace: Duration::from_millis(50), ..Settings::default() }).await.unwrap();
    sim.script(
        "spin",
        Script::sse()
            .write("data: {\"token\":\"a\"}\n\n")
            .pause(Duration::from_millis(300))
            .write("data: {\"token\":\"spin\"}\n\n"),
    );
    steady(&sim).await;
    let config = Setup::of(&sim)
        .params("mine", &format!("model: outside/m, api_base: \"http://{}/v1\", api_key: k", sim.addr()))
        .tidegate(&format!(
            "plugins: {{dirs: [{}], use: {{outside: {{isolation: inline}}}}}}",
            drop_in.path().display()
        ))
        .tidegate(&format!("watchdog: {{mode: {mode}}}"));
    let proxy = Proxy::start_with(&config.yaml(), &[("TIDEGATE_WORKERS", workers)]).await;
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("mine", "spin", true)).await.unwrap();
    assert!(conn.read_until(LONG, |answer| answer.text().contains("\"a\"")).await);
    (sim, proxy, conn, drop_in)
}

async fn a_stuck_plugin_hurts_only_its_own(workers: &str) {
    let (_sim, proxy, mut conn, _drop_in) = stuck(workers, "enforce").await;
    let beside: Vec<_> = (0..4).map(|_| begin(proxy.data, chat("openai", "steady", true))).collect();
    // Its client is not left waiting.
    let answer = conn.answer(Duration::from_secs(20)).await;
    assert!(matches!(answer.end, End::Fin | End::Rst), "{:?}", answer.end);
    assert!(!answer.text().contains("[DONE]"));
    for answer in all(beside).await {
        let told = Told::of(&answer, true).unwrap();
        assert_eq!((told.text.len(), told.terminal), (150, Terminal::Done), "{}", told.message);
        let gap = percentile(&answer.gaps(), 1.0);
        assert!(gap < Duration::from_secs(2), "a stream beside it stood still for {gap:?}");
    }
    // New connections, one after the other, while the worker is still stuck.
    for round in 0..20 {
        let answer = fetch(&proxy, "gemini", "fast", true).await;
        assert_eq!(Told::of(&answer, true).unwrap().text, healthy_text(), "round {round}");
    }
    let metrics = proxy.metrics().await;
    assert!(metrics.sum("tidegate_watchdog_plugin_stuck_total", &[("plugin", "outside")]) >= 1.0);
    assert!(metrics.sum("tidegate_watchdog_pokes_total", &[]) >= 1.0);
    assert_eq!(metrics.sum("tidegate_workers_stuck", &[]), 1.0);
    assert_eq!(metrics.sum("tidegate_client_connections_cut_total", &[("reason", "stuck_poll")]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_never_returns_on_two_workers() {
    a_stuck_plugin_hurts_only_its_own("2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_never_returns_on_four_workers() {
    a_stuck_plugin_hurts_only_its_own("4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_watchdog_its_client_waits_for_ever_and_metrics_still_answer() {
    let (_sim, proxy, mut conn, _drop_in) = stuck("2", "off").await;
    assert!(
        !conn.read_until(Duration::from_secs(4), |_| false).await,
        "the client's socket was closed by somebody"
    );
    let scraped = Metrics::try_scrape(proxy.admin, Duration::from_secs(5)).await;
    assert_eq!(scraped.map(|m| m.sum("tidegate_active_streams", &[])), Some(1.0));
}
