//! Each rule that kills, on two workers and on four: the stream at fault ends, and those beside it do not notice.

use std::time::Duration;

use tidegate_sim::{Script, Sim};
use tidegate_tests::client::{ask, chat, chat_with};
use tidegate_tests::{Answer, Conn, End, Proxy, Setup, Terminal, Told};
use tokio::task::JoinHandle;

use crate::world::{LONG, sim};

const PIECES: usize = 150;

fn steady(sim: &Sim) {
    let chunk = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    let finish = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let paced = |script: Script, _| script.write(format!("{chunk}\n\n")).pause(Duration::from_millis(20));
    let script = (0..PIECES).fold(Script::sse(), paced).write(format!("{finish}\n\ndata: [DONE]\n\n"));
    sim.script("steady", script);
}

fn begin(proxy: &Proxy) -> JoinHandle<Answer> {
    let (addr, request) = (proxy.data, chat("openai", "steady", true));
    tokio::spawn(async move { ask(addr, &request, LONG).await })
}

/// Plays the fault beside healthy streams, and answers what its client got.
async fn alone(workers: &str, fault: &str, rule: &str, action: &str) -> Answer {
    let sim = sim().await;
    steady(&sim);
    let proxy = Proxy::start_with(&Setup::of(&sim).yaml(), &[("TIDEGATE_WORKERS", workers)]).await;
    let beside: Vec<_> = (0..8).map(|_| begin(&proxy)).collect();
    assert!(sim.wait_until(LONG, |sim| sim.counts("steady").active() == 8).await);
    let mut conn = Conn::open(proxy.data).await.unwrap();
    let header = format!("x-tidegate-fault: {fault}\r\n");
    conn.send(&chat_with(&header, "openai", "stall-mid", true)).await.unwrap();
    let answer = conn.answer(LONG).await;
    for stream in beside {
        let told = Told::of(&stream.await.unwrap(), true).unwrap();
        assert_eq!((told.text.len(), told.terminal), (PIECES, Terminal::Done), "{}", told.message);
    }
    let metrics = proxy.metrics().await;
    let found = metrics.sum("tidegate_watchdog_verdicts_total", &[("rule", rule), ("action", action)]);
    assert_eq!(found, 1.0, "{}", proxy.log());
    let all = ["aborted", "shut", "braked"]
        .map(|action| metrics.sum("tidegate_watchdog_verdicts_total", &[("action", action)]));
    assert_eq!(all.iter().sum::<f64>(), 1.0, "{}", proxy.log());
    answer
}

fn ended_with_the_rule(answer: &Answer, rule: &str) {
    let told = Told::of(answer, true).unwrap();
    assert!(told.terminal == Terminal::Error(500) && told.message.contains(rule), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_for_nothing_on_two_workers() {
    ended_with_the_rule(&alone("2", "spin-wake", "R1", "aborted").await, "R1");
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_for_nothing_on_four_workers() {
    ended_with_the_rule(&alone("4", "spin-wake", "R1", "aborted").await, "R1");
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_for_nothing_on_two_workers() {
    ended_with_the_rule(&alone("2", "slow-spin", "R2", "aborted").await, "R2");
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_for_nothing_on_four_workers() {
    ended_with_the_rule(&alone("4", "slow-spin", "R2", "aborted").await, "R2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_without_end_on_two_workers() {
    let answer = alone("2", "stuck", "R4", "shut").await;
    assert!(matches!(answer.end, End::Fin | End::Rst), "{:?}", answer.end);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_without_end_on_four_workers() {
    let answer = alone("4", "stuck", "R4", "shut").await;
    assert!(matches!(answer.end, End::Fin | End::Rst), "{:?}", answer.end);
}
