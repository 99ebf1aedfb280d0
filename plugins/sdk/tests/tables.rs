//! Providers and policies driven through their C tables: what crosses, what is refused, what a panic does.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::json;
use tidegate_plugin_abi::status;
use tidegate_plugin_sdk::harness::{Harness, PolicyHarness};
use tidegate_plugin_sdk::{
    Action, Attempt, Auth, Choice, Class, Config, Dialect, End, ErrorKind, EventIn, FailureIn, Fault, Flow,
    Framing, HeadIn, Headers, History, Host, Level, Note, Policy, Provider, RequestIn, RequestOut, Stream,
    StreamOut, Target, TextOut,
};

/// Does what the model's name and the event's data say.
struct Obedient;
struct Play;

impl Provider for Obedient {
    type Stream = Play;

    fn create(config: Config, host: Host) -> Result<Self, String> {
        host.log(Level::Info, &format!("{} {}", config.provider, config.model));
        match config.model.as_str() {
            "panic" => panic!("create said so"),
            "refuse" => Err("no such model".to_owned()),
            _ => Ok(Obedient),
        }
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        match input.model {
            "panic" => panic!("request said so"),
            "invalid" => return Err(Fault::Invalid("bad body".to_owned())),
            "unsupported" => return Err(Fault::Unsupported("no pictures".to_owned())),
            _ => {}
        }
        out.target("POST", "https://x.test/v1")?;
        out.header("x-client", input.headers.get("x-client").unwrap_or("none"))?;
        out.auth(Auth::Header { secret: "api_key", header: "x-api-key", prefix: "p" })?;
        out.response_every_event(Dialect::GeminiGenerate, Framing::JsonArray)?;
        out.body(b"stream=")?;
        out.body(if input.stream { b"yes" } else { b"no" })
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Play, Fault> {
        if head.model == "panic" { panic!("open said so") } else { Ok(Play) }
    }

    fn response(&self, _: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        match body {
            b"pass" => Ok(Flow::Pass),
            b"error" => Err(Fault::Upstream),
            _ => out.write(b"made").map(|()| Flow::Done),
        }
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        assert_ne!(failure.body, b"panic", "classify said so");
        class.retry_after_ms = Some(failure.unix_ms);
        class.code = Some("word".to_owned());
        class.quota = true;
    }
}

impl Stream for Play {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        match event.text()? {
            "pass" => return Ok(Flow::Pass),
            "panic" => panic!("event said so"),
            "payload" => std::panic::panic_any(7_u32),
            "upstream" => return Err(Fault::Upstream),
            "malformed" => return Err(Fault::Protocol("it said so")),
            data => {
                for _ in 0..3 {
                    out.event(event.name, data.as_bytes())?;
                }
            }
        }
        out.note(Note::TokensOut(3))?;
        Ok(Flow::Done)
    }

    fn end(&mut self, _: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(End::Truncated)
    }
}

fn obedient(model: &str) -> Result<Harness, tidegate_plugin_sdk::harness::Refusal> {
    Harness::new::<Obedient>(
        &json!({"provider": "obedient", "model": model, "params": {}, "secrets": ["api_key"]}),
    )
}

#[test]
fn a_request_crosses_whole() {
    let harness = obedient("m").unwrap();
    assert_eq!(harness.log(), ["obedient m"]);
    let headers = Headers(vec![("x-client", "yes")]);
    let sent = harness.request(&RequestIn { stream: true, headers, ..RequestIn::default() }).unwrap();
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://x.test/v1"));
    assert_eq!(sent.headers, [("x-client".to_owned(), "yes".to_owned())]);
    let auth = sent.auth.unwrap();
    assert_eq!(
        (auth.secret.as_str(), auth.header.as_str(), auth.prefix.as_str()),
        ("api_key", "x-api-key", "p")
    );
    assert_eq!((sent.dialect, sent.framing), (Some(Dialect::GeminiGenerate), Some(Framing::JsonArray)));
    assert_eq!(sent.response_flags, tidegate_plugin_abi::response::EVERY_EVENT);
    assert_eq!(sent.body, b"stream=yes");
}

