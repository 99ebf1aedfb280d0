//! What most tests begin with: a simulator without pauses, and a proxy in front of it.

use std::time::Duration;

use tidegate_sim::{Settings, Sim};
use tidegate_tests::client::{ask, chat};
use tidegate_tests::{Answer, Proxy, Setup, Told};

/// The longest wait for an answer that must come.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Floods that are over soon, but after the proxy's limit on events of 6 MiB.
pub(crate) async fn sim() -> Sim {
    let settings = Settings {
        pace: Duration::ZERO,
        drip: Duration::ZERO,
        flood_bytes: 8 << 20,
        flood_time: Duration::from_secs(4),
        require_auth: true,
        ..Settings::default()
    };
    Sim::start(settings).await.unwrap()
}

/// Both, with the setup changed as wanted.
pub(crate) async fn world(change: impl FnOnce(Setup) -> Setup) -> (Sim, Proxy) {
    let sim = sim().await;
    let proxy = Proxy::start(&change(Setup::of(&sim).short_clocks()).yaml()).await;
    (sim, proxy)
}

/// Asks for a scenario.
pub(crate) async fn fetch(proxy: &Proxy, model: &str, scenario: &str, stream: bool) -> Answer {
    ask(proxy.data, &chat(model, scenario, stream), LONG).await
}

/// Asks for a scenario, and reads the answer strictly.
pub(crate) async fn told(proxy: &Proxy, model: &str, scenario: &str, stream: bool) -> Told {
    let answer = fetch(proxy, model, scenario, stream).await;
    Told::of(&answer, stream).unwrap_or_else(|why| panic!("{model} {scenario}: {why}"))
}

/// The share `p` of `values` is not above the result.
pub(crate) fn percentile(values: &[Duration], p: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() as f64 * p).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}
