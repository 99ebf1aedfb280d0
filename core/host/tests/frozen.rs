//! A plugin of each minor: built against the header as it was released, loaded by the host of today, every function
//! called and every field compared, inline and in a worker. And one that says it is of a minor far ahead.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::wait;
use parking_lot::Mutex;
use serde_json::json;
use tidegate_host::{
    Answer, Attempt, Auth, Class, Close, CreateError, Dialect, End, Events, FailureIn, Framing, HeadIn,
    Header, History, LoadOptions, LogLevel, Note, Phase, Pick, Plugin, PluginError, Reply, RequestIn,
    ResponseSpec, Target, abi, load, set_log,
};

const ABI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/abi");

/// What the plugins of this program said, with the plugin's name.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn keep(plugin: &str, _: LogLevel, message: &str) {
    LINES.lock().push(format!("{plugin} {message}"));
}

/// The folder of a minor's header.
fn header_of(minor: u32) -> PathBuf {
    if minor == abi::ABI_MINOR {
        return Path::new(ABI).join("include");
    }
    Path::new(ABI).join(format!("tests/frozen/v{}.{minor}", abi::ABI_MAJOR))
}

/// `frozen.so`, made from the frozen source with this folder's header.
fn built(header: &Path, macros: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("frozen.so");
    let output = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fPIC", "-shared"])
        .args(["-fvisibility=hidden", "-I"])
        .arg(header)
        .args(macros)
        .arg(Path::new(ABI).join("tests/frozen/plugin.c"))
        .arg("-o")
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (dir, path)
}

/// The plugin's own fold: FNV-1a over eight bytes a number; a string is its length and its bytes.
#[derive(Clone, Copy, Default)]
struct Fold(u64);

impl Fold {
    fn numbers(mut self, numbers: &[u64]) -> Self {
        for byte in numbers.iter().flat_map(|number| number.to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
        }
        self
    }

    fn text(self, text: &[u8]) -> Self {
        text.iter().fold(self.numbers(&[text.len() as u64]), |fold, byte| fold.numbers(&[u64::from(*byte)]))
    }

    fn headers(self, headers: &[(&str, &[u8])]) -> Self {
        let count = self.numbers(&[headers.len() as u64]);
        headers.iter().fold(count, |fold, (name, value)| fold.text(name.as_bytes()).text(value))
    }

    fn words(self) -> String {
        self.0.to_string()
    }
}

const HEADERS: [(&str, &[u8]); 2] = [("x-trace", b"7"), ("accept", b"\xff")];

fn lent() -> [Header<'static>; 2] {
    HEADERS.map(|(name, value)| Header::new(name, value))
}

/// Calls everything and says what was not as it should be. `minor`: of the header that the plugin was built against.
fn wrong(plugin: &Arc<Plugin>, minor: u32) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, right: bool| {
        if !right {
            wrong.push(what.to_owned());
        }
    };
    check("the name", (plugin.name(), plugin.version()) == ("frozen", "1.0"));
    let offer = plugin.manifest().provider("frozen").map(|offer| offer.dialects.clone());
    check("the manifest", offer == Some(vec![Dialect::OpenaiChat]));
    provider(plugin, &mut check);
    policy(plugin, minor, &mut check);
    wrong
}

