//! Rate limits over the network: how many retries a failing upstream is sent, what clients are told of a wait, and the
//! four kinds of 429 loop.

use serde_json::Value;
use tidegate_sim::{Script, healthy_text};
use tidegate_tests::client::{ask, chat, chat_with, get};
use tidegate_tests::{Answer, Proxy, Terminal};
use tokio::time::Instant;

use crate::world::{LONG, fetch, told, world};

/// Asks `count` times at once.
async fn storm(proxy: &Proxy, count: usize, scenario: &str) -> Vec<Answer> {
    let (data, request) = (proxy.data, chat("openai", scenario, true));
    let asking: Vec<_> = (0..count)
        .map(|_| {
            let request = request.clone();
            tokio::spawn(async move { ask(data, &request, LONG).await })
        })
        .collect();
    let mut answers = Vec::new();
    for asking in asking {
        answers.push(asking.await.unwrap());
    }
    answers
}

/// The kinds of the incidents so far.
async fn incidents(proxy: &Proxy) -> Vec<String> {
    let list = ask(proxy.admin, &get("/api/incidents", "connection: close\r\n"), LONG).await.json();
    let list = list.get("incidents").cloned().unwrap_or(list);
    let kind = |incident: &Value| incident["kind"].as_str().unwrap_or_default().to_owned();
    list.as_array().unwrap().iter().map(kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_on_a_failing_upstream_is_a_fifth_larger_and_not_four_times() {
    const REQUESTS: u64 = 100;
    for (budget, bounded) in [("{ratio: 0.2, min_per_second: 0.5}", true), ("{ratio: 10}", false)] {
        let setup = format!("retry_budget: {budget}");
        let (sim, proxy) = world(|s| s.router("num_retries: 3").tidegate(&setup)).await;
        let began = Instant::now();
        let answers = storm(&proxy, REQUESTS as usize, "http-500").await;
        let windows = began.elapsed().as_secs() / 10 + 1;
        assert!(answers.iter().all(|answer| answer.status == 500));
        let extra = sim.counts("http-500").started - REQUESTS;
        let metrics = proxy.metrics().await;
        let exhausted = metrics.sum("tidegate_retry_budget_exhausted_total", &[("group", "openai")]);
        let silenced =
            answers.iter().filter(|answer| answer.header("x-should-retry") == Some("false")).count();
        assert_eq!(silenced, REQUESTS as usize, "each was either retried or had no budget");
        if bounded {
            // The floor is what one request may use or 0.5 a second, whichever is more: 5 in a window of 10 s.
            assert!(extra <= REQUESTS / 5 + 5 * windows, "{extra} extra calls over {windows} windows");
            assert!(extra >= REQUESTS / 5, "{extra}: less than the budget allows");
            assert!(exhausted >= 50.0, "{exhausted}");
            assert!(metrics.sum("tidegate_retry_budget_tokens", &[("group", "openai")]) <= 5.0);
        } else {
            assert_eq!((extra, exhausted), (3 * REQUESTS, 0.0), "what the budget stops");
        }
        assert_eq!(metrics.sum("tidegate_retry_budget_exhausted_total", &[("group", "gemini")]), 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_request_has_all_its_retries_and_a_budget_of_nothing_allows_none() {
    let (sim, proxy) =
        world(|s| s.router("num_retries: 3").tidegate("retry_budget: {min_per_second: 0.1}")).await;
    assert_eq!(told(&proxy, "openai", "http-500", true).await.status, 500);
    assert_eq!(sim.counts("http-500").started, 4, "the floor is at least what one request may use");

    let none = "retry_budget: {ratio: 0, min_per_second: 0}";
    let (sim, proxy) = world(|s| s.router("num_retries: 3").tidegate(none)).await;
    for asked in 1..=3 {
        let refused = fetch(&proxy, "openai", "http-500", true).await;
        assert_eq!((refused.status, refused.header("x-should-retry")), (500, Some("false")));
        assert_eq!(sim.counts("http-500").started, asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_s_own_budget_goes_before_and_a_fallback_takes_no_token() {
    let groups = "groups: {openai: {retry_budget: {ratio: 0, min_per_second: 0}}}";
    let (sim, proxy) =
        world(|s| s.router("num_retries: 1").router("fallbacks: [{openai: [gemini]}]").tidegate(groups))
            .await;
    for _ in 0..5 {
        // Every other request is refused, the first included: without a fallback none of these would be good.
        let saved = told(&proxy, "openai", "http-429-once", true).await;
        assert_eq!((saved.text, saved.terminal), (healthy_text(), Terminal::Done));
    }
    assert_eq!(sim.counts("http-429-once").started, 10);
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_fallbacks_total", &[("group", "openai"), ("to", "gemini")]), 5.0);
    // The other group keeps the budget that all have.
    assert_eq!(told(&proxy, "gemini", "http-429-once", true).await.text, healthy_text());
    assert_eq!(sim.counts("http-429-once").started, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_deployment_of_two_costs_no_request_and_no_token() {
    // Nobody listens there any more.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let none = "retry_budget: {ratio: 0, min_per_second: 0}";
    let (sim, proxy) = world(|s| {
        let params = format!("model: openai/x, api_key: k, api_base: \"http://{dead}/v1\"");
        s.params("openai", &params).params("lone", &params).router("num_retries: 3").tidegate(none)
    })
    .await;
    for _ in 0..20 {
        assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
    }
    assert_eq!(sim.counts("fast").started, 20);
    let metrics = proxy.metrics().await;
    assert!(
        metrics.sum("tidegate_attempts_total", &[("outcome", "transport")]) >= 1.0,
        "the dead one was never drawn"
    );
    assert_eq!(metrics.sum("tidegate_retry_budget_exhausted_total", &[("group", "openai")]), 0.0);
    // Alone it is tried again only by the budget, and so is what was sent.
    assert_eq!(told(&proxy, "lone", "fast", true).await.status, 502);
    assert_eq!(told(&proxy, "openai", "http-500", true).await.status, 500);
    assert_eq!(sim.counts("http-500").started, 1);
    assert_eq!(proxy.metrics().await.sum("tidegate_retry_budget_exhausted_total", &[("group", "lone")]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_when_and_whether_to_come_back() {
    let (_sim, proxy) = world(|s| s.router("num_retries: 1")).await;
    for (scenario, status, retried) in
        [("http-429-bare", 429, true), ("http-400", 400, false), ("http-500", 500, true)]
    {
        let refused = fetch(&proxy, "openai", scenario, true).await;
        assert_eq!(refused.status, status);
        assert_eq!(refused.header("x-should-retry"), retried.then_some("false"), "{scenario}");
        assert_eq!(refused.header("retry-after").is_some(), status == 429, "{scenario}");
    }
    let (_sim, proxy) = world(|s| s).await;
    for model in ["openai", "gemini"] {
        let refused = fetch(&proxy, model, "http-429-bare", true).await;
        assert_eq!((refused.header("x-should-retry"), refused.header("retry-after")), (None, Some("1")));
        let quota = fetch(&proxy, model, "http-429-quota", false).await;
        assert_eq!(
            (quota.status, quota.header("x-should-retry")),
            (429, Some("false")),
            "no retry helps: {model}"
        );
        assert!(quota.header("retry-after").is_some());
    }
    let busy = fetch(&proxy, "openai", "http-503", true).await;
    assert_eq!((busy.status, busy.header("retry-after").is_some()), (503, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_rests_for_long_and_others_do_not() {
    let (sim, proxy) = world(|s| s.router("num_retries: 2").router("cooldown_time: 1")).await;
    for model in ["openai", "gemini"] {
        assert_eq!(told(&proxy, model, "http-429-quota", true).await.status, 429);
        let resting = told(&proxy, model, "fast", true).await;
        let wait: u64 = resting.retry_after.as_deref().and_then(|wait| wait.parse().ok()).unwrap();
        assert!(resting.status == 429 && (500..=600).contains(&wait), "{model}: {wait}");
    }
    assert_eq!(
        (sim.counts("http-429-quota").started, sim.counts("fast").started),
        (2, 0),
        "never tried again"
    );
    assert_eq!(told(&proxy, "vertex", "fast", true).await.text, healthy_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wait_in_a_body_reaches_the_client() {
    let (sim, proxy) = world(|s| s).await;
    for (model, body, header, wait) in [
        (
            "openai",
            r#"{"error":{"message":"Please try again in 1m2.5s.","code":"rate_limit_exceeded"}}"#,
            None,
            "63",
        ),
        ("openai", r#"{"error":{"message":"m","retry_after":12.2}}"#, None, "13"),
        (
            "openai",
            r#"{"error":{"message":"m"}}"#,
            Some(("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "1m30s")),
            "90",
        ),
        (
            "gemini",
            r#"{"error":{"code":429,"message":"Please retry in 9.1s.","status":"RESOURCE_EXHAUSTED"}}"#,
            None,
            "10",
        ),
        ("openai", r#"{"error":{"message":"m"}}"#, Some(("unused", "retry-after", "0")), "1"),
    ] {
        let mut script = Script::json(429, body);
        if let Some((left, reset, value)) = header {
            script = script.header(left, "0").header(reset, value);
        }
        sim.push_script(script);
        let refused = told(&proxy, model, "custom", true).await;
        assert_eq!((refused.status, refused.retry_after.as_deref()), (429, Some(wait)), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_of_one_request_and_of_a_client_are_counted_and_told() {
    let (_sim, proxy) = world(|s| s.router("num_retries: 2")).await;
    let loops =
        |metrics: &tidegate_tests::Metrics, kind| metrics.sum("tidegate_429_loops_total", &[("kind", kind)]);
    assert_eq!(told(&proxy, "openai", "http-429-bare", true).await.status, 429);
    assert_eq!(loops(&proxy.metrics().await, "request"), 1.0);
    assert!(incidents(&proxy).await.iter().any(|kind| kind == "429_loop_request"));
    assert_eq!(told(&proxy, "gemini", "http-500", true).await.status, 500);
    assert_eq!(loops(&proxy.metrics().await, "request"), 1.0, "other failures are no 429s");

    let (_sim, proxy) = world(|s| s).await;
    let resend = |count: u32| {
        let header = format!("x-stainless-retry-count: {count}\r\nauthorization: Bearer k\r\n");
        let (data, request) = (proxy.data, chat_with(&header, "openai", "http-429-seconds", true));
        async move { assert_eq!(ask(data, &request, LONG).await.status, 429) }
    };
    resend(0).await;
    resend(0).await;
    assert_eq!(loops(&proxy.metrics().await, "client"), 0.0, "two requests of one client, each a first try");
    for count in 1..=3 {
        assert!(!incidents(&proxy).await.iter().any(|kind| kind == "429_loop_client"), "{count}");
        resend(count).await;
        assert_eq!(loops(&proxy.metrics().await, "client"), f64::from(count));
    }
    assert!(incidents(&proxy).await.iter().any(|kind| kind == "429_loop_client"));
    let chained = proxy.metrics().await;
    assert_eq!((loops(&chained, "chain"), loops(&chained, "amplification")), (0.0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn amplification_is_told_once() {
    let (_sim, proxy) = world(|s| s.router("num_retries: 3").tidegate("retry_budget: {ratio: 10}")).await;
    storm(&proxy, 10, "http-500").await;
    let told =
        |m: &tidegate_tests::Metrics| m.sum("tidegate_429_loops_total", &[("kind", "amplification")]) == 1.0;
    let metrics = proxy.metrics_when("the loop", told).await;
    assert!(metrics.sum("tidegate_retry_amplification_ratio", &[]) > 2.0);
    assert!(incidents(&proxy).await.iter().any(|kind| kind == "429_loop_amplification"));
}

/// A policy that goes from one group to the other and back, for as long as it is asked.
const PING_PONG: &str = r#"
#include "tidegate.h"
#define S(text) {(const uint8_t *)(text), sizeof(text) - 1}
static int one;
static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  (void)host, (void)config, (void)why;
  *inst = &one;
  return TG_OK;
}
static void destroy(void *inst) { (void)inst; }
static tg_status decide(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  (void)inst;
  out->action = TG_FALLBACK;
  out->target = in->n_attempts % 2;
  return TG_OK;
}
static const tg_policy_v1 policy = {sizeof policy, 0, create, destroy, decide, 0};
static const tg_plugin_v1 plugin = {
    sizeof plugin, TG_ABI_MAJOR, TG_ABI_MINOR, 0, S("fallback"), S("1"), S("{}"), 0, &policy};
const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host) {
  (void)host;
  return &plugin;
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_a_policy_of_others_bends_into_a_ring_ends_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("policy.c");
    std::fs::write(&source, PING_PONG).unwrap();
    let library = folder.path().join(format!("libfallback{}", std::env::consts::DLL_SUFFIX));
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/abi/include");
    let mut cc = std::process::Command::new("cc");
    cc.args(["-shared", "-fPIC", "-I", include, "-o"]).arg(&library).arg(&source);
    assert!(cc.status().unwrap().success());
    let dirs = format!("plugins: {{dirs: [{}]}}", folder.path().display());
    let (sim, proxy) = world(|s| s.router("fallbacks: [{openai: [gemini, vertex]}]").tidegate(&dirs)).await;
    assert_eq!(told(&proxy, "openai", "http-429-bare", true).await.status, 429);
    assert_eq!(sim.counts("http-429-bare").started, 3, "the engine's budget ends it");
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_429_loops_total", &[("kind", "chain")]), 1.0);
    // The return is a retry, whatever the policy calls it: it took a token.
    assert_eq!(metrics.sum("tidegate_retry_budget_tokens", &[("group", "openai")]), 9.0);
    assert!(incidents(&proxy).await.iter().any(|kind| kind == "429_loop_chain"));
}