#[test]
fn refusals_say_why() {
    let refused = obedient("refuse").unwrap_err();
    assert_eq!((refused.status, refused.why.as_str()), (status::E_CONFIG, "no such model"));
    let harness = obedient("m").unwrap();
    let ask = |model| harness.request(&RequestIn { model, ..RequestIn::default() }).unwrap_err();
    assert_eq!((ask("invalid").status, ask("invalid").why.as_str()), (status::E_INVALID, "bad body"));
    assert_eq!(
        (ask("unsupported").status, ask("unsupported").why.as_str()),
        (status::E_UNSUPPORTED, "no pictures")
    );
    let config = Harness::new::<Obedient>(&json!([])).unwrap_err();
    assert_eq!(config.status, status::E_CONFIG);
    assert!(config.why.contains("configuration"), "{}", config.why);
}

#[test]
fn events_answer_with_the_abi_s_statuses() {
    let harness = obedient("m").unwrap();
    let mut stream = harness.stream(&HeadIn::default()).unwrap();
    let step = stream.event("n", "hi");
    assert_eq!(step.status, status::OK);
    assert_eq!(step.events, vec![("n".to_owned(), b"hi".to_vec()); 3]);
    assert_eq!(step.notes, [(tidegate_plugin_abi::note::TOKENS_OUT, 3)]);
    for (data, want) in [
        (&b"pass"[..], status::PASS),
        (b"upstream", status::E_UPSTREAM),
        (b"malformed", status::E_PROTOCOL),
        (b"\xff", status::E_PROTOCOL),
    ] {
        assert_eq!(stream.event("", data).status, want, "{data:?}");
    }
    assert_eq!(stream.end().status, status::E_TRUNCATED);
    assert!(harness.log().contains(&"stream_event: it said so".to_owned()));
}

#[test]
fn a_full_sink_ends_the_call() {
    let mut harness = obedient("m").unwrap();
    harness.cap = 5;
    let mut stream = harness.stream(&HeadIn::default()).unwrap();
    let step = stream.event("", "abc");
    assert_eq!((step.status, step.events.len()), (status::E_LIMIT, 1));
    assert_eq!(harness.request(&RequestIn::default()).unwrap_err().status, status::E_LIMIT);
}

#[test]
fn whole_bodies_pass_fail_or_are_made() {
    let harness = obedient("m").unwrap();
    let head = HeadIn::default();
    assert_eq!(harness.response(&head, b"pass"), (status::PASS, vec![]));
    assert_eq!(harness.response(&head, b"error").0, status::E_UPSTREAM);
    assert_eq!(harness.response(&head, b"x"), (status::OK, b"made".to_vec()));
}

#[test]
fn a_class_starts_from_the_host_s_defaults() {
    let harness = obedient("m").unwrap();
    let failure = FailureIn { http_status: 529, unix_ms: 42, ..FailureIn::default() };
    let class = harness.classify(&failure).unwrap();
    assert_eq!((class.error, class.http_status, class.retryable), (ErrorKind::Overloaded, 503, true));
    assert_eq!((class.retry_after_ms, class.quota), (Some(42), true));
    assert_eq!((class.code.as_deref(), class.message), (Some("word"), None));
}

#[test]
fn a_panic_is_a_status_and_a_log_line() {
    assert_eq!(obedient("panic").unwrap_err().status, status::E_PANIC);
    let harness = obedient("m").unwrap();
    harness.log();
    let asked = harness.request(&RequestIn { model: "panic", ..RequestIn::default() });
    assert_eq!(asked.unwrap_err().status, status::E_PANIC);
    assert_eq!(harness.stream(&HeadIn { model: "panic", ..HeadIn::default() }).unwrap_err(), status::E_PANIC);
    let failure = FailureIn { body: b"panic", ..FailureIn::default() };
    assert_eq!(harness.classify(&failure).unwrap_err(), status::E_PANIC);
    let mut stream = harness.stream(&HeadIn::default()).unwrap();
    assert_eq!(stream.event("", "panic").status, status::E_PANIC);
    let mut other = harness.stream(&HeadIn::default()).unwrap();
    assert_eq!(other.event("", "payload").status, status::E_PANIC);

    let log = harness.log();
    assert_eq!(log.len(), 5, "{log:?}");
    for (line, start) in log.iter().zip([
        "panic in request: request said so at ",
        "panic in stream_open: open said so at ",
        "panic in classify: ",
        "panic in stream_event: event said so at ",
        "panic in stream_event: (not text) at ",
    ]) {
        assert!(line.starts_with(start) && line.contains("tables.rs:"), "{line}");
    }
    let mut healthy = harness.stream(&HeadIn::default()).unwrap();
    assert_eq!(healthy.event("", "hi").status, status::OK);
}

