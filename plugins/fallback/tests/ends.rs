//! The policy and the engine together: under any configuration and any failures every request ends, within its
//! budget, and goes only where the rules allow.

use proptest::prelude::*;
use tidegate_engine::{Limits, Reason, Terminal};
use tidegate_plugin_fallback::Fallback;
use tidegate_plugin_sdk::{Attempt, ErrorKind, Host, Policy};

mod play;

use play::{GROUPS, Request, failure, groups};

fn request(config: &str, groups: Vec<u16>, limits: Limits, seed: u64) -> Request {
    let policy = Fallback::create(config, Host::silent()).unwrap_or_else(|why| panic!("{why}"));
    Request::new(Box::new(move |history| policy.decide(history)), groups, limits, seed)
}

fn names() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(GROUPS.to_vec()), 0..4).prop_map(|names| {
        format!("[{}]", names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(","))
    })
}

fn lists() -> impl Strategy<Value = String> {
    let lists = prop::collection::vec((prop::sample::select(vec!["a", "b", "c", "*"]), names()), 0..4);
    lists.prop_map(|lists| {
        let lists: Vec<_> = lists.iter().map(|(group, to)| format!("{{{group:?}: {to}}}")).collect();
        format!("[{}]", lists.join(","))
    })
}

fn by_error() -> impl Strategy<Value = String> {
    let classes = prop::sample::select(vec![
        "BadRequestError",
        "AuthenticationError",
        "TimeoutError",
        "RateLimitError",
        "ContentPolicyViolationError",
        "InternalServerError",
    ]);
    prop::collection::btree_map(classes, prop_oneof![0..4u32, Just(u32::MAX)], 0..6)
        .prop_map(|policy| format!("{policy:?}"))
}

/// Rules that stand beside those of [`config`]: of the configuration, and of the request.
fn rules() -> impl Strategy<Value = (String, String)> {
    let own = (prop::option::of(by_error()), by_error(), prop::option::of(by_error()), lists(), lists());
    let config = own.prop_map(|(retry, of_a, allowed, context, content)| {
        let written = |policy: Option<String>| policy.unwrap_or("null".to_owned());
        format!(
            r#""retry_policy": {}, "model_group_retry_policy": {{"a": {of_a}}}, "allowed_fails_policy": {},
               "context_window_fallbacks": {context}, "content_policy_fallbacks": {content}"#,
            written(retry),
            written(allowed)
        )
    });
    let fallbacks = prop_oneof![names(), lists(), Just("null".to_owned())];
    let request = (fallbacks, lists(), any::<bool>(), prop::option::of(0..40u32), prop::option::of(0..9u32));
    let options = request.prop_map(|(fallbacks, context, off, retries, depth)| {
        let written = |number: Option<u32>| number.map_or("null".to_owned(), |n| n.to_string());
        format!(
            r#"{{"fallbacks": {fallbacks}, "context_window_fallbacks": {context}, "disable_fallbacks": {off},
                "num_retries": {}, "max_fallbacks": {}}}"#,
            written(retries),
            written(depth)
        )
    });
    (config, prop_oneof![Just(String::new()), options])
}

fn config() -> impl Strategy<Value = String> {
    let lists = prop::collection::vec((prop::sample::select(vec!["a", "b", "c", "*"]), names()), 0..4);
    let mid_stream = prop::sample::select(vec!["fail", "continue"]);
    (0..4u32, prop::option::of(0..4u32), 0..3u32, any::<bool>(), lists, names(), 0..6u32, mid_stream).prop_map(
        |(retries, allowed, cooldown, off, lists, default, depth, mid_stream)| {
            let lists: Vec<_> = lists.iter().map(|(group, to)| format!("{{{group:?}: {to}}}")).collect();
            let allowed = allowed.map_or("null".to_owned(), |n| n.to_string());
            format!(
                r#"{{"router": {{"num_retries": {retries}, "allowed_fails": {allowed}, "cooldown_time": {cooldown},
                    "disable_cooldowns": {off}, "fallbacks": [{}], "default_fallbacks": {default},
                    "max_fallbacks": {depth}}}, "groups": {{"a": {{"mid_stream": {mid_stream:?}}}}}}}"#,
                lists.join(",")
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_request_ends(
        config in config(),
        (rules, options) in rules(),
        groups in groups(),
        failures in prop::collection::vec(failure(), 0..40),
        attempts in 1..33u32,
        continuations in 0..3u32,
        deadline_ms in 1..600_000u64,
        seed in any::<u64>(),
    ) {
        let limits = Limits { attempts, fallbacks: 5, continuations, max_delay_ms: 60_750, deadline_ms };
        let config = config.replacen("{\"router\": {", &format!("{{\"router\": {{{rules}, "), 1);
        let mut request = request(&config, groups, limits, seed);
        request.history.options = options.clone().leak();
        let terminal = request.play(&failures)?;

        let history = &request.history;
        prop_assert!(history.attempts.len() <= attempts as usize);
        let committed = history.attempts.iter().filter(|attempt| attempt.committed).count();
        prop_assert!(committed <= 1 + continuations.min(1) as usize, "continued too often");
        prop_assert!(committed < 2 || config.contains("continue"), "nobody asked for a continuation");
        let entered = request.entered();
        let mut once = entered.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(entered.len(), once.len(), "a group was entered twice: {:?}", entered);
        if options.contains("\"disable_fallbacks\": true") {
            prop_assert!(entered.len() <= 1, "a fallback was called");
        }
        for called in history.attempts.windows(2) {
            let same = called[0].target == called[1].target;
            prop_assert!(!(called[0].committed && same), "a committed stream was asked to go on itself");
            prop_assert!(!(same && called[0].quota), "an exhausted quota was asked again");
            if let (true, Some(wait_ms)) = (same, called[0].retry_after_ms) {
                prop_assert!(called[1].ended_ms >= called[0].ended_ms + wait_ms, "called before its Retry-After");
            }
        }
        match terminal {
            Terminal::Complete => prop_assert!(failures.len() <= history.attempts.len()),
            Terminal::Error(Reason::Upstream { attempt, failure }) => {
                let own = history.attempts[attempt as usize];
                prop_assert_eq!(u32::from(failure.status), own.http_status);
                prop_assert!(own.committed || request.groups[own.target as usize] == 0);
            }
            other => return Err(TestCaseError::fail(format!("nobody asked for {other:?}"))),
        }
    }
}

/// The founding case: one deployment, nothing configured, a 429 in the middle. One call, its own error.
#[test]
fn the_founding_case_ends_with_its_own_error() {
    let config = r#"{"router": {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 0, "fallbacks": []}}"#;
    let limits =
        Limits { attempts: 1, fallbacks: 0, continuations: 0, max_delay_ms: 60_000, deadline_ms: 600_000 };
    let failure = Attempt {
        error: ErrorKind::RateLimit,
        http_status: 429,
        retryable: true,
        committed: true,
        ..Attempt::default()
    };
    let mut request = request(config, vec![0], limits, 1);
    let terminal = request.play(&[failure; 3]).expect("it ends");
    assert_eq!(request.history.attempts.len(), 1);
    assert!(format!("{terminal:?}").contains("status: 429"), "{terminal:?}");
}