fn provider(plugin: &Arc<Plugin>, check: &mut impl FnMut(&str, bool)) {
    let provider = plugin.provider().unwrap();
    let refused = provider.create(&json!({})).map(drop);
    check("create's refusal", refused == Err(CreateError::Config("nothing is set".to_owned())));
    let config = json!({"provider": "frozen", "model": "m"});
    let Ok(instance) = provider.create(&config) else { return check("create", false) };

    let headers = lent();
    let ask = RequestIn {
        dialect: Dialect::OpenaiChat,
        stream: true,
        model: "m",
        body: br#"{"model":"down"}"#,
        model_span: Some(9..15),
        headers: &headers,
    };
    let fold = Fold::default()
        .text(config.to_string().as_bytes())
        .numbers(&[1, 1])
        .text(b"m")
        .text(ask.body)
        .numbers(&[9, 6])
        .headers(&HEADERS);
    match wait(instance.request(&ask)) {
        Err(error) => check(&format!("request: {error}"), false),
        Ok(built) => {
            check("request's target", (&*built.method, &*built.url) == ("PUT", "http://127.0.0.1:9/frozen"));
            check("request's header", built.headers == [("x-frozen".to_owned(), "yes".to_owned())]);
            let (secret, name, prefix) = ("api_key".to_owned(), "x-key".to_owned(), "pre ".to_owned());
            check("request's auth", built.auth == Auth::Header { secret, name, prefix });
            let (dialect, framing) = (Dialect::GeminiGenerate, Framing::JsonLines);
            check(
                "request's response",
                built.response == ResponseSpec { dialect, framing, every_event: true },
            );
            check("request's input", built.body == format!("fold {}", fold.words()).as_bytes());
        }
    }
    let refused = wait(instance.request(&RequestIn { model: "refused", ..ask }));
    check("request's refusal", refused == Err(PluginError::Unsupported("not this one".to_owned())));

    let head = HeadIn {
        http_status: 203,
        dialect: Dialect::OpenaiChat,
        framing: Framing::JsonLines,
        model: "asked",
        headers: &headers,
        unix_ms: 1_234_567_890_123,
        seed: u64::MAX - 1,
    };
    let of_head = Fold::default()
        .numbers(&[203, 1, 2])
        .text(b"asked")
        .headers(&HEADERS)
        .numbers(&[head.unix_ms, head.seed]);
    stream(&instance, &head, of_head, check);

    let whole = wait(instance.response(&head, b"{}"));
    check("response", whole == Ok(Reply::Body(of_head.text(b"{}").words().into_bytes())));
    check("response passes", wait(instance.response(&head, b"pass")) == Ok(Reply::Pass));
    classify(&instance, check);
}

fn stream(
    instance: &tidegate_host::ProviderInstance,
    head: &HeadIn<'_>,
    of_head: Fold,
    check: &mut impl FnMut(&str, bool),
) {
    let mut out = Events::default();
    let Ok(mut stream) = wait(instance.open(head)) else { return check("stream_open", false) };
    // In a worker the calls are answered ahead, in one frame: it stops at the first that is neither done nor passed.
    let ask = |stream: &mut tidegate_host::Stream, data: &[u8], stray: bool, out: &mut Events| {
        stream.prefetch(std::iter::once((&b"name"[..], data, stray)), false);
        wait(std::future::poll_fn(|cx| stream.poll_prefetched(cx)));
        stream.event(b"name", data, stray, out)
    };
    let answer = ask(&mut stream, b"data", true, &mut out);
    let fold = of_head.numbers(&[1]).text(b"name").text(b"data").words();
    check("stream_event", answer == Ok(Answer::Done) && out.iter().eq([(&b"fold"[..], fold.as_bytes())]));
    check("stream_event passes", ask(&mut stream, b"pass", false, &mut out) == Ok(Answer::Pass));
    check("stream_event's notes", ask(&mut stream, b"notes", false, &mut out) == Ok(Answer::Done));
    let notes = [Note::TokensIn, Note::TokensOut, Note::TokensCached, Note::TokensReasoning];
    check("the notes", out.notes().iter().copied().eq(notes.into_iter().zip([10, 20, 30, 40])));
    check(
        "stream_event's end",
        ask(&mut stream, b"end", false, &mut out) == Ok(Answer::Done) && out.is_done(),
    );
    let end = finished(&mut stream, &mut out);
    check("stream_end", end == Ok(End::Done) && out.iter().eq([(&b""[..], &b"last"[..])]));
    stream.close(Close::End);

    let Ok(mut cut) = wait(instance.open(head)) else { return check("stream_open again", false) };
    check("stream_event's error", ask(&mut cut, b"upstream", false, &mut out) == Ok(Answer::Upstream));
    cut.close(Close::Failed);
    let Ok(mut cut) = wait(instance.open(head)) else { return check("a third stream_open", false) };
    check("a truncated stream_end", finished(&mut cut, &mut out) == Ok(End::Truncated));
    drop(cut);
}

fn finished(stream: &mut tidegate_host::Stream, out: &mut Events) -> Result<End, PluginError> {
    stream.prefetch(std::iter::empty(), true);
    wait(std::future::poll_fn(|cx| stream.poll_prefetched(cx)));
    stream.end(out)
}

fn classify(instance: &tidegate_host::ProviderInstance, check: &mut impl FnMut(&str, bool)) {
    let headers = lent();
    let failure = FailureIn {
        phase: Phase::Stream,
        http_status: 200,
        headers: &headers,
        event: b"error",
        body: b"{}",
        unix_ms: 3,
        bytes_to_client: 4,
    };
    let (error, http_status) = (abi::error::OVERLOADED, 503);
    let default = Class { error, http_status, retryable: true, quota: false, retry_after_ms: None };
    let fold = Fold(2_000_000 + 503_000 + 1).numbers(&[2, 200]).headers(&HEADERS);
    let fold = fold.text(b"error").text(b"{}").numbers(&[3, 4]);
    let Ok(named) = wait(instance.classify(&failure, default)) else { return check("classify", false) };
    let (error, http_status) = (abi::error::RATE_LIMIT, 429);
    let class = Class { error, http_status, retryable: false, quota: true, retry_after_ms: Some(1500) };
    check("classify's class", named.class == class);
    check("classify's input", named.message == Some(fold.words()));
    check("classify's code", named.code.as_deref() == Some("frozen"));
}

