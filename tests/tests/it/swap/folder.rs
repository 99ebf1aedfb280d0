//! `tidegate.plugins.watch`, and what the API says of what is there.

use std::time::{Duration, Instant};

use tidegate_tests::{Proxy, Versions};

use super::{entry, plugins, setup, version};
use crate::world::sim;

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_folder_needs_no_asking() {
    let (sim, versions) = (sim().await, Versions::new());
    versions.put("versioned", &versions.make("versioned", "A", &[]));
    let config = setup(&sim, &versions, "inline");
    let watched = config.yaml().replace("plugins: {dirs", "plugins: {watch: true, dirs");
    assert_ne!(watched, config.yaml());
    let proxy = Proxy::start(&watched).await;
    let becomes = async |wanted: &str| {
        let until = Instant::now() + Duration::from_secs(60);
        while version(&proxy, "mine").await != wanted {
            assert!(Instant::now() < until, "version {wanted} never served:\n{}", proxy.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    versions.put("versioned", &versions.make("versioned", "B", &[]));
    becomes("B").await;
    versions.put("versioned", b"half of a copy");
    proxy
        .metrics_when("it is refused", |m| {
            m.sum("tidegate_plugin_reloads_total", &[("result", "refused")]) >= 1.0
        })
        .await;
    becomes("B").await;
    versions.put("versioned", &versions.make("versioned", "C", &[]));
    becomes("C").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_says_what_is_in_force_and_what_is_refused() {
    let (sim, versions) = (sim().await, Versions::new());
    let content = versions.make("versioned", "1.2", &[]);
    versions.put("versioned", &content);
    versions.put("text", b"not a library");
    let proxy = Proxy::start(&setup(&sim, &versions, "process").yaml()).await;
    let list = plugins(&proxy).await;
    let one = entry(&list, "versioned");
    let file = versions.file("versioned").canonicalize().unwrap();
    assert_eq!(
        (&one["version"], &one["isolation"], &one["state"]),
        (&"1.2".into(), &"process".into(), &"open".into())
    );
    assert_eq!(one["file"], file.to_str().unwrap());
    assert_eq!(
        (&one["kinds"], &one["prefixes"]),
        (&serde_json::json!(["provider"]), &serde_json::json!(["versioned"]))
    );
    assert_eq!((one["sha256"].as_str().unwrap().len(), &one["generation"]), (64, &1.into()));
    let workers = one["workers"].as_array().unwrap();
    assert!(workers.len() == 1 && workers[0]["pid"].as_u64().unwrap() > 1, "{one}");
    assert_eq!(entry(&list, "fallback")["kinds"], serde_json::json!(["policy"]));
    assert_eq!(entry(&list, "openai")["isolation"], "inline", "it stands beside the executable");
    assert!(list["refused"].to_string().contains("not a shared library"), "{list}");
}
