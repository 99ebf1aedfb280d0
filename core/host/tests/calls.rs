//! Each call's good answer, and each way to answer wrongly.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod common;

use common::{Mode, in_both_modes, loaded, wait};
use serde_json::json;
use tidegate_host::{
    Action, ActionKind, Answer, Attempt, Auth, Class, Close, CreateError, Dialect, End, Events, FailureIn,
    Framing, HeadIn, Header, History, Limits, Note, Phase, Pick, PluginError, PolicyInstance,
    ProviderInstance, Reply, RequestIn, Stream, Target, UpstreamRequest, abi,
};

in_both_modes! {
    a_refused_configuration_says_why
    a_request_is_built
    a_request_that_is_refused_or_wrong_is_an_error
    events_pass_or_are_written_and_notes_are_kept
    an_event_that_fails_leaves_nothing_written
    a_stream_is_closed_once_unless_it_panicked
    a_stream_outlives_its_instance_and_moves_between_threads
    a_whole_body_passes_or_is_translated
    a_failure_is_named
    a_policy_decides_within_the_targets_it_was_given
    a_policy_is_told_prices_and_times
    a_policy_picks_or_leaves_it_to_the_host
}

fn provider(mode: Mode) -> ProviderInstance {
    loaded(mode, &[]).provider().unwrap().create(&json!({})).unwrap()
}

fn head(model: &str) -> HeadIn<'_> {
    HeadIn {
        http_status: 200,
        dialect: Dialect::OpenaiChat,
        framing: Framing::Sse,
        model,
        headers: &[],
        unix_ms: 0,
        seed: 0,
    }
}

fn request(provider: &ProviderInstance, model: &str) -> Result<UpstreamRequest, PluginError> {
    wait(provider.request(&RequestIn {
        dialect: Dialect::OpenaiChat,
        stream: true,
        model,
        body: br#"{"model":"down","n":1}"#,
        model_span: Some(9..15),
        headers: &[Header::new("x-trace", b"7")],
    }))
}

fn classify(provider: &ProviderInstance, body: &[u8]) -> Result<tidegate_host::Classified, PluginError> {
    let failure = FailureIn {
        phase: Phase::Status,
        http_status: 503,
        headers: &[],
        event: b"",
        body,
        unix_ms: 0,
        bytes_to_client: 0,
    };
    wait(provider.classify(&failure, DEFAULT))
}

const DEFAULT: Class = Class {
    error: abi::error::OVERLOADED,
    http_status: 503,
    retryable: true,
    quota: false,
    retry_after_ms: None,
};

fn bad(error: &PluginError, what: &str) {
    assert!(matches!(error, PluginError::BadAnswer(..)), "{error:?}");
    let sentence = error.to_string();
    assert!(sentence.starts_with("the plugin \"scripted\", asked to "), "{sentence}");
    assert!(sentence.contains(what), "{sentence}");
}

fn a_refused_configuration_says_why(mode: Mode) {
    let provider = loaded(mode, &[]).provider().unwrap();
    let refused = |config| provider.create(&config).unwrap_err();
    assert_eq!(refused(json!("bad")), CreateError::Config("the model is missing".to_owned()));
    assert!(matches!(refused(json!("panic")), CreateError::Plugin(PluginError::Panic(_))));
    assert!(
        refused(json!("odd")).to_string().ends_with("broke its contract: status -77 is no answer to that")
    );
}