fn policy(plugin: &Arc<Plugin>, minor: u32, check: &mut impl FnMut(&str, bool)) {
    let policy = plugin.policy().unwrap();
    let refused = policy.create(&json!([])).map(drop);
    check("the policy's refusal", refused == Err(CreateError::Config("nothing is set".to_owned())));
    let Ok(instance) = policy.create(&json!({"router": {}})) else {
        return check("the policy's create", false);
    };
    let attempts = [attempt(1), attempt(20)];
    let targets = [target("one", 100), target("two", 200), target("three", 300)];
    let history = History {
        now_ms: 1,
        deadline_ms: 2,
        seed: 3,
        attempts_left: 4,
        retry_tokens: 5,
        group: "group",
        options: b"{}",
        attempts: &attempts,
        targets: &targets,
        stream: true,
        prompt_tokens: 6,
    };
    let fold = of_history(&history, minor);
    match wait(instance.decide(&history)) {
        Err(error) => check(&format!("decide: {error}"), false),
        Ok(action) => {
            let kind = action.kind == tidegate_host::ActionKind::Fallback;
            check("decide", kind && (action.target, action.reason, action.cooldown_ms) == (1, 7, 9));
            check("decide's input", action.delay_ms == fold);
        }
    }
    let raised = wait(instance.decide(&History { options: b"raise", ..history }));
    check("a raise", raised.is_ok_and(|action| action.kind == tidegate_host::ActionKind::Raise));
    let first = History { attempts: &[], ..history };
    let picked = Pick::Target((of_history(&first, minor) % 3) as u32);
    check("pick", instance.has_pick() && wait(instance.pick(&first)) == Ok(picked));
    check("pick leaves it", wait(instance.pick(&History { options: b"host", ..first })) == Ok(Pick::Host));
}

fn attempt(from: u32) -> Attempt {
    let at = |more: u32| u64::from(from + more);
    Attempt {
        target: 1,
        error: from + 1,
        http_status: from + 2,
        flags: from + 3,
        started_ms: at(4),
        ended_ms: at(5),
        retry_after_ms: at(6),
        bytes_to_client: at(7),
    }
}

