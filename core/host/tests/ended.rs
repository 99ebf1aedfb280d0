//! What the observer of workers is told. It is set once per process, so this is a test in a program of its own.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod common;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tidegate_host::{
    Class, EndReason, FailureIn, Op, Phase, PluginError, ProviderInstance, WorkerEnd, WorkerHook,
    set_worker_hook,
};

#[derive(Debug)]
enum Seen {
    Started(u32, u32, u32),
    Ended(WorkerEnd),
}

struct Hook(Mutex<Sender<Seen>>);

impl WorkerHook for Hook {
    fn started(&self, plugin_id: u32, shard: u32, pid: u32) {
        self.0.lock().send(Seen::Started(plugin_id, shard, pid)).unwrap();
    }
    fn ended(&self, end: &WorkerEnd) {
        self.0.lock().send(Seen::Ended(end.clone())).unwrap();
    }
}

fn classify(provider: &ProviderInstance, body: &[u8]) -> Result<(), PluginError> {
    let failure = FailureIn {
        phase: Phase::Status,
        http_status: 503,
        headers: &[],
        event: b"",
        body,
        unix_ms: 0,
        bytes_to_client: 0,
    };
    let default = Class { error: 2, http_status: 503, retryable: true, quota: false, retry_after_ms: None };
    common::wait(provider.classify(&failure, default)).map(drop)
}

fn next(seen: &Receiver<Seen>) -> Seen {
    seen.recv_timeout(Duration::from_secs(60)).unwrap()
}

fn started(seen: &Receiver<Seen>) -> (u32, u32, u32) {
    match next(seen) {
        Seen::Started(plugin, shard, pid) => (plugin, shard, pid),
        other => panic!("{other:?}"),
    }
}

fn ended(seen: &Receiver<Seen>) -> WorkerEnd {
    match next(seen) {
        Seen::Ended(end) => end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_worker_is_told_of_when_it_comes_and_goes() {
    let (sender, seen) = channel();
    let hook: &'static Hook = Box::leak(Box::new(Hook(Mutex::new(sender))));
    assert!(set_worker_hook(hook) && !set_worker_hook(hook), "once per process");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("faulty.so");
    common::compile("faulty.c", &[], &path);
    let plugin = common::isolated(&path, |_| {});
    let (id, shard, mut pid) = started(&seen);
    assert_eq!((id, shard, Some(pid)), (plugin.id(), 0, plugin.workers()[0].pid));

    let provider = plugin.provider().unwrap().create(&json!({})).unwrap();
    for (round, (way, why)) in [
        (&b"last-words"[..], EndReason::Signal(6)),
        (b"exit", EndReason::Exit(3)),
        (b"crash", EndReason::Signal(11)),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(matches!(classify(&provider, way), Err(PluginError::Ended { .. })));
        let end = ended(&seen);
        assert_eq!((end.plugin, end.plugin_id, end.shard, end.pid), ("faulty", id, 0, pid));
        assert_eq!((&end.why, end.op, end.failed), (&why, Some(Op::Classify), 1));
        assert_eq!(end.repeated, round == 2, "the third within a minute");
        assert_eq!(end.stderr, if round == 0 { "one line\nand the last" } else { "" });
        let again = started(&seen);
        assert_eq!((again.0, again.1), (id, 0));
        assert_ne!(std::mem::replace(&mut pid, again.2), again.2);
    }
    classify(&provider, b"well").unwrap();
    drop((provider, plugin));
    let end = ended(&seen);
    assert_eq!((end.why, end.op, end.failed, end.repeated), (EndReason::Asked, None, 0, false));
}
