//! `routing_strategy`, `rpm`, `tpm` and `max_parallel_requests`: which deployment is called, and when none is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_sim::{Gate, Script, Sim};
use tidegate_tests::client::chat;
use tidegate_tests::{Conn, Proxy, Setup, Told};

use crate::world::{LONG, sim, told};

const CHUNK: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
const FINISH: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

fn rest(tokens: u64) -> String {
    let usage = format!(
        r#"data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{{"prompt_tokens":0,"completion_tokens":{tokens},"total_tokens":{tokens}}}}}"#
    );
    format!("{FINISH}\n\n{usage}\n\ndata: [DONE]\n\n")
}

/// A stream that stands still after its first chunk until the gate opens.
fn gated(gate: &Gate) -> Script {
    Script::sse().write(format!("{CHUNK}\n\n")).wait(gate).write(rest(1))
}

/// Two simulators behind one group `pair`, the same parameters for both.
async fn pair(params: &str, change: impl FnOnce(Setup) -> Setup) -> (Sim, Sim, Proxy) {
    let (one, two) = (sim().await, sim().await);
    let setup = Setup::of(&one).model("pair", "openai", &one, params).model("pair", "openai", &two, params);
    let clocks = ["first_content: 60s", "content_idle: 60s", "byte_idle: 60s"];
    let setup = clocks.into_iter().fold(setup, Setup::clock);
    let proxy = Proxy::start(&change(setup).yaml()).await;
    (one, two, proxy)
}

async fn begun(proxy: &Proxy, model: &str) -> Conn {
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat(model, "gated", true)).await.unwrap();
    assert!(conn.read_until(LONG, |answer| answer.text().contains("\"a\"")).await);
    conn
}

/// Counts by the minute of the clock: a test of them must not begin at its end.
async fn early_in_a_minute() {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 60;
    if second > 40 {
        tokio::time::sleep(Duration::from_secs(61 - second)).await;
    }
}