fn target(id: &'static str, from: u32) -> Target<'static> {
    let at = |more: u32| u64::from(from + more);
    Target {
        id: id.into(),
        group: "group".into(),
        weight: from,
        order: from + 1,
        flags: from + 2,
        inflight: from + 3,
        fails_minute: from + 4,
        oks_minute: from + 5,
        cooldown_ms: at(6),
        latency_us: at(7),
        fails_recent: from + 8,
        requests_minute: from + 9,
        tokens_minute: at(10),
        answer_us: at(11),
        input_cost: at(12),
        output_cost: at(13),
        total_us: at(14),
    }
}

/// Each field that the minor has, in the order in which the plugin folds them.
fn of_history(history: &History<'_>, minor: u32) -> u64 {
    let History { now_ms, deadline_ms, seed, attempts_left, retry_tokens, .. } = *history;
    let fold =
        Fold::default().numbers(&[now_ms, deadline_ms, seed, attempts_left.into(), retry_tokens.into()]);
    let fold = fold.text(history.group.as_bytes()).text(history.options);
    let fold = history.attempts.iter().fold(fold, |fold, it| {
        let narrow = [it.target, it.error, it.http_status, it.flags].map(u64::from);
        fold.numbers(&narrow).numbers(&[it.started_ms, it.ended_ms, it.retry_after_ms, it.bytes_to_client])
    });
    let ids = ["one", "two", "three"].into_iter();
    let fold = history.targets.iter().zip(ids).fold(fold, |fold, (it, id)| {
        let fold = fold.text(id.as_bytes()).text(b"group");
        let fold = fold.numbers(&[it.weight, it.order, it.flags, it.inflight].map(u64::from));
        let mut fold =
            fold.numbers(&[it.fails_minute.into(), it.oks_minute.into(), it.cooldown_ms, it.latency_us]);
        if minor >= 1 {
            fold = fold.numbers(&[
                it.fails_recent.into(),
                it.requests_minute.into(),
                it.tokens_minute,
                it.answer_us,
            ]);
        }
        if minor >= 2 {
            fold = fold.numbers(&[it.input_cost, it.output_cost, it.total_us]);
        }
        fold
    });
    // The stream's flag, and the prompt's length.
    if minor >= 2 { fold.numbers(&[1, history.prompt_tokens]).0 } else { fold.0 }
}

#[test]
fn plugins_of_every_minor_are_served() {
    assert!(set_log(keep));
    for minor in 0..=abi::ABI_MINOR {
        let (_dir, path) = built(&header_of(minor), &[]);
        let inline = load(&path, &LoadOptions::default()).unwrap();
        let worker = common::isolated(&path, |_| {});
        for (place, plugin) in [("inline", inline), ("in a worker", worker)] {
            assert_eq!(plugin.abi_minor(), minor);
            LINES.lock().clear();
            assert_eq!(wrong(&plugin, minor), Vec::<String>::new(), "1.{minor} {place}");
            // What was made was let go of, once each: two instances and three streams.
            let lines = [
                "created",
                "created",
                "closed: end",
                "closed: failed",
                "closed: cancelled",
                "destroyed",
                "destroyed",
            ];
            said(&lines, &format!("1.{minor} {place}"));
        }
    }
}

/// Waits until a plugin has said this, in whatever order: a worker's lines come when they come.
fn said(lines: &[&str], whence: &str) {
    let mut expected: Vec<String> = lines.iter().map(|line| format!("frozen {line}")).collect();
    expected.sort();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let mut said = LINES.lock().clone();
        said.sort();
        if said == expected {
            return;
        }
        assert!(Instant::now() < until, "{whence}: {said:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Its tables and its descriptor are longer than ours, and hold what we do not know.
#[test]
fn a_plugin_of_a_minor_far_ahead_is_served() {
    let (_dir, path) = built(&header_of(abi::ABI_MINOR), &["-DMINOR=99", "-DTAIL=9"]);
    for plugin in [load(&path, &LoadOptions::default()).unwrap(), common::isolated(&path, |_| {})] {
        assert_eq!(plugin.abi_minor(), 99);
        assert_eq!(wrong(&plugin, abi::ABI_MINOR), Vec::<String>::new());
    }
}

/// A host that had moved a field would not be found out by the tests above if these headers were not.
#[test]
fn a_header_with_a_moved_field_is_found_out() {
    let text = std::fs::read_to_string(header_of(0).join("tidegate.h")).unwrap();
    for (from, to, said) in [
        ("uint64_t now_ms, deadline_ms;", "uint64_t deadline_ms, now_ms;", "decide's input"),
        ("  uint32_t weight, order,", "  uint32_t order, weight,", "pick"),
        (
            "  uint32_t target, error, http_status, flags;",
            "  uint32_t target, http_status, error, flags;",
            "decide's input",
        ),
        (
            "  uint64_t cooldown_ms;              /*",
            "  uint64_t more;\n  uint64_t cooldown_ms; /*",
            "decide's input",
        ),
        (
            "  tg_str model;      /* the upstream's",
            "  tg_str body, model; /* the upstream's",
            "request's input",
        ),
        ("tg_str secret, header, prefix,", "tg_str secret, prefix, header,", "request:"),
        (
            "  uint32_t size, http_status;\n  uint32_t dialect; /* the client's */",
            "  uint32_t size, dialect;\n  uint32_t http_status; /* the client's */",
            "stream_event",
        ),
        (
            "  uint32_t error, http_status; /* the status to tell",
            "  uint32_t http_status, error; /* the status to tell",
            "classify",
        ),
        ("  uint32_t target, reason;", "  uint32_t reason, target;", "decide"),
        ("  TG_E_UPSTREAM = -8", "  TG_E_UPSTREAM = -4", "stream_event's error"),
    ] {
        assert!(text.contains(from), "the frozen header has no {from:?}");
        let dir = tempfile::tempdir().unwrap();
        // A member that came first is not wanted twice.
        let moved = text.replacen(from, to, 1).replacen(
            "  tg_str body;       /* JSON object",
            "  /* JSON object",
            usize::from(to.contains("body, model")),
        );
        std::fs::write(dir.path().join("tidegate.h"), moved).unwrap();
        let (_dir, path) = built(dir.path(), &[]);
        let found = wrong(&load(&path, &LoadOptions::default()).unwrap(), 0);
        assert!(found.iter().any(|what| what.contains(said)), "{to:?}: {found:?}");
    }
}
