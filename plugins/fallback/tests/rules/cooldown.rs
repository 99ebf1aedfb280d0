//! Who is put aside, and for how long.

use tidegate_plugin_sdk::{Attempt, ErrorKind, Target};

use crate::story::{decide, failed, history, target};

fn cooldown_ms(config: &str, attempt: Attempt, fails: u32, oks: u32, deployments: usize) -> u64 {
    let failing = Target { fails_minute: fails, oks_minute: oks, ..target("a1", "a") };
    let targets: Vec<_> = [failing, target("a2", "a"), target("a3", "a")][..deployments].to_vec();
    decide(config, &history(&targets, &[attempt])).cooldown_ms
}

#[test]
fn by_share_of_failures_when_allowed_fails_is_not_written() {
    for (status, fails, oks, deployments, cooled) in [
        (429, 1, 9, 2, true),
        (429, 1, 9, 1, false),
        (402, 1, 9, 2, true),
        (402, 1, 9, 1, false),
        // Not mended by waiting a little, so a lone deployment is put aside too.
        (401, 1, 9, 1, true),
        (404, 1, 9, 1, true),
        (500, 1, 0, 2, false),
        (500, 4, 0, 2, false),
        (500, 5, 0, 2, true),
        (500, 3, 2, 2, true),
        (500, 3, 3, 2, false),
        (500, 5, 0, 1, false),
        (500, 999, 0, 1, false),
        (500, 1_000, 0, 1, true),
        (500, 1_000, 1, 1, false),
        (408, 5, 0, 2, true),
        // The request's own faults.
        (400, 5, 0, 2, false),
        (403, 5, 0, 2, false),
        (409, 5, 0, 2, false),
        (422, 5, 0, 2, false),
        (0, 5, 0, 2, false),
    ] {
        let ms = cooldown_ms("{}", failed(0, status), fails, oks, deployments);
        let case = format!("{status}: {fails} failed, {oks} good, {deployments} deployments");
        assert_eq!(ms, if cooled { 5_000 } else { 0 }, "{case}");
    }
}

#[test]
fn a_quota_that_is_used_up_cools_long_and_even_a_lone_deployment() {
    for (status, wait_ms, cooled_ms) in [
        (429, None, 600_000),
        (402, None, 600_000),
        (403, None, 600_000),
        (429, Some(7_000), 600_000),
        (429, Some(900_000), 900_000),
    ] {
        let quota = Attempt { quota: true, retry_after_ms: wait_ms, ..failed(0, status) };
        assert_eq!(cooldown_ms("{}", quota, 1, 9, 1), cooled_ms, "{status} {wait_ms:?}");
        assert_eq!(cooldown_ms(r#"{"router": {"allowed_fails": 99}}"#, quota, 1, 9, 2), cooled_ms);
        assert_eq!(
            cooldown_ms(r#"{"router": {"cooldown_time": 0}}"#, quota, 1, 9, 2),
            0,
            "what is written is meant"
        );
    }
}

#[test]
fn failing_to_connect_cools_nobody() {
    let reset = Attempt { error: ErrorKind::Transport, ..failed(0, 503) };
    assert_eq!(cooldown_ms(r#"{"router": {"allowed_fails": 0}}"#, reset, 50, 0, 2), 0);
}

#[test]
fn a_rate_limit_under_another_status_is_one() {
    let limited = Attempt { error: ErrorKind::RateLimit, ..failed(0, 403) };
    assert_eq!(cooldown_ms("{}", limited, 1, 9, 2), 5_000);
    assert_eq!(cooldown_ms("{}", limited, 1, 9, 1), 0);
}

#[test]
fn by_count_when_allowed_fails_is_written() {
    for (allowed, fails, deployments, cooled) in [
        (0, 1, 1, true),
        (1, 1, 1, false),
        (1, 2, 2, true),
        // litellm takes a written 3 as not written.
        (3, 3, 2, false),
        (3, 4, 2, true),
        (3, 4, 1, true),
    ] {
        let config = format!(r#"{{"router": {{"allowed_fails": {allowed}}}}}"#);
        for status in [429, 500, 401] {
            let ms = cooldown_ms(&config, failed(0, status), fails, 100, deployments);
            assert_eq!(ms > 0, cooled, "{status}: {fails} of {allowed} allowed");
        }
        assert_eq!(cooldown_ms(&config, failed(0, 400), fails, 0, deployments), 0);
    }
}

#[test]
fn for_how_long() {
    let short = r#"{"router": {"cooldown_time": 0.5}}"#;
    let shortest = r#"{"router": {"cooldown_time": 0.0001}}"#;
    let none = r#"{"router": {"cooldown_time": 0}}"#;
    let off = r#"{"router": {"disable_cooldowns": true}}"#;
    let own = r#"{"router": {"cooldown_time": 60}, "deployments": {"a1": {"cooldown_time": 10}}}"#;
    let own_none = r#"{"router": {"cooldown_time": 60}, "deployments": {"a1": {"cooldown_time": 0}}}"#;
    let own_only = r#"{"router": {"cooldown_time": 0}, "deployments": {"a1": {"cooldown_time": 10}}}"#;
    for (config, retry_after_ms, expected) in [
        ("{}", None, 5_000),
        ("{}", Some(2_000), 5_000),
        ("{}", Some(30_000), 30_000),
        ("{}", Some(0), 5_000),
        // One broken header does not take a deployment away for ever.
        ("{}", Some(u64::MAX), 3_600_000),
        (short, None, 500),
        // Written, so not none.
        (shortest, None, 1),
        (none, None, 0),
        (none, Some(30_000), 0),
        (off, Some(30_000), 0),
        (own, None, 10_000),
        (own, Some(30_000), 30_000),
        (own_none, None, 0),
        (own_only, None, 10_000),
    ] {
        let attempt = Attempt { retry_after_ms, ..failed(0, 429) };
        assert_eq!(cooldown_ms(config, attempt, 1, 0, 2), expected, "{config} {retry_after_ms:?}");
    }
}

#[test]
fn ordered_for_committed_streams_too() {
    let committed = Attempt { committed: true, ..failed(0, 429) };
    assert_eq!(cooldown_ms("{}", committed, 1, 0, 2), 5_000);
}

#[test]
fn ordered_when_the_budget_is_spent() {
    let mut spent = history(&[target("a1", "a"), target("a2", "a")], &[failed(0, 429)]);
    spent.attempts_left = 0;
    assert_eq!(decide("{}", &spent).cooldown_ms, 5_000);
}
