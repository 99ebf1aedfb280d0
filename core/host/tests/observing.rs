//! The hook sees each call with its plugin and outcome, and the log gets each line with its plugin's name. Both are
//! set once per process, so this is one test in a program of its own.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod common;

use common::Mode;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::json;
use tidegate_host::{
    CallHook, Close, Dialect, Events, Framing, HeadIn, LogLevel, Op, Outcome, set_call_hook, set_log,
};

#[derive(Default)]
struct Seen(Mutex<Vec<(u32, Op, Option<Outcome>)>>);

impl CallHook for Seen {
    fn enter(&self, plugin: u32, op: Op) {
        self.0.lock().push((plugin, op, None));
    }
    fn leave(&self, plugin: u32, op: Op, outcome: Outcome) {
        self.0.lock().push((plugin, op, Some(outcome)));
    }
}

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn keep(plugin: &str, level: LogLevel, message: &str) {
    LINES.lock().push(format!("{plugin} {level:?} {message}"));
}

#[test]
fn every_call_and_line_is_seen_with_its_plugin() {
    let seen: &'static Seen = Box::leak(Box::default());
    assert!(set_call_hook(seen) && set_log(keep));
    assert!(!set_call_hook(seen) && !set_log(keep), "once per process");

    for mode in [Mode::Inline, Mode::Process] {
        seen.0.lock().clear();
        LINES.lock().clear();
        seen_in(mode, seen);
    }
}

fn seen_in(mode: Mode, seen: &Seen) {
    let plugin = common::loaded(mode, &["NAME=\"named\""]);
    let head = HeadIn {
        http_status: 200,
        dialect: Dialect::OpenaiChat,
        framing: Framing::Sse,
        model: "m",
        headers: &[],
        unix_ms: 0,
        seed: 0,
    };
    let provider = plugin.provider().unwrap().create(&json!({})).unwrap();
    let mut out = Events::default();
    let mut stream = common::wait(provider.open(&head)).unwrap();
    stream.event(b"", b"pass", false, &mut out).unwrap();
    // What it says of the upstream's bytes is its work; that it cannot do it is not.
    stream.event(b"", b"odd", true, &mut out).unwrap_err();
    stream.event(b"", b"limit", false, &mut out).unwrap_err();
    stream.close(Close::Failed);
    let mut stream = common::wait(provider.open(&head)).unwrap();
    stream.event(b"", b"panic", false, &mut out).unwrap_err();
    drop(stream);
    drop(common::wait(provider.open(&head)).unwrap());
    drop(provider);

    let seen = seen.0.lock();
    let mut finished = Vec::new();
    for pair in seen.chunks(2) {
        assert_eq!(pair[0], (plugin.id(), pair[0].1, None), "enter stands first");
        assert_eq!((pair[1].0, pair[1].1), (plugin.id(), pair[0].1), "and calls do not nest");
        finished.push((pair[1].1.name(), pair[1].2.unwrap()));
    }
    let ok = |name| (name, Outcome::Ok);
    assert_eq!(
        finished,
        [
            ok("create"),
            ok("stream_open"),
            ok("stream_event"),
            ok("stream_event"),
            ("stream_event", Outcome::Error),
            ok("stream_close"),
            ok("stream_open"),
            ("stream_event", Outcome::Panic),
            ok("stream_open"),
            ok("stream_close"),
            ok("destroy"),
        ]
    );
    let expected =
        ["named Info created and more", "named Debug closed: failed", "named Debug closed: cancelled"];
    // A worker's lines come when they come; the first is its own, of what confines it.
    let until = Instant::now() + Duration::from_secs(30);
    let told = || -> Vec<String> {
        LINES.lock().iter().filter(|line| !line.contains("its worker is confined")).cloned().collect()
    };
    while told().len() < expected.len() && Instant::now() < until {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(told(), expected, "{mode:?}");
}
