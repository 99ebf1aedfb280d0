//! A bad new version changes nothing and says why; what is good beside it goes in force.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use tidegate_sim::Script;
use tidegate_tests::client::{ask, chat, get, post};
use tidegate_tests::{AS_ADMIN, Conn, DropIn, Proxy, Setup, Versions};

use super::{entry, plugins, reload, serving, setup, used, version};
use crate::world::{LONG, sim};

/// Puts each in, and asks for a reload that must leave version A in force, with this in its reason.
async fn all_refused(isolation: &str, more: &[(&str, &str)]) {
    let (sim, versions) = (sim().await, Versions::new());
    let good = versions.make("versioned", "A", &[]);
    versions.put("versioned", &good);
    let proxy = Proxy::start(&setup(&sim, &versions, isolation).yaml()).await;
    assert_eq!(version(&proxy, "mine").await, "A");
    let panics = DropIn::panics_in_create("versioned");
    let bad = |macros: &str| versions.make("versioned", "B", &[macros]);
    let mut cases = vec![
        ("truncated", good[..good.len() / 2].to_vec(), "it is truncated"),
        ("no library", b"#!/bin/sh\n".to_vec(), "it is not a shared library"),
        ("empty", Vec::new(), "it is empty"),
        ("refuses", bad("REFUSES"), "this version likes no configuration"),
        ("status of a panic", bad("PANICS"), "panicked"),
        ("panics", std::fs::read(&panics.file).unwrap(), "panicked"),
        ("fails its test", bad("FAILS_ITS_TEST"), "panicked"),
        ("refuses the host", bad("RETURNS_NULL"), "its entry function returned NULL"),
        ("another major", bad("tidegate_plugin_entry_v1=tidegate_plugin_entry_v2"), "ABI v2"),
    ];
    cases.extend(more.iter().map(|(macros, why)| (*macros, bad(macros), *why)));
    for (case, content, why) in &cases {
        versions.put("versioned", content);
        let (status, said) = reload(&proxy).await;
        assert_eq!((status, said["result"].as_str()), (422, Some("refused")), "{case}: {said}");
        let change = entry(&said, "versioned");
        assert_eq!((&change["result"], &change["version"]), (&"kept".into(), &"A".into()), "{case}: {said}");
        assert!(change["reason"].as_str().unwrap().contains(why), "{case}: {said}");
        assert_eq!(version(&proxy, "mine").await, "A", "{case}");
        assert!(entry(&plugins(&proxy).await, "versioned")["kept"].as_str().unwrap().contains(why), "{case}");
    }
    std::fs::set_permissions(versions.file("versioned"), std::fs::Permissions::from_mode(0o666)).unwrap();
    versions.put("versioned", &versions.make("versioned", "C", &[]));
    let (_, said) = reload(&proxy).await;
    assert!(entry(&said, "versioned")["reason"].as_str().unwrap().contains("writable by everyone"), "{said}");
    // And a good one, after all of them.
    std::fs::set_permissions(versions.file("versioned"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let (status, said) = reload(&proxy).await;
    assert_eq!((status, &said["result"]), (200, &"ok".into()), "{said}");
    assert_eq!(version(&proxy, "mine").await, "C");
    let list = plugins(&proxy).await;
    assert_eq!(
        (&entry(&list, "versioned")["generation"], &list["refused"]),
        (&2.into(), &serde_json::json!([]))
    );
    let metrics = proxy.metrics().await;
    let refused = metrics.sum("tidegate_plugin_reloads_total", &[("result", "refused")]);
    assert_eq!(refused, (cases.len() + 1) as f64);
    assert_eq!(metrics.sum("tidegate_plugins_refused", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_version_changes_nothing_and_says_why() {
    all_refused("inline", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_in_a_process_though_it_never_returns() {
    all_refused("process", &[("SPINS", "")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_one_keeps_no_good_one_out() {
    let (sim, versions) = (sim().await, Versions::new());
    for name in ["versioned", "other"] {
        versions.put(name, &versions.make(name, "A", &[]));
    }
    let config = serving(setup(&sim, &versions, "inline"), &sim, "others", "other");
    let proxy = Proxy::start(&config.yaml()).await;
    versions.put("versioned", &versions.make("versioned", "B", &["REFUSES"]));
    versions.put("other", &versions.make("other", "B", &[]));
    let (status, said) = reload(&proxy).await;
    assert_eq!((status, &said["result"]), (422, &"partly".into()), "{said}");
    assert_eq!(
        (entry(&said, "versioned")["result"].as_str(), entry(&said, "other")["result"].as_str()),
        (Some("kept"), Some("loaded")),
        "{said}"
    );
    assert_eq!(entry(&said, "openai")["result"], "unchanged", "{said}");
    assert_eq!((version(&proxy, "mine").await, version(&proxy, "others").await), ("A".into(), "B".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_outlives_its_file_and_what_is_not_goes() {
    let (sim, versions) = (sim().await, Versions::new());
    for name in ["versioned", "other"] {
        versions.put(name, &versions.make(name, "A", &[]));
    }
    let proxy = Proxy::start(&setup(&sim, &versions, "inline").yaml()).await;
    versions.remove("versioned");
    versions.remove("other");
    let (_, said) = reload(&proxy).await;
    assert_eq!(entry(&said, "other")["result"], "removed", "{said}");
    let kept = entry(&said, "versioned");
    assert!(kept["result"] == "kept" && kept["reason"].as_str().unwrap().contains("is gone"), "{said}");
    assert_eq!(version(&proxy, "mine").await, "A");
    // A second look finds the same.
    assert_eq!(entry(&reload(&proxy).await.1, "versioned")["result"], "kept");
    versions.put("versioned", &versions.make("versioned", "B", &[]));
    assert_eq!(reload(&proxy).await.0, 200);
    assert_eq!(version(&proxy, "mine").await, "B");
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_brings_the_configuration_and_its_plugins_together() {
    let (sim, versions) = (sim().await, Versions::new());
    versions.put("versioned", &versions.make("versioned", "A", &[]));
    let config = setup(&sim, &versions, "inline");
    let proxy = Proxy::start(&config.yaml()).await;
    let hup = async |what: &str, result: &str, count: f64| {
        proxy.signal(Signal::SIGHUP);
        let family = "tidegate_config_reloads_total";
        proxy.metrics_when(what, |m| m.sum(family, &[("result", result)]) == count).await;
    };
    // A group of a plugin that comes with it, and a new version of the one that is there.
    versions.put("other", &versions.make("other", "A", &[]));
    versions.put("versioned", &versions.make("versioned", "B", &[]));
    let both = serving(config.clone(), &sim, "others", "other");
    proxy.rewrite(&both.yaml());
    hup("it was read", "ok", 1.0).await;
    assert_eq!((version(&proxy, "mine").await, version(&proxy, "others").await), ("B".into(), "A".into()));
    // A configuration that may not be served brings no plugin in either.
    versions.put("versioned", &versions.make("versioned", "C", &[]));
    proxy.rewrite("model_list: 7\n");
    hup("it is refused", "refused", 1.0).await;
    assert_eq!(version(&proxy, "mine").await, "B");
    // One that allows less than what is in force.
    let dirs = format!(
        "plugins: {{dirs: [{}], use: {{{}}}, allow: [fallback, openai, gemini, other]}}",
        versions.path().display(),
        used("inline")
    );
    proxy.rewrite(&both.clone().tidegate(&dirs).yaml());
    hup("without the plugin", "ok", 2.0).await;
    let answer = ask(proxy.data, &chat("mine", "whole", false), LONG).await;
    assert_ne!(answer.status, 200, "{}", answer.text());
    assert_eq!(version(&proxy, "others").await, "A");
    let list = plugins(&proxy).await;
    assert!(
        entry(&list, "versioned").is_null() && list["refused"].to_string().contains("tidegate.plugins.allow"),
        "{list}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_cannot_reload_and_a_reload_is_a_post() {
    let (sim, versions) = (sim().await, Versions::new());
    let proxy = Proxy::start(
        &Setup::of(&sim).tidegate(&format!("plugins: {{dirs: [{}]}}", versions.path().display())).yaml(),
    )
    .await;
    let asked = async |request: Vec<u8>| ask(proxy.admin, &request, LONG).await.status;
    let path = "/api/plugins/reload";
    for page in ["origin: https://evil.example\r\n", "sec-fetch-site: cross-site\r\n"] {
        assert_eq!(asked(post(path, &format!("{AS_ADMIN}{page}"), b"")).await, 403, "{page}");
    }
    assert_eq!(asked(post(path, "connection: close\r\n", b"")).await, 401);
    assert_eq!(asked(get(path, "connection: close\r\n")).await, 405);
    assert_eq!(asked(post("/api/plugins", "connection: close\r\n", b"")).await, 405);
    assert_eq!(proxy.metrics().await.sum("tidegate_plugin_reloads_total", &[]), 0.0);
    assert_eq!(asked(post(path, AS_ADMIN, b"")).await, 200);
    assert_eq!(proxy.metrics().await.sum("tidegate_plugin_reloads_total", &[]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_of_a_quarantined_plugin_serves_at_once() {
    let (sim, versions) = (sim().await, Versions::new());
    sim.script(
        "spin",
        Script::sse().write("data: tick\n\n").write("data: spin\n\n").pause(Duration::from_secs(60)),
    );
    versions.put("versioned", &versions.make("versioned", "A", &["SPINS_AT_SPIN"]));
    let config = setup(&sim, &versions, "inline");
    let proxy = Proxy::start_with(&config.yaml(), &[("TIDEGATE_WORKERS", "4")]).await;
    let mut stuck = Conn::open(proxy.data).await.unwrap();
    stuck.send(&chat("mine", "spin", true)).await.unwrap();
    let quarantined = [("kind", "plugin"), ("name", "versioned")];
    proxy.metrics_when("it is quarantined", |m| m.sum("tidegate_quarantined", &quarantined) == 1.0).await;
    assert_eq!(entry(&plugins(&proxy).await, "versioned")["state"], "quarantined");
    assert_eq!(ask(proxy.data, &chat("mine", "whole", false), LONG).await.status, 503);
    versions.put("versioned", &versions.make("versioned", "B", &[]));
    assert_eq!(reload(&proxy).await.0, 200);
    assert_eq!(version(&proxy, "mine").await, "B");
    let list = plugins(&proxy).await;
    assert_eq!(
        (&entry(&list, "versioned")["state"], &entry(&list, "versioned")["version"]),
        (&"open".into(), &"B".into())
    );
}