fn wait_of(told: &Told) -> u64 {
    told.retry_after
        .as_deref()
        .and_then(|wait| wait.parse().ok())
        .unwrap_or_else(|| panic!("no wait: {told:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_idle_one_is_called_while_the_other_holds_a_stream() {
    for strategy in ["least-busy", "simple-shuffle"] {
        let (one, two, proxy) =
            pair("", |setup| setup.router(&format!("routing_strategy: {strategy}"))).await;
        let gate = Gate::new();
        for sim in [&one, &two] {
            sim.script("gated", gated(&gate));
        }
        let mut conn = begun(&proxy, "pair").await;
        let (busy, idle) = if one.counts("gated").started == 1 { (&one, &two) } else { (&two, &one) };
        for _ in 0..12 {
            assert_eq!(told(&proxy, "pair", "fast", true).await.status, 200);
        }
        let spread = (busy.counts("fast").started, idle.counts("fast").started);
        // Twelve draws that all hit one of two: one in 2048.
        assert_eq!(spread == (0, 12), strategy == "least-busy", "{strategy}: {spread:?}");
        gate.open();
        conn.answer(LONG).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faster_one_is_called_once_both_are_known() {
    for stream in [true, false] {
        let (one, two, proxy) =
            pair("", |setup| setup.router("routing_strategy: latency-based-routing")).await;
        for (sim, pause) in [(&one, Duration::from_millis(800)), (&two, Duration::ZERO)] {
            let script = if stream {
                Script::sse().pause(pause).write(format!("{CHUNK}\n\n{}", rest(1)))
            } else {
                let body = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"usage":{"completion_tokens":1,"total_tokens":2}}"#;
                Script::new(200).header("content-type", "application/json").pause(pause).write(body)
            };
            sim.script("timed", script);
        }
        for _ in 0..8 {
            assert_eq!(told(&proxy, "pair", "timed", stream).await.status, 200);
        }
        let spread = (one.counts("timed").started, two.counts("timed").started);
        assert_eq!(spread, (1, 7), "stream: {stream}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_with_fewer_tokens_is_called() {
    let (one, two, proxy) = pair("", |setup| setup.router("routing_strategy: usage-based-routing-v2")).await;
    early_in_a_minute().await;
    for (sim, tokens) in [(&one, 1000), (&two, 10)] {
        sim.script("counted", Script::sse().write(format!("{CHUNK}\n\n{}", rest(tokens))));
    }
    for _ in 0..10 {
        assert_eq!(told(&proxy, "pair", "counted", true).await.status, 200);
    }
    assert_eq!((one.counts("counted").started, two.counts("counted").started), (1, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_over_the_limit_of_all_are_told_to_wait() {
    for (router, limited) in [
        ("routing_strategy: usage-based-routing-v2", true),
        ("enable_pre_call_checks: true", true),
        ("routing_strategy: least-busy", false),
    ] {
        let (one, two, proxy) = pair("rpm: 2", |setup| setup.router(router)).await;
        early_in_a_minute().await;
        for _ in 0..4 {
            assert_eq!(told(&proxy, "pair", "fast", false).await.status, 200, "{router}");
        }
        let fifth = told(&proxy, "pair", "fast", false).await;
        assert_eq!(fifth.status, if limited { 429 } else { 200 }, "{router}: {}", fifth.message);
        if limited {
            assert_eq!((one.counts("fast").started, two.counts("fast").started), (2, 2), "{router}");
            assert!((1..=60).contains(&wait_of(&fifth)), "{fifth:?}");
            assert!(fifth.message.contains("rpm or tpm"), "{}", fifth.message);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_count_in_every_form_of_an_answer() {
    let sim = sim().await;
    let setup = Setup::of(&sim).short_clocks().router("routing_strategy: usage-based-routing-v2");
    let kinds = ["openai", "gemini", "vertex"];
    let setup =
        kinds.iter().fold(setup, |setup, kind| setup.model(&format!("{kind}-one"), kind, &sim, "tpm: 1"));
    for stream in [true, false] {
        let proxy = Proxy::start(&setup.yaml()).await;
        early_in_a_minute().await;
        for kind in kinds {
            let model = format!("{kind}-one");
            assert_eq!(told(&proxy, &model, "fast", stream).await.status, 200, "{model}");
            let second = told(&proxy, &model, "fast", stream).await;
            assert_eq!(second.status, 429, "{model}, stream: {stream}");
        }
    }
    // Without a word of the provider's they are counted by length.
    let proxy = Proxy::start(&setup.yaml()).await;
    early_in_a_minute().await;
    sim.script("silent", Script::sse().write(format!("{CHUNK}\n\n{FINISH}\n\ndata: [DONE]\n\n")));
    assert_eq!(told(&proxy, "openai-one", "silent", true).await.status, 200);
    assert_eq!(told(&proxy, "openai-one", "silent", true).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_its_turn_and_no_longer_than_its_clock() {
    let sim = sim().await;
    let setup = |queue: &str| {
        let setup = Setup::of(&sim).model("one", "openai", &sim, "max_parallel_requests: 1");
        let clocks = ["content_idle: 60s", "byte_idle: 60s", queue];
        clocks.into_iter().fold(setup, Setup::clock).yaml()
    };
    let gate = Gate::new();
    sim.script("gated", gated(&gate));

    let proxy = Proxy::start(&setup("queue: 200ms")).await;
    let first = begun(&proxy, "one").await;
    let refused = told(&proxy, "one", "fast", true).await;
    assert_eq!((refused.status, wait_of(&refused), sim.counts("fast").started), (429, 1, 0), "{refused:?}");
    assert!(refused.message.contains("max_parallel_requests"), "{}", refused.message);
    assert_eq!(told(&proxy, "openai", "fast", true).await.status, 200, "other models do not wait");
    drop(first);

    let proxy = Proxy::start(&setup("queue: 60s")).await;
    let mut first = begun(&proxy, "one").await;
    let (second, ()) = tokio::join!(told(&proxy, "one", "healthy", true), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(sim.counts("healthy").started, 0, "it waits");
        gate.open();
        first.answer(LONG).await;
    });
    assert_eq!((second.status, sim.counts("healthy").started), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_are_limited_by_client_and_in_all() {
    let sim = sim().await;
    let gate = Gate::new();
    sim.script("gated", gated(&gate));
    let setup = Setup::of(&sim).clock("content_idle: 60s").clock("byte_idle: 60s");
    for (limits, words) in [
        (["max_parallel_requests: 1", "global_max_parallel_requests: 9"], "this client has 1"),
        (["max_parallel_requests: 9", "global_max_parallel_requests: 1"], "there are 1"),
    ] {
        let setup = limits.into_iter().fold(setup.clone(), Setup::general);
        let proxy = Proxy::start(&setup.yaml()).await;
        let held = begun(&proxy, "openai").await;
        let refused = told(&proxy, "gemini", "fast", true).await;
        assert_eq!((refused.status, wait_of(&refused)), (429, 1), "{refused:?}");
        assert!(refused.message.starts_with(words), "{}", refused.message);
        drop(held);
        proxy
            .metrics_when("the first is gone", |metrics| metrics.sum("tidegate_active_streams", &[]) == 0.0)
            .await;
        assert_eq!(told(&proxy, "gemini", "fast", true).await.status, 200);
    }
}
