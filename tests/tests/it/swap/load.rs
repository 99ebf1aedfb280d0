//! Swaps under load: nothing is lost, and nothing stays.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tidegate_tests::client::{ask, chat};
use tidegate_tests::{Proxy, Terminal, Told, Versions};
use tokio::task::JoinHandle;

use super::{TICKS, entry, plugins, reload, setup};
use crate::world::{LONG, sim};

const STREAMS: usize = 6;
const WHOLES: usize = 2;

/// Swaps before anything is measured; even, so that version A is in force after them.
const WARM_UP: usize = 20;

/// Swaps in a run of the tests; `TIDEGATE_SWAPS=1000` makes it a long one.
fn swaps(usual: usize) -> usize {
    std::env::var("TIDEGATE_SWAPS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// What the process holds.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    libraries: usize,
    workers: usize,
    rss: u64,
}

impl Held {
    fn by(pid: u32) -> Self {
        let count = |dir: &str| fs::read_dir(format!("/proc/{pid}/{dir}")).unwrap().count();
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        // Address, rights, offset, device, inode, name.
        let mapped = maps.lines().filter(|line| line.contains("/memfd:"));
        let mut libraries: Vec<&str> = mapped.filter_map(|line| line.split_whitespace().nth(4)).collect();
        libraries.sort_unstable();
        libraries.dedup();
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        let children = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let workers = children
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .map(|list| list.split_whitespace().count())
            .sum();
        Self {
            descriptors: count("fd"),
            threads: count("task"),
            libraries: libraries.len(),
            workers,
            rss: pages * 4096,
        }
    }
}

/// Asks again and again until it is told to stop: how often each version answered.
fn client(proxy: &Proxy, stream: bool, stop: &Arc<AtomicBool>) -> JoinHandle<BTreeMap<String, usize>> {
    let (addr, stop) = (proxy.data, stop.clone());
    tokio::spawn(async move {
        let (mut seen, scenario) = (BTreeMap::new(), if stream { "ticks" } else { "whole" });
        while !stop.load(Relaxed) {
            let answer = ask(addr, &chat("mine", scenario, stream), LONG).await;
            let told = Told::of(&answer, stream).unwrap_or_else(|why| panic!("{why}: {}", answer.text()));
            assert_eq!((told.status, told.terminal), (200, Terminal::Done), "{}", told.message);
            let first = told.text.chars().next().unwrap();
            // A stream stays with the version that it began with.
            assert_eq!(told.text, first.to_string().repeat(if stream { TICKS } else { 1 }));
            *seen.entry(first.to_string()).or_default() += 1;
        }
        seen
    })
}

#[expect(clippy::print_stdout, reason = "the numbers of a long run are worth seeing")]
async fn swapped_under_load(isolation: &str, count: usize) {
    let (sim, versions) = (sim().await, Versions::new());
    let content = ["A", "B"].map(|version| versions.make("versioned", version, &[]));
    versions.put("versioned", &content[0]);
    // Left to itself, glibc keeps what was freed, and its level moves by megabytes whatever the program holds.
    let malloc = [("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_ARENA_MAX", "2")];
    let proxy = Proxy::start_with(&setup(&sim, &versions, isolation).yaml(), &malloc).await;
    let swap = async |to: usize| {
        versions.put("versioned", &content[to]);
        let (status, said) = reload(&proxy).await;
        assert_eq!((status, &said["result"]), (200, &"ok".into()), "{said}");
        let change = entry(&said, "versioned");
        assert_eq!(
            (&change["result"], &change["version"]),
            (&"loaded".into(), &["A", "B"][to].into()),
            "{said}"
        );
        assert_eq!(change["from"]["version"], ["B", "A"][to], "{said}");
    };
    let stop = Arc::new(AtomicBool::new(false));
    let begin = || {
        let kinds = std::iter::repeat_n(true, STREAMS).chain(std::iter::repeat_n(false, WHOLES));
        kinds.map(|stream| client(&proxy, stream, &stop)).collect::<Vec<_>>()
    };
    // Both versions are there, and pools, rings and buffers are as full as they get.
    let clients = begin();
    for round in 0..WARM_UP {
        swap((round + 1) % 2).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stop.store(true, Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let before = settled(&proxy, None).await;

    stop.store(false, Relaxed);
    let clients = begin();
    for round in 0..count {
        swap((round + 1) % 2).await;
    }
    stop.store(true, Relaxed);
    let mut seen = BTreeMap::<String, usize>::new();
    for client in clients {
        for (version, count) in client.await.unwrap() {
            *seen.entry(version).or_default() += count;
        }
    }
    let after = settled(&proxy, Some(&before)).await;
    println!("{isolation}: {count} swaps, answers {seen:?}, before {before:?}, after {after:?}");
    assert!(seen.len() == 2 && seen.values().all(|count| *count > 2), "{seen:?}");
    assert_eq!((after.libraries, after.workers), (before.libraries, before.workers));
    // What was there before the first measurement is no measure: a version that was swapped then may have stayed.
    let (running, told) = (ids(proxy.workers()), ids(told_workers(&plugins(&proxy).await)));
    assert_eq!(running, told, "the processes that run, and those that are told of");
    assert!(after.descriptors <= before.descriptors + 4, "{before:?} {after:?}");
    assert!(after.threads <= before.threads + 2, "{before:?} {after:?}");
    // Both libraries are there from the start: what grows is what requests and swaps leave behind.
    let grown = after.rss.saturating_sub(before.rss);
    assert!(grown < (12 << 20), "it grew by {grown} bytes in {count} swaps");

    let metrics = proxy.metrics().await;
    let ok = metrics.sum("tidegate_plugin_reloads_total", &[("result", "ok")]);
    assert_eq!(ok, (count + WARM_UP) as f64);
    assert_eq!(
        metrics.sum("tidegate_plugin_info", &[("plugin", "versioned"), ("isolation", isolation)]),
        1.0
    );
    assert_eq!(entry(&plugins(&proxy).await, "versioned")["generation"], count + WARM_UP + 1);
    let incidents = ask(proxy.admin, &tidegate_tests::client::get("/api/incidents", ""), LONG).await.text();
    assert!(
        incidents.contains("the plugin versioned A (") && incidents.contains("has taken the place of B (")
    );
}

fn ids(mut ids: Vec<u32>) -> Vec<u32> {
    ids.sort_unstable();
    ids
}

/// The processes that `GET /api/plugins` tells of.
fn told_workers(list: &serde_json::Value) -> Vec<u32> {
    let plugins = list["plugins"].as_array().unwrap().iter();
    let workers = plugins.flat_map(|plugin| plugin["workers"].as_array().unwrap());
    workers.map(|worker| worker["pid"].as_u64().unwrap().try_into().unwrap()).collect()
}

/// What it holds once it is at rest; `before`: waits until it is back there, for a while.
async fn settled(proxy: &Proxy, before: Option<&Held>) -> Held {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = Held::by(proxy.pid());
        let back = before.is_none_or(|before| {
            (now.workers, now.libraries) == (before.workers, before.libraries)
                && now.descriptors <= before.descriptors
                && now.threads <= before.threads
        });
        let at_rest = proxy.metrics().await.sum("tidegate_active_streams", &[]) == 0.0;
        if (at_rest && back) || Instant::now() > until {
            return now;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inline_swaps_under_load_lose_nothing_and_leave_nothing() {
    swapped_under_load("inline", swaps(40)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_of_processes_under_load_lose_nothing_and_leave_nothing() {
    swapped_under_load("process", swaps(30)).await;
}
