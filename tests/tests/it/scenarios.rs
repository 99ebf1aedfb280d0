//! Every behaviour of the simulated providers, through every provider plugin, streamed and not: what the client is told
//! is what the scenario's table says of a correct proxy.

use std::sync::Arc;
use std::time::Duration;

use tidegate_sim::{Dialect, Expect, Mode, Scenario};
use tidegate_tests::client::{ask as ask_at, chat_with};
use tidegate_tests::config::{PROVIDERS, hasty};
use tidegate_tests::{Proxy, Setup, Told, cpu, judge};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::world::{fetch, sim};

/// Requests at once.
const ABREAST: usize = 8;

async fn every_scenario(provider: &'static str, dialect: Dialect, isolated: &[&str]) {
    let sim = sim().await;
    let setup = Setup::of(&sim).hasty_and_patient(provider, &sim);
    // A debug build takes as much of its 250 ms for a whole answer of some megabytes, such as a flood's.
    let patient = |name: &&str| format!("{name}: {{isolation: process, deadline: 2500ms}}");
    let plugins = isolated.iter().map(patient).collect::<Vec<_>>().join(", ");
    let setup = setup.tidegate("limits: {event: 6MiB}").tidegate(&format!("plugins: {{use: {{{plugins}}}}}"));
    let setup = setup.model("retried", provider, &sim, "num_retries: 1");
    let known = PROVIDERS.iter().any(|(name, _)| *name == provider);
    let setup = if known { setup } else { setup.model(provider, provider, &sim, "") };
    let proxy = Proxy::start(&setup.yaml()).await;
    let proxy = Arc::new(proxy);
    // One that floods may be ended by the watchdog too, whichever is first; no other may.
    let floods =
        |scenario: &&Scenario| matches!(scenario.expect(dialect, Mode::Stream), Expect::Failed { .. });
    let (floods, others): (Vec<_>, Vec<_>) = Scenario::all().iter().partition(floods);
    assert!(floods.len() >= 8, "{}", floods.len());
    let mut wrong = ask_for(others, &proxy, provider, dialect).await;
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_watchdog_verdicts_total", &[("action", "aborted")]), 0.0);
    wrong.extend(ask_for(floods, &proxy, provider, dialect).await);
    assert!(wrong.is_empty(), "{provider}: {} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    let metrics =
        proxy.metrics_when("no stream is left", |m| m.sum("tidegate_active_streams", &[]) == 0.0).await;
    for plugin in isolated {
        let ends = |reason| [("plugin", *plugin), ("reason", reason)];
        for reason in ["deadline", "signal", "exit", "memory", "protocol", "start"] {
            assert_eq!(
                metrics.sum("tidegate_plugin_worker_ends_total", &ends(reason)),
                0.0,
                "{plugin}: {reason}"
            );
        }
        assert_eq!(metrics.sum("tidegate_plugin_workers", &[("plugin", *plugin)]), 1.0);
    }
    assert!(cpu::share(proxy.pid(), Duration::from_millis(500)).await < 0.05);
}

/// Asks for each, some at once: what was wrong.
async fn ask_for(
    scenarios: Vec<&'static Scenario>,
    proxy: &Arc<Proxy>,
    provider: &'static str,
    dialect: Dialect,
) -> Vec<String> {
    let seats = Arc::new(Semaphore::new(ABREAST));
    let (mut asking, count) = (JoinSet::new(), scenarios.len());
    for scenario in scenarios {
        let (proxy, seats) = (proxy.clone(), seats.clone());
        asking.spawn(async move {
            let _seat = seats.acquire_owned().await.unwrap();
            // One after the other: which of two requests is refused may depend on their order.
            let mut wrong = Vec::new();
            for stream in [true, false] {
                if let Err(why) = ask(&proxy, provider, dialect, scenario, stream).await {
                    wrong.push(format!("{} (stream: {stream}): {why}", scenario.name));
                }
            }
            wrong
        });
    }
    let results = asking.join_all().await;
    assert_eq!(results.len(), count);
    results.concat()
}

async fn ask(
    proxy: &Proxy,
    provider: &str,
    dialect: Dialect,
    scenario: &Scenario,
    stream: bool,
) -> Result<(), String> {
    let mode = if stream { Mode::Stream } else { Mode::Whole };
    let expect = scenario.expect(dialect, mode);
    let model = match scenario.name {
        // The only one that is right at the second try.
        "http-429-once" => "retried",
        _ => hasty(&expect).unwrap_or(provider),
    };
    let mut told = Told::of(&fetch(proxy, model, scenario.name, stream).await, stream)?;
    let passed = matches!(dialect, Dialect::OpenAiChat | Dialect::Azure);
    if scenario.name == "finish-no-done" && passed && stream {
        // The upstream did say it, and it had been passed on when `[DONE]` turned out to be missing.
        assert_eq!(told.finish.take().as_deref(), Some("stop"));
    }
    judge(&expect, &told)
}

/// The control: a proxy that hands on what comes would be told off at every fault.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_upstream_itself_says_would_not_do() {
    let sim = sim().await;
    let mut faults = 0;
    for scenario in Scenario::all() {
        let expect = scenario.expect(Dialect::OpenAiChat, Mode::Stream);
        if !matches!(expect, Expect::Error { .. } | Expect::Truncated | Expect::Malformed) {
            continue;
        }
        let request = chat_with("authorization: Bearer sim-key\r\n", "m", scenario.name, true);
        let answer = ask_at(sim.addr(), &request, Duration::from_secs(1)).await;
        let verdict = Told::of(&answer, true).and_then(|told| judge(&expect, &told));
        assert!(verdict.is_err(), "{} went through", scenario.name);
        faults += 1;
    }
    assert!(faults > 15, "{faults}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openai() {
    every_scenario("openai", Dialect::OpenAiChat, &[]).await;
}

/// A vendor whose ends are put in OpenAI's words: the plugin sees every event, where `openai`'s pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_with_words_of_its_own() {
    every_scenario("together_ai", Dialect::OpenAiChat, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini() {
    every_scenario("gemini", Dialect::Gemini, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic() {
    every_scenario("anthropic", Dialect::Anthropic, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bedrock() {
    every_scenario("bedrock", Dialect::Bedrock, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vertex() {
    every_scenario("vertex", Dialect::Gemini, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_on_vertex() {
    every_scenario("vertex-claude", Dialect::Anthropic, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure() {
    every_scenario("azure", Dialect::Azure, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ollama() {
    every_scenario("ollama", Dialect::Ollama, &[]).await;
}

/// The policy too: it says which of them are tried again.
const ALL: [&str; 5] = ["openai", "anthropic", "gemini", "bedrock", "fallback"];

#[tokio::test(flavor = "multi_thread")]
async fn openai_in_a_process() {
    every_scenario("openai", Dialect::OpenAiChat, &ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_in_a_process() {
    every_scenario("together_ai", Dialect::OpenAiChat, &ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_in_a_process() {
    every_scenario("anthropic", Dialect::Anthropic, &ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bedrock_in_a_process() {
    every_scenario("bedrock", Dialect::Bedrock, &ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_in_a_process() {
    every_scenario("gemini", Dialect::Gemini, &ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vertex_in_a_process() {
    every_scenario("vertex", Dialect::Gemini, &ALL).await;
}
