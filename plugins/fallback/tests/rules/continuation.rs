//! Who goes on with a stream that broke off after content.

use tidegate_plugin_sdk::{Attempt, Choice, ErrorKind, Target};

use crate::story::{RAISED, choice, decide, failed, history, target};

const CONTINUES: &str = r#"{"router": {"disable_cooldowns": true, "fallbacks": [{"a": ["b"]}]},
    "groups": {"a": {"mid_stream": "continue"}}}"#;

fn broke_off(target: u32, status: u32) -> Attempt {
    Attempt { committed: true, ..failed(target, status) }
}

/// Indices: a 0, a 1, b 2.
fn targets() -> [Target<'static>; 3] {
    [target("a1", "a"), target("a2", "a"), target("b1", "b")]
}

#[test]
fn the_same_group_comes_first_and_never_a_deployment_that_failed() {
    let mut targets = targets();
    let asked = |targets: &[Target<'static>], attempts: &[Attempt]| {
        choice(decide(CONTINUES, &history(targets, attempts)))
    };
    assert_eq!(asked(&targets, &[broke_off(0, 429)]), (Choice::Continue, 1));
    assert_eq!(asked(&targets, &[broke_off(1, 429)]), (Choice::Continue, 0));
    assert_eq!(asked(&targets, &[failed(0, 500), broke_off(1, 429)]), (Choice::Continue, 2));
    assert_eq!(asked(&targets, &[failed(0, 500), failed(1, 500), broke_off(2, 500)]), RAISED);
    targets[1].cooldown_ms = 1;
    assert_eq!(asked(&targets, &[broke_off(0, 429)]), (Choice::Continue, 2));
    targets[2].unavailable = true;
    assert_eq!(asked(&targets, &[broke_off(0, 429)]), RAISED);
}

#[test]
fn only_where_the_group_wants_it() {
    for config in [
        "{}",
        r#"{"groups": {"a": {}}}"#,
        r#"{"groups": {"a": {"mid_stream": "fail"}}}"#,
        r#"{"groups": {"b": {"mid_stream": "continue"}}}"#,
    ] {
        let action = decide(config, &history(&targets(), &[broke_off(0, 429)]));
        assert_eq!(choice(action), RAISED, "{config}");
    }
}

#[test]
fn an_error_that_would_come_back_is_given_to_the_client() {
    for (status, error, goes_on) in [
        (429, ErrorKind::RateLimit, true),
        (500, ErrorKind::Server, true),
        (503, ErrorKind::Overloaded, true),
        (502, ErrorKind::Truncated, true),
        (502, ErrorKind::Malformed, true),
        (504, ErrorKind::Timeout, true),
        (502, ErrorKind::Transport, true),
        (418, ErrorKind::Unknown, false),
        (400, ErrorKind::BadRequest, false),
        (400, ErrorKind::ContentFilter, false),
        (401, ErrorKind::Auth, false),
        (403, ErrorKind::Permission, false),
        (404, ErrorKind::NotFound, false),
    ] {
        let last = Attempt { error, ..broke_off(0, status) };
        let action = decide(CONTINUES, &history(&targets(), &[last]));
        assert_eq!(action.choice == Choice::Continue, goes_on, "{status} {error:?}");
    }
}

#[test]
fn without_budget_there_is_none_and_before_content_it_is_a_retry() {
    let mut asked = history(&targets(), &[broke_off(0, 429)]);
    asked.attempts_left = 0;
    assert_eq!(choice(decide(CONTINUES, &asked)), RAISED);
    let asked = history(&targets(), &[failed(0, 500)]);
    assert_eq!(decide(CONTINUES, &asked).choice, Choice::Retry);
}

#[test]
fn the_deployment_that_broke_off_is_put_aside_all_the_same() {
    let config = r#"{"router": {"allowed_fails": 0, "cooldown_time": 30}, "groups": {"a": {"mid_stream": "continue"}}}"#;
    let action = decide(config, &history(&targets(), &[broke_off(0, 429)]));
    assert_eq!((choice(action), action.cooldown_ms), ((Choice::Continue, 1), 30_000));
}
