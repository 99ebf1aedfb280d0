//! Retries and allowed failures by the kind of error.

use tidegate_plugin_sdk::{Attempt, Choice, ErrorKind, Target};

use crate::story::{RAISED, choice, decide, failed, history, target};

/// Indices: a 0, b 1. `b` is the fallback of `a`.
fn retries(policies: &str, attempts: &[Attempt]) -> (Choice, u32) {
    let config = format!(
        r#"{{"router": {{"num_retries": 1, "disable_cooldowns": true, "fallbacks": [{{"a": ["b"]}}], {policies}}}}}"#
    );
    choice(decide(&config, &history(&[target("a1", "a"), target("b1", "b")], attempts)))
}

const AGAIN: (Choice, u32) = (Choice::Retry, 0);
const ON: (Choice, u32) = (Choice::Fallback, 1);

fn kind(error: ErrorKind, status: u32) -> Attempt {
    Attempt { error, ..failed(0, status) }
}

#[test]
fn each_class_has_its_name() {
    for (name, attempt) in [
        ("BadRequestError", failed(0, 400)),
        ("BadRequestError", kind(ErrorKind::ContextLength, 400)),
        ("BadRequestError", kind(ErrorKind::ContentFilter, 400)),
        ("ContentPolicyViolationError", kind(ErrorKind::ContentFilter, 400)),
        ("AuthenticationError", failed(0, 401)),
        ("TimeoutError", failed(0, 408)),
        ("TimeoutError", failed(0, 504)),
        ("RateLimitError", failed(0, 429)),
        ("RateLimitError", kind(ErrorKind::RateLimit, 403)),
        // litellm never reads this one.
        ("InternalServerError", failed(0, 500)),
    ] {
        let policy = |count| format!(r#""retry_policy": {{"{name}": {count}}}"#);
        // More than `num_retries` would give, and whether or not it is worth a try.
        assert_eq!(retries(&policy(2), &[attempt; 2]), AGAIN, "{name}: {attempt:?}");
        assert_eq!(retries(&policy(2), &[attempt; 3]), ON, "{name}: {attempt:?}");
        // And less.
        assert_eq!(retries(&policy(0), &[attempt]), ON, "{name}: {attempt:?}");
        // Another class has nothing to do with it.
        let other = r#""retry_policy": {"NotFoundError": 9}"#;
        assert_ne!(retries(other, &[attempt; 2]), AGAIN, "{name}: {attempt:?}");
    }
}

#[test]
fn what_no_class_names_has_num_retries() {
    let all = r#""retry_policy": {"BadRequestError": 9, "AuthenticationError": 9, "TimeoutError": 9,
        "RateLimitError": 9, "ContentPolicyViolationError": 9, "InternalServerError": 9}"#;
    let reset = kind(ErrorKind::Transport, 502);
    for (attempt, once) in
        [(reset, AGAIN), (failed(0, 529), AGAIN), (failed(0, 409), AGAIN), (failed(0, 404), ON)]
    {
        assert_eq!(retries(all, &[attempt]), once, "{attempt:?}");
        assert_eq!(retries(all, &[attempt; 2]), ON, "{attempt:?}");
    }
}

#[test]
fn the_nearer_class_goes_first() {
    let both = r#""retry_policy": {"BadRequestError": 5, "ContentPolicyViolationError": 0}"#;
    assert_eq!(retries(both, &[kind(ErrorKind::ContentFilter, 400)]), ON);
    assert_eq!(retries(both, &[failed(0, 400)]), AGAIN);
}

#[test]
fn a_groups_own_policy_takes_the_place_of_the_other_whole() {
    let both = r#""retry_policy": {"RateLimitError": 5, "TimeoutError": 5},
                  "model_group_retry_policy": {"a": {"RateLimitError": 0}}"#;
    assert_eq!(retries(both, &[failed(0, 429)]), ON);
    assert_eq!(retries(both, &[failed(0, 408); 2]), ON, "`num_retries`, not the other policy");
    let of_another =
        r#""retry_policy": {"RateLimitError": 5}, "model_group_retry_policy": {"b": {"RateLimitError": 0}}"#;
    assert_eq!(retries(of_another, &[failed(0, 429); 2]), AGAIN);
}

