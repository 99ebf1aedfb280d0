//! Retries, fallbacks, cooldowns and Retry-After, over the network: before content a request may be tried again, after
//! content it has one terminal, and in all cases the number of upstream calls is bounded.

use std::time::Duration;

use tidegate_sim::{Ending, Script, fault_text, healthy_text};
use tidegate_tests::config::PROVIDERS;
use tidegate_tests::{Setup, Terminal};

use crate::world::{told, world};

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_content_is_tried_again() {
    let (sim, proxy) = world(|setup| setup.router("num_retries: 1")).await;
    for model in ["openai", "gemini"] {
        for script in [
            Script::json(500, r#"{"error":{"code":500,"message":"m"}}"#),
            // An error in place of the first content, and an answer that ends without any.
            Script::sse().write("data: {\"error\":{\"code\":429,\"message\":\"m\"}}\n\n"),
            Script::sse(),
            Script::headless(Ending::Fin),
            Script::headless(Ending::Rst),
        ] {
            let shown = format!("{model}: {script:?}");
            sim.push_script(script);
            // The queue is empty at the second try, which is then unknown to the simulator: a 404.
            let refused = told(&proxy, model, "custom", true).await;
            assert_eq!((refused.status, refused.terminal), (404, Terminal::Error(404)), "{shown}");
        }
    }
    assert_eq!(sim.counts("custom").started, 10);
    assert_eq!(sim.counts("unknown").started, 10);
    let metrics = proxy.metrics().await;
    // A connection that was kept and is found dead is replaced without spending an attempt: FIN and RST, twice each.
    assert_eq!(metrics.sum("tidegate_attempts_total", &[]), 16.0);
    assert_eq!(metrics.sum("tidegate_requests_total", &[("status", "404")]), 10.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_after_content_is_not() {
    let (sim, proxy) = world(|setup| setup.router("num_retries: 3")).await;
    for (model, _) in PROVIDERS {
        let failed = told(&proxy, model, "429-frame-end", true).await;
        assert_eq!((failed.text, failed.terminal), (fault_text(), Terminal::Error(429)));
    }
    assert_eq!(sim.counts("429-frame-end").started, 3);
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_upstream_429_total", &[("phase", "mid_stream")]), 3.0);
    assert_eq!(metrics.sum("tidegate_upstream_429_total", &[("phase", "start")]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_are_counted_and_end() {
    let (sim, proxy) = world(|setup| setup.router("num_retries: 2")).await;
    let failed = told(&proxy, "openai", "http-500", true).await;
    assert_eq!(failed.status, 500);
    assert_eq!(sim.counts("http-500").started, 3);
    let refused = told(&proxy, "openai", "http-400", false).await;
    assert_eq!(refused.status, 400);
    assert_eq!(sim.counts("http-400").started, 1, "the client's own mistake is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_takes_over_once_and_a_cycle_ends() {
    let ring = "fallbacks: [{openai: [gemini]}, {gemini: [vertex]}, {vertex: [openai]}]";
    let (sim, proxy) = world(|setup| setup.router(ring)).await;
    let failed = told(&proxy, "openai", "http-503", true).await;
    assert_eq!((failed.status, failed.retry_after.is_some()), (503, true));
    assert_eq!(sim.counts("http-503").started, 3, "each group once, though they name each other in a ring");
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_fallbacks_total", &[("group", "openai")]), 2.0);
    assert_eq!(metrics.sum("tidegate_429_loops_total", &[("kind", "chain")]), 0.0);

    // Every other of these is refused: the fallback gets the good one.
    let saved = told(&proxy, "openai", "http-429-once", true).await;
    assert_eq!((saved.text, saved.terminal), (healthy_text(), Terminal::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_hint_reaches_the_client_in_whole_seconds() {
    let (_sim, proxy) = world(|setup| setup).await;
    for scenario in ["http-429-seconds", "http-429-date", "http-429-ms", "http-429-delay", "http-429-html"] {
        let refused = told(&proxy, "openai", scenario, true).await;
        let wait: u64 = refused.retry_after.as_deref().and_then(|wait| wait.parse().ok()).unwrap();
        // A date has whole seconds, and time has passed since it was written.
        assert!((4..=7).contains(&wait), "{scenario}: {wait}");
    }
    let metrics = proxy.metrics().await;
    assert!(
        metrics.sum("tidegate_429_loops_total", &[("kind", "client")]) >= 4.0,
        "this client did not wait"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_failed_too_often_rests() {
    let (sim, proxy) = world(|setup| setup.router("allowed_fails: 1").router("cooldown_time: 60")).await;
    for expected in [1, 2] {
        assert_eq!(told(&proxy, "openai", "http-500", true).await.status, 500);
        assert_eq!(sim.counts("http-500").started, expected);
    }
    let resting = told(&proxy, "openai", "fast", true).await;
    assert_eq!((resting.status, sim.counts("fast").started), (429, 0), "{}", resting.message);
    assert!(
        resting.message.starts_with("No deployments available for selected model"),
        "{}",
        resting.message
    );
    let wait: u64 = resting.retry_after.as_deref().and_then(|wait| wait.parse().ok()).unwrap();
    assert!((30..=60).contains(&wait), "{wait}");
    assert_eq!(told(&proxy, "gemini", "fast", true).await.text, healthy_text(), "others do not rest");
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_cooldowns_total", &[]), 1.0);
    assert_eq!(metrics.sum("tidegate_deployment_cooling", &[]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_cooldown_of_zero_none_rests() {
    let (sim, proxy) = world(|setup| setup.router("allowed_fails: 0")).await;
    for _ in 0..4 {
        assert_eq!(told(&proxy, "openai", "http-500", true).await.status, 500);
    }
    assert_eq!(sim.counts("http-500").started, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_total_clock_holds_over_all_tries() {
    let (sim, proxy) = world(|setup: Setup| {
        setup
            .router("num_retries: 30")
            .clock("total: 3s")
            .clock("first_content: 1s")
            .clock("content_idle: 1s")
    })
    .await;
    let began = tokio::time::Instant::now();
    let failed = told(&proxy, "openai", "stall-headers", true).await;
    assert_eq!(failed.status, 504);
    assert!(began.elapsed() < Duration::from_secs(20), "30 tries of 1 s and more would take longer");
    assert!((1..=4).contains(&sim.counts("stall-headers").started));
}
