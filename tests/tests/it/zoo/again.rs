//! A plugin that ends its worker again and again: it is put aside, by itself, until a trial goes well.

use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_tests::client::{ask, chat, get};
use tidegate_tests::zoo::{MEMBERS, Zoo};
use tidegate_tests::{Proxy, Setup, Terminal, Told};

use super::watch::{self, Neighbours};
use crate::world::{LONG, sim};

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_its_worker_three_times_is_quarantined_until_a_trial_goes_well() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), sim().await);
    watch::prepare(&sim);
    for name in ["well", "exits"] {
        let member = MEMBERS.iter().find(|member| member.name == name).unwrap();
        Zoo::put_c(member, folder.path(), false);
    }
    let at = format!("api_base: \"http://{}/v1\", api_key: sim-key", sim.addr());
    let setup = Setup::of(&sim)
        .params("neighbour", &format!("model: well/calm, {at}"))
        .params("bite", &format!("model: exits/bite, {at}"))
        .params("calm", &format!("model: exits/calm, {at}"))
        .tidegate(&format!("plugins: {{dirs: [{}]}}", folder.path().display()))
        .tidegate("watchdog: {quarantine: {trial: 2s}}");
    let proxy = Proxy::start_with(&setup.yaml(), &[("TIDEGATE_LOG", "debug")]).await;
    proxy.logged("its worker is confined: descriptors closed, no new privileges").await;
    let neighbours = Neighbours::of(&proxy, &["openai", "neighbour"]);
    let asked = async |model: &str| {
        let answer = ask(proxy.data, &chat(model, watch::ASKED, true), LONG).await;
        Told::of(&answer, true).unwrap()
    };
    let quarantined = |now: f64| {
        move |metrics: &tidegate_tests::Metrics| {
            metrics.get("tidegate_quarantined", &[("kind", "plugin"), ("name", "exits")]).unwrap_or(0.0)
                == now
        }
    };
    // Each time it has to come up again, which takes longer each time.
    let until = Instant::now() + LONG;
    while !quarantined(1.0)(&proxy.metrics().await) {
        assert!(Instant::now() < until, "never quarantined:\n{}", proxy.log());
        assert_ne!(asked("bite").await.terminal, Terminal::Done);
    }
    let ends = [("plugin", "exits"), ("reason", "exit")];
    assert_eq!(proxy.metrics().await.sum("tidegate_plugin_worker_ends_total", &ends), 3.0);
    let refused = asked("calm").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.retry_after.is_some(), "{refused:?}");

    let until = Instant::now() + LONG;
    while asked("calm").await.terminal != Terminal::Done {
        assert!(Instant::now() < until, "no trial went well:\n{}", proxy.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    proxy.metrics_when("it is asked again", quarantined(0.0)).await;
    assert!(neighbours.end().await.unwrap() > 1, "no neighbour ran along");
    let list = ask(proxy.admin, &get("/api/incidents", ""), LONG).await.json();
    let kinds: Vec<&str> =
        list["incidents"].as_array().unwrap().iter().filter_map(|one: &Value| one["kind"].as_str()).collect();
    for kind in ["plugin_worker_ended", "plugin_quarantined", "quarantine_lifted"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
}