#[test]
fn it_goes_before_a_deployments_and_a_requests_retries() {
    let config = |policy: &str| {
        format!(
            r#"{{"router": {{"num_retries": 9, "disable_cooldowns": true {policy}}},
                "deployments": {{"a1": {{"num_retries": 0}}}}}}"#
        )
    };
    let mut asked = history(&[target("a1", "a")], &[failed(0, 429)]);
    asked.options = r#"{"num_retries": 7}"#;
    assert_eq!(choice(decide(&config(""), &asked)), RAISED, "the deployment's goes before the request's");
    let policy = r#", "retry_policy": {"RateLimitError": 1}"#;
    assert_eq!(choice(decide(&config(policy), &asked)), AGAIN);
}

#[test]
fn the_latest_failure_decides() {
    let policy = r#""retry_policy": {"RateLimitError": 3, "AuthenticationError": 0}"#;
    assert_eq!(retries(policy, &[failed(0, 429), failed(0, 401)]), ON);
    assert_eq!(retries(policy, &[failed(0, 401), failed(0, 429)]), ON, "the key was refused once");
    assert_eq!(retries(policy, &[failed(0, 500), failed(0, 429)]), AGAIN);
}

#[test]
fn it_brings_back_a_key_but_no_quota() {
    let policy = r#""retry_policy": {"RateLimitError": 3, "AuthenticationError": 3}"#;
    assert_eq!(retries(policy, &[failed(0, 401)]), AGAIN);
    assert_eq!(retries(policy, &[Attempt { quota: true, ..failed(0, 429) }]), ON);
}

/// Whether a deployment with `recent` failures in a row is put aside after `attempt`.
fn cools(router: &str, own: &str, attempt: Attempt, recent: u32) -> bool {
    let config = format!(r#"{{"router": {{{router}}}, "deployments": {{"a1": {{{own}}}}}}}"#);
    let failing = Target { fails_recent: recent, fails_minute: 1, oks_minute: 99, ..target("a1", "a") };
    decide(&config, &history(&[failing, target("a2", "a")], &[attempt])).cooldown_ms > 0
}

#[test]
fn failures_are_allowed_by_their_kind() {
    let policy =
        r#""allowed_fails_policy": {"RateLimitError": 5, "TimeoutError": 0, "InternalServerError": 1}"#;
    for (own, attempt, allowed) in [
        ("", failed(0, 429), 5),
        ("", failed(0, 408), 0),
        ("", failed(0, 500), 1),
        // Not named: litellm's default of `allowed_fails`.
        ("", failed(0, 401), 3),
        // What a deployment says of itself goes first.
        (r#""allowed_fails": 2"#, failed(0, 429), 2),
        (r#""allowed_fails": 2, "allowed_fails_policy": {"RateLimitError": 7}"#, failed(0, 429), 7),
        (r#""allowed_fails": 2, "allowed_fails_policy": {"TimeoutError": 7}"#, failed(0, 429), 2),
    ] {
        assert!(!cools(policy, own, attempt, allowed.max(1)) || allowed == 0, "{own} {attempt:?}");
        assert!(cools(policy, own, attempt, allowed + 1), "{own} {attempt:?}");
    }
    let with_default = r#""allowed_fails": 8, "allowed_fails_policy": {"RateLimitError": 0}"#;
    assert!(cools(with_default, "", failed(0, 429), 1), "0 is written, so it is meant");
    assert!(!cools(with_default, "", failed(0, 500), 8) && cools(with_default, "", failed(0, 500), 9));
}

#[test]
fn a_deployments_own_rule_is_for_it_alone() {
    let own = r#""allowed_fails": 0"#;
    assert!(cools("", own, failed(0, 500), 1));
    assert!(!cools("", "", failed(0, 500), 9), "by share: one of a hundred failed");
}

#[test]
fn the_count_is_that_of_the_cooldowns_time() {
    let allowed = r#""allowed_fails": 2"#;
    let config = format!(r#"{{"router": {{{allowed}}}}}"#);
    let asked = |fails_recent, fails_minute| {
        let failing = Target { fails_recent, fails_minute, ..target("a1", "a") };
        decide(&config, &history(&[failing], &[failed(0, 500)])).cooldown_ms > 0
    };
    assert!(!asked(1, 50), "the others are long ago");
    assert!(asked(3, 1), "a long row of them, though few in this minute");
    assert!(asked(0, 3), "a host that does not count so");
}