/// Retries the target that its configuration names; panics when the group is called so.
struct Stubborn(u32);

impl Policy for Stubborn {
    const PICKS: bool = true;

    fn create(config_json: &str, _host: Host) -> Result<Self, String> {
        config_json.parse().map(Stubborn).map_err(|_| "not a number".to_owned())
    }

    fn decide(&self, history: &History<'_>) -> Action {
        assert_ne!(history.group, "panic");
        let last = history.last().copied().unwrap_or_default();
        Action::retry(self.0, last.retry_after_ms.unwrap_or(9))
            .cooldown(last.ended_ms)
            .reason(last.http_status)
    }

    fn pick(&self, history: &History<'_>) -> Action {
        Action::fallback(history.targets.len() as u32, 0)
    }
}

#[test]
fn a_policy_sees_the_history_and_answers() {
    let harness = PolicyHarness::new::<Stubborn>("1").unwrap();
    let attempt = Attempt {
        target: 1,
        error: ErrorKind::RateLimit,
        http_status: 429,
        retry_after_ms: Some(1500),
        ended_ms: 20,
        ..Attempt::default()
    };
    let target = Target { id: "d", group: "g", ..Target::default() };
    let history = History {
        group: "g",
        attempts: vec![Attempt::default(), attempt],
        targets: vec![target; 3],
        ..History::default()
    };
    let action = harness.decide(&history).unwrap();
    assert_eq!(action, Action::retry(1, 1500).cooldown(20).reason(429));
    assert_eq!(
        harness.pick(&history).map(|action| (action.choice, action.target)),
        Ok((Choice::Fallback, 3))
    );
    assert_eq!(harness.decide(&History { group: "panic", ..History::default() }), Err(status::E_PANIC));
    assert_eq!(harness.log().len(), 1);
    assert_eq!(PolicyHarness::new::<Stubborn>("x").unwrap_err().why, "not a number");
}

/// Answers only a history that is [`told`] in each of its parts.
struct Mirror;

fn told() -> History<'static> {
    let attempt = Attempt { target: 1, started_ms: 1, ended_ms: 2, committed: true, ..Attempt::default() };
    let target = Target {
        id: "d",
        group: "g",
        weight: 1,
        order: 2,
        unavailable: true,
        special: true,
        inflight: 3,
        fails_minute: 4,
        oks_minute: 5,
        cooldown_ms: 6,
        latency_us: 7,
        fails_recent: 8,
        requests_minute: 9,
        tokens_minute: 10,
        answer_us: 11,
        input_cost: Some(12),
        output_cost: Some(0),
        total_us: 13,
    };
    let unknown =
        Target { unavailable: false, special: false, input_cost: None, output_cost: None, ..target };
    History {
        now_ms: 14,
        deadline_ms: 15,
        seed: 16,
        attempts_left: 17,
        retry_tokens: 18,
        group: "g",
        options: "{}",
        attempts: vec![attempt],
        targets: vec![target, unknown],
        stream: Some(false),
        prompt_tokens: 19,
    }
}

impl Policy for Mirror {
    fn create(_: &str, _: Host) -> Result<Self, String> {
        Ok(Mirror)
    }

    fn decide(&self, history: &History<'_>) -> Action {
        assert_eq!(format!("{history:?}"), format!("{:?}", told()));
        Action::raise().reason(1)
    }
}

#[test]
fn a_history_crosses_whole() {
    let harness = PolicyHarness::new::<Mirror>("{}").unwrap();
    assert_eq!(harness.decide(&told()), Ok(Action::raise().reason(1)));
    for other in [
        History { stream: Some(true), ..told() },
        History { stream: None, ..told() },
        History { prompt_tokens: 0, ..told() },
        History { targets: told().targets.into_iter().rev().collect(), ..told() },
    ] {
        assert_eq!(harness.decide(&other), Err(status::E_PANIC), "{other:?}");
    }
}
