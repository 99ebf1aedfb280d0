//! `deadline`: who is called while there is time, and who no longer.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use tidegate_plugin_sdk::harness::PolicyHarness;
use tidegate_plugin_sdk::{Action, Attempt, Choice, ErrorKind, History, Host, Policy, Target};

mod adversary;
#[path = "../deadline.rs"]
#[allow(unreachable_pub, reason = "it is a library of its own")]
mod deadline;

use deadline::Deadline;

fn policy(config: &str) -> PolicyHarness {
    PolicyHarness::new::<Deadline>(config).unwrap()
}

fn takes(id: &'static str, group: &'static str, order: u32, total_ms: u64) -> Target<'static> {
    Target { id, group, order, weight: 1, total_us: total_ms * 1000, ..Target::default() }
}

fn history<'a>(targets: &[Target<'a>], left_ms: u64) -> History<'a> {
    History {
        now_ms: 1_000,
        deadline_ms: 1_000 + left_ms,
        attempts_left: 9,
        retry_tokens: 9,
        group: "a",
        targets: targets.to_vec(),
        ..History::default()
    }
}

fn failed<'a>(history: History<'a>, target: u32) -> History<'a> {
    let last = Attempt {
        target,
        error: ErrorKind::Server,
        http_status: 500,
        retryable: true,
        ended_ms: history.now_ms,
        ..Attempt::default()
    };
    History { attempts: [history.attempts.as_slice(), &[last]].concat(), ..history }
}

/// The best model first, a quicker one after it, the quickest in another group.
fn three() -> [Target<'static>; 3] {
    [takes("best", "a", 0, 5_000), takes("quick", "a", 1, 800), takes("quickest", "b", 0, 90)]
}