fn a_request_is_built(mode: Mode) {
    let built = request(&provider(mode), "good").unwrap();
    assert_eq!((built.method.as_str(), built.url.as_str()), ("POST", "https://a/v1"));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(built.headers, [header("accept", "text/event-stream"), header("x-trace", "7")]);
    let auth = Auth::Header { secret: "api_key".into(), name: "x-key".into(), prefix: String::new() };
    assert_eq!(built.auth, auth);
    assert_eq!(built.response.dialect, Dialect::GeminiGenerate);
    assert_eq!(built.response.framing, Framing::Auto, "an unknown value is the default");
    assert!(built.response.every_event);
    assert_eq!(built.body, br#"{"model":"up","n":1}"#);
    assert_eq!(request(&provider(mode), "auth-of-tomorrow").unwrap().auth, Auth::None);
}

fn a_request_that_is_refused_or_wrong_is_an_error(mode: Mode) {
    let provider = provider(mode);
    let error = |model| request(&provider, model).unwrap_err();
    assert_eq!(error("invalid"), PluginError::Invalid("temperature is not a number".to_owned()));
    let PluginError::Unsupported(why) = error("unsupported") else { panic!("not unsupported") };
    assert!(why.contains("does not say why"), "{why}");
    assert!(matches!(error("panic"), PluginError::Panic(_)));
    bad(&error("pass"), "status 1 is no answer");
    bad(&error("no-target"), "it set no target");
    bad(&error("url-not-utf8"), "not UTF-8");
    bad(&error("split-header"), "line break");
    let limits = Limits { request_body: 100, ..Limits::default() };
    let small = provider.clone().with_limits(limits);
    assert!(matches!(request(&small, "long-body").unwrap_err(), PluginError::Limit(_)));
    assert!(request(&provider, "good").is_ok(), "a panic leaves the instance usable");
}

fn events_pass_or_are_written_and_notes_are_kept(mode: Mode) {
    let mut stream = wait(provider(mode).open(&head("m"))).unwrap();
    let mut out = Events::default();
    assert_eq!(stream.event(b"n", b"four", false, &mut out), Ok(Answer::Done));
    assert!(out.iter().eq([(&b"n"[..], &b"four"[..]), (b"", b"again")]));
    assert_eq!(out.notes(), [(Note::TokensOut, 4)], "a note of a later minor is ignored");
    assert!(!out.is_done());
    assert_eq!(stream.event(b"", b"last", false, &mut out), Ok(Answer::Done));
    assert!(out.is_done());
    assert_eq!(out.len(), 2, "each call empties it");
    assert_eq!(stream.event(b"", b"nothing", false, &mut out), Ok(Answer::Done));
    assert!(out.is_empty() && !out.is_done());
    assert_eq!(stream.event(b"", b"pass", false, &mut out), Ok(Answer::Pass));
    assert_eq!(stream.event(b"", b"upstream", false, &mut out), Ok(Answer::Upstream));
    assert_eq!(stream.end(&mut out), Ok(End::Truncated));
    stream.close(Close::End);
}

fn an_event_that_fails_leaves_nothing_written(mode: Mode) {
    let mut stream = wait(provider(mode).open(&head("m"))).unwrap();
    let mut out = Events::new(100, 10);
    let mut error = |data: &[u8], stray| {
        let error = stream.event(b"", data, stray, &mut out).unwrap_err();
        assert!(out.is_empty() && out.notes().is_empty(), "{data:?}");
        error
    };
    assert!(matches!(error(b"protocol", false), PluginError::Protocol(_)));
    assert!(matches!(error(b"any", true), PluginError::Protocol(_)), "a stray text is told as one");
    assert!(matches!(error(b"flood", false), PluginError::Limit(_)), "a refusal outranks TG_OK");
    bad(&error(b"pass-and-write", false), "passed the event through and wrote others");
    bad(&error(b"not-utf8", false), "not UTF-8");
    bad(&error(b"two-line-name", false), "line break");
    bad(&error(b"odd", false), "status 7");
}

fn a_stream_is_closed_once_unless_it_panicked(mode: Mode) {
    let provider = provider(mode);
    let open = || classify(&provider, b"open").unwrap().class.retry_after_ms.unwrap();
    let mut out = Events::default();
    let stream: Stream = wait(provider.open(&head("m"))).unwrap();
    let other = wait(provider.open(&head("m"))).unwrap();
    assert_eq!(open(), 2);
    stream.close(Close::End);
    assert_eq!(open(), 1);
    drop(other);
    assert_eq!(open(), 0);
    assert!(matches!(wait(provider.open(&head("panic"))), Err(PluginError::Panic(_))));

    let mut poisoned = wait(provider.open(&head("m"))).unwrap();
    assert_eq!(poisoned.event(b"", b"text", false, &mut out), Ok(Answer::Done));
    assert!(matches!(poisoned.event(b"", b"panic", false, &mut out), Err(PluginError::Panic(_))));
    assert!(poisoned.is_poisoned());
    assert!(matches!(poisoned.event(b"", b"text", false, &mut out), Err(PluginError::Poisoned(_))));
    assert!(out.is_empty());
    assert!(matches!(poisoned.end(&mut out), Err(PluginError::Poisoned(_))));
    drop(poisoned);
    assert_eq!(open(), 1, "it is leaked, not closed");
}

fn a_stream_outlives_its_instance_and_moves_between_threads(mode: Mode) {
    let provider = provider(mode);
    let mut stream = wait(provider.open(&head("m"))).unwrap();
    drop(provider);
    let answer = std::thread::spawn(move || stream.event(b"", b"pass", false, &mut Events::default()));
    assert_eq!(answer.join().unwrap(), Ok(Answer::Pass));
}

fn a_whole_body_passes_or_is_translated(mode: Mode) {
    let provider = provider(mode);
    let response = |body: &[u8]| wait(provider.response(&head("m"), body));
    assert_eq!(response(b"pass"), Ok(Reply::Pass));
    assert_eq!(response(b"upstream"), Ok(Reply::Upstream));
    assert_eq!(response(b"text"), Ok(Reply::Body("ä".into())));
    assert!(matches!(response(b"protocol"), Err(PluginError::Protocol(_))));
    bad(&response(b"empty").unwrap_err(), "wrote no body");
    bad(&response(b"not-utf8").unwrap_err(), "not UTF-8");
    bad(&response(b"pass-and-write").unwrap_err(), "passed the body through");
    bad(&response(b"invalid").unwrap_err(), "status -2 is no answer");
    let limits = Limits { response_body: 1, ..Limits::default() };
    let small = provider.clone().with_limits(limits);
    assert!(matches!(wait(small.response(&head("m"), b"text")), Err(PluginError::Limit(_))));
}

fn a_failure_is_named(mode: Mode) {
    let provider = provider(mode);
    let named = classify(&provider, b"slow").unwrap();
    assert_eq!(named.class.error, abi::error::RATE_LIMIT);
    assert_eq!((named.class.http_status, named.class.retryable, named.class.quota), (503, true, true));
    assert_eq!(named.class.retry_after_ms, None);
    assert_eq!((named.message.as_deref(), named.code.as_deref()), (Some("slow down"), Some("quota")));
    assert_eq!(
        classify(&provider, b"pass").unwrap().class,
        DEFAULT,
        "what was touched before PASS is not used"
    );
    assert_eq!(classify(&provider, b"new-error").unwrap().class.error, abi::error::UNKNOWN);
    let long = classify(&provider, b"long").unwrap();
    assert_eq!(long.message.unwrap().len(), 4096);
    assert_eq!(long.code.as_deref(), Some("still_said"));
    assert!(matches!(classify(&provider, b"panic"), Err(PluginError::Panic(_))));
    bad(&classify(&provider, b"fine").unwrap_err(), "HTTP status 200 tells of no failure");
    bad(&classify(&provider, b"beyond").unwrap_err(), "HTTP status 65965");
    assert_eq!(provider.self_test(), Ok(()));
}

fn policy(mode: Mode, macros: &[&str]) -> PolicyInstance {
    loaded(mode, macros).policy().unwrap().create(&json!({})).unwrap()
}

fn history<'a>(options: &'a str, attempts: &'a [Attempt], targets: &'a [Target<'a>]) -> History<'a> {
    History {
        now_ms: 5,
        deadline_ms: 100,
        seed: 1,
        attempts_left: 2,
        retry_tokens: 9,
        group: "g",
        options: options.as_bytes(),
        attempts,
        targets,
        stream: true,
        prompt_tokens: 30,
    }
}

fn targets() -> [Target<'static>; 2] {
    let target = |id: &'static str, cooldown_ms| Target {
        id: id.into(),
        group: "g".into(),
        weight: 1,
        cooldown_ms,
        ..Target::default()
    };
    [target("a", 3), target("b", 4)]
}

fn attempt(retry_after_ms: u64) -> Attempt {
    Attempt {
        target: 0,
        error: abi::error::RATE_LIMIT,
        http_status: 429,
        flags: abi::attempt::HAS_RETRY_AFTER,
        started_ms: 0,
        ended_ms: 5,
        retry_after_ms,
        bytes_to_client: 0,
    }
}

fn a_policy_decides_within_the_targets_it_was_given(mode: Mode) {
    let (policy, attempts, targets) = (policy(mode, &[]), [attempt(1), attempt(70)], targets());
    let decide = |options| wait(policy.decide(&history(options, &attempts, &targets)));
    let retry = Action { kind: ActionKind::Retry, target: 1, reason: 0, delay_ms: 70, cooldown_ms: 4 };
    assert_eq!(decide(""), Ok(retry));
    assert_eq!(decide("nothing").unwrap().kind, ActionKind::Raise, "the zeroed action");
    assert_eq!(decide("tomorrow").unwrap().kind, ActionKind::Raise, "an unknown one");
    bad(&decide("beyond").unwrap_err(), "it chose target 2 of 2");
    assert!(matches!(decide("panic"), Err(PluginError::Panic(_))));
}

fn a_policy_is_told_prices_and_times(mode: Mode) {
    let (policy, attempts, mut targets) = (policy(mode, &[]), [attempt(1)], targets());
    let known = abi::target::HAS_INPUT_COST | abi::target::HAS_OUTPUT_COST;
    targets[1] = Target { flags: known, input_cost: 2, output_cost: 7, total_us: 11, ..targets[1] };
    let history = history("price", &attempts, &targets);
    let answer = |history: &History<'_>| {
        let action = wait(policy.decide(history)).unwrap();
        (action.delay_ms, action.cooldown_ms, action.reason)
    };
    assert_eq!(answer(&history), (67, 11, abi::history::STREAM << 8 | known));
    let whole = History { stream: false, prompt_tokens: 0, ..history };
    assert_eq!(answer(&whole), (7, 11, abi::history::WHOLE << 8 | known));
}

fn a_policy_picks_or_leaves_it_to_the_host(mode: Mode) {
    let (policy, targets) = (policy(mode, &[]), targets());
    assert!(policy.has_pick());
    let pick = |options, targets| wait(policy.pick(&history(options, &[], targets)));
    assert_eq!(pick("", &targets), Ok(Pick::Target(1)));
    assert_eq!(pick("host", &targets), Ok(Pick::Host));
    assert_eq!(pick("none", &targets), Ok(Pick::None));
    bad(&pick("", &targets[..1]).unwrap_err(), "it chose target 1 of 1");
    let without = self::policy(mode, &["NO_PICK"]);
    assert_eq!(wait(without.pick(&history("", &[], &targets))), Ok(Pick::Host));
}