fn picked(policy: &PolicyHarness, targets: &[Target<'static>], left_ms: u64) -> &'static str {
    let action = policy.pick(&history(targets, left_ms)).unwrap();
    if action.choice == Choice::Raise { "nobody" } else { targets[action.target as usize].id }
}

#[test]
fn the_preferred_one_that_can_be_in_time_is_picked() {
    let policy = policy("{}");
    for (left_ms, id) in [
        (60_000, "best"),
        (5_001, "best"),
        (5_000, "quick"),
        (801, "quick"),
        (800, "quickest"),
        (91, "quickest"),
        // Nobody is in time: an answer that comes late is better than none that was asked for.
        (90, "quickest"),
        (0, "quickest"),
    ] {
        assert_eq!(picked(&policy, &three(), left_ms), id, "{left_ms}");
    }
    let mut targets = three();
    targets[1].cooldown_ms = 1;
    assert_eq!(picked(&policy, &targets, 5_000), "quickest", "who rests is not there");
    targets[0].unavailable = true;
    targets[2].special = true;
    assert_eq!(picked(&policy, &targets, 60_000), "nobody");
}

#[test]
fn what_is_to_be_left_over_is_held_back() {
    let policy = policy(r#"{"params": {"spare_ms": 1000}}"#);
    assert_eq!(picked(&policy, &three(), 6_001), "best");
    assert_eq!(picked(&policy, &three(), 6_000), "quick");
}

#[test]
fn one_that_was_never_measured_is_believed_to_be_quick() {
    let mut targets = three();
    targets[0].total_us = 0;
    assert_eq!(picked(&policy("{}"), &targets, 10), "best");
    targets[0].latency_us = 100_000;
    assert_eq!(picked(&policy("{}"), &targets, 100), "quickest", "until its first content is known");
}

#[test]
fn a_failure_is_followed_by_who_can_still_finish() {
    let policy = policy("{}");
    let next = |left_ms| {
        let action = policy.decide(&failed(history(&three(), left_ms), 0)).unwrap();
        (action.choice, if action.choice == Choice::Raise { 9 } else { action.target }, action.delay_ms)
    };
    assert_eq!(next(60_000), (Choice::Retry, 1, 0));
    assert_eq!(next(801), (Choice::Retry, 1, 0));
    assert_eq!(next(800), (Choice::Fallback, 2, 0));
    assert_eq!(next(90), (Choice::Raise, 9, 0), "nobody can finish: no call is wasted");
}

#[test]
fn where_nobody_rests_the_same_one_is_called_again_after_a_pause() {
    let policy = policy(r#"{"router": {"disable_cooldowns": true}}"#);
    let next = |failures: &[u32], left_ms| {
        let history =
            failures.iter().fold(history(&three(), left_ms), |history, target| failed(history, *target));
        policy.decide(&history).unwrap()
    };
    assert_eq!(next(&[0], 60_000), Action::retry(1, 0), "another one first, and at once");
    assert_eq!(next(&[0, 1], 5_251), Action::retry(0, 250));
    assert_eq!(next(&[0, 1], 5_250), Action::retry(1, 250));
    assert_eq!(next(&[0, 1], 1_050), Action::fallback(2, 0));
    assert_eq!(next(&[0, 1, 0, 1], 60_000), Action::fallback(2, 0), "twice is enough");
    assert_eq!(next(&[0, 1, 0, 1, 2, 2], 60_000), Action::raise());
}

#[test]
fn the_upstream_s_wait_counts_as_time() {
    let policy = policy("{}");
    let targets = [takes("only", "a", 0, 500)];
    let next = |wait, left_ms| {
        let mut history = failed(history(&targets, left_ms), 0);
        history.attempts[0].retry_after_ms = Some(wait);
        policy.decide(&history).unwrap()
    };
    assert_eq!(next(2_000, 2_501), Action::retry(0, 2_000), "and who is alone does not rest");
    assert_eq!(next(2_000, 2_500).choice, Choice::Raise);
}

#[test]
fn what_no_call_can_mend_is_told() {
    let policy = policy("{}");
    let next = |change: fn(&mut History<'_>)| {
        let mut history = failed(history(&three(), 60_000), 0);
        change(&mut history);
        let action = policy.decide(&history).unwrap();
        (action.choice, action.target)
    };
    assert_eq!(next(|_| {}), (Choice::Retry, 1));
    assert_eq!(next(|it| it.attempts[0].committed = true).0, Choice::Raise);
    assert_eq!(next(|it| it.attempts[0].error = ErrorKind::BadRequest).0, Choice::Raise);
    assert_eq!(next(|it| it.attempts_left = 0).0, Choice::Raise);
    assert_eq!(next(|it| it.attempts[0].quota = true), (Choice::Retry, 1));
    assert_eq!(next(|it| it.attempts[0].error = ErrorKind::ContextLength), (Choice::Fallback, 2));
    assert_eq!(next(|it| it.retry_tokens = 0), (Choice::Fallback, 2));
    // A fallback group that was entered is not left backwards.
    let mut back = failed(failed(history(&three(), 60_000), 0), 2);
    back.attempts[1].quota = true;
    assert_eq!(policy.decide(&back).unwrap().choice, Choice::Raise);
}

#[test]
fn who_failed_rests_as_the_configuration_says() {
    let rest =
        |config: &str| policy(config).decide(&failed(history(&three(), 60_000), 0)).unwrap().cooldown_ms;
    assert_eq!(rest("{}"), 5_000);
    assert_eq!(rest(r#"{"router": {"cooldown_time": 1.5}}"#), 1_500);
    assert_eq!(rest(r#"{"router": {"cooldown_time": 1.5, "disable_cooldowns": true}}"#), 0);
}

#[test]
fn a_configuration_that_is_not_understood_is_refused() {
    for (config, part) in [
        (r#"{"params": {"spare": 1}}"#, "no `params.spare`; there are: spare_ms"),
        (r#"{"params": {"spare_ms": "1s"}}"#, "whole number from 0 up, not \"1s\""),
        (r#"{"params": {"spare_ms": -1}}"#, "not -1"),
        ("[]", "expected a map"),
    ] {
        let why = Deadline::create(config, Host::silent()).err().unwrap();
        assert!(why.contains(part), "{config}: {why}");
    }
}

#[test]
fn every_request_ends() {
    let decide = |history: &History<'_>| {
        let policy = Deadline::create(r#"{"params": {"spare_ms": 20}}"#, Host::silent()).unwrap();
        policy.decide(history)
    };
    let seen = adversary::every_request_ends(decide);
    assert!(seen.again > 100 && seen.elsewhere > 100, "{seen:?}");
}
