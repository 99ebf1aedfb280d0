//! What is retried, where, how often and after how long.

use tidegate_plugin_sdk::{Attempt, Choice, ErrorKind, Target};

use crate::story::{RAISED, choice, decide, failed, history, target};

/// No cooldowns, so that only the retry rules speak.
const RETRY: &str = r#"{"router": {"num_retries": 2, "disable_cooldowns": true}}"#;
const AGAIN: (Choice, u32) = (Choice::Retry, 0);
const OTHER: (Choice, u32) = (Choice::Retry, 1);

#[test]
fn which_failures_are_retried() {
    let alone = [target("a1", "a")];
    let pair = [target("a1", "a"), target("a2", "a")];
    let quota = Attempt { quota: true, retryable: true, ..failed(0, 429) };
    let flagged = Attempt { retryable: true, ..failed(0, 418) };
    let reset = Attempt { error: ErrorKind::Transport, ..failed(0, 503) };
    let long = Attempt { error: ErrorKind::ContextLength, retryable: true, ..failed(0, 500) };
    let committed = Attempt { committed: true, ..failed(0, 429) };
    for (attempt, lone, of_two) in [
        (failed(0, 408), AGAIN, OTHER),
        (failed(0, 409), AGAIN, OTHER),
        (failed(0, 429), AGAIN, OTHER),
        (failed(0, 500), AGAIN, OTHER),
        (failed(0, 529), AGAIN, OTHER),
        (reset, AGAIN, OTHER),
        (flagged, AGAIN, OTHER),
        (failed(0, 418), RAISED, RAISED),
        (failed(0, 400), RAISED, RAISED),
        (failed(0, 404), RAISED, RAISED),
        (long, RAISED, RAISED),
        // Another deployment may have another key, or another quota.
        (failed(0, 401), RAISED, OTHER),
        (failed(0, 403), RAISED, OTHER),
        (quota, RAISED, OTHER),
        (committed, RAISED, RAISED),
    ] {
        assert_eq!(choice(decide(RETRY, &history(&alone, &[attempt]))), lone, "{attempt:?}");
        assert_eq!(choice(decide(RETRY, &history(&pair, &[attempt]))), of_two, "{attempt:?}");
    }
}

#[test]
fn without_a_token_only_fallbacks_are_left() {
    let mut targets = [target("a1", "a"), target("a2", "a"), target("b1", "b")];
    let fallback = r#"{"router": {"disable_cooldowns": true, "fallbacks": [{"a": ["b"]}]}}"#;
    let asked = |config: &str, targets: &[Target<'static>], retry_tokens| {
        let history = tidegate_plugin_sdk::History { retry_tokens, ..history(targets, &[failed(0, 500)]) };
        choice(decide(config, &history))
    };
    assert_eq!(asked(RETRY, &targets[..2], 1), OTHER);
    assert_eq!(asked(RETRY, &targets[..2], 0), RAISED);
    assert_eq!(asked(fallback, &targets, 0), (Choice::Fallback, 2), "a fallback takes no token");
    targets[1].order = 1;
    assert_eq!(asked(RETRY, &targets[..2], 0), OTHER, "nor does a step to the next order");
}

#[test]
fn how_often() {
    let alone = [target("a1", "a")];
    let own = r#"{"router": {"num_retries": 2}, "deployments": {"a1": {"num_retries": 3}}}"#;
    let none = r#"{"router": {"num_retries": 2}, "deployments": {"a1": {"num_retries": 0}}}"#;
    let default = "{}";
    for (config, calls, expected) in [
        (RETRY, 1, AGAIN),
        (RETRY, 2, AGAIN),
        (RETRY, 3, RAISED),
        (default, 2, AGAIN),
        (default, 3, RAISED),
        (own, 3, AGAIN),
        (own, 4, RAISED),
        (none, 1, RAISED),
    ] {
        let attempts = vec![failed(0, 500); calls];
        assert_eq!(choice(decide(config, &history(&alone, &attempts))), expected, "{config} after {calls}");
    }
}

#[test]
fn a_spent_budget_is_not_asked_for() {
    let mut spent = history(&[target("a1", "a")], &[failed(0, 500)]);
    spent.attempts_left = 0;
    assert_eq!(choice(decide(RETRY, &spent)), RAISED);
}

#[test]
fn only_targets_that_can_be_called() {
    let cooling = Target { cooldown_ms: 1, ..target("a2", "a") };
    let unavailable = Target { unavailable: true, ..target("a2", "a") };
    let other_group = target("b1", "b");
    for second in [cooling, unavailable, other_group] {
        let targets = [target("a1", "a"), second];
        assert_eq!(choice(decide(RETRY, &history(&targets, &[failed(0, 500)]))), AGAIN, "{second:?}");
        assert_eq!(choice(decide(RETRY, &history(&targets, &[failed(0, 401)]))), RAISED, "{second:?}");
    }
}

#[test]
fn the_target_that_this_answer_cools_is_not_retried() {
    let config = r#"{"router": {"allowed_fails": 0}}"#;
    let action = decide(config, &history(&[target("a1", "a")], &[failed(0, 500)]));
    assert_eq!((choice(action), action.cooldown_ms), (RAISED, 5_000));
}

#[test]
fn untried_targets_first_and_at_once() {
    let targets = [target("a1", "a"), target("a2", "a"), target("a3", "a")];
    let config = r#"{"router": {"num_retries": 9, "disable_cooldowns": true}}"#;
    for seed in 0..50 {
        let mut two_tried = history(&targets, &[failed(0, 500), failed(2, 500)]);
        two_tried.seed = seed;
        let action = decide(config, &two_tried);
        assert_eq!((choice(action), action.delay_ms), (OTHER, 0));
    }
    let asked_to_wait = Attempt { retry_after_ms: Some(9_000), ..failed(1, 429) };
    let action = decide(config, &history(&targets, &[asked_to_wait, failed(0, 500), failed(2, 500)]));
    assert_ne!(action.target, 1, "the one that asked for 9 s is the last to be called again");
    assert!(action.delay_ms > 0);
}

#[test]
fn weights_count() {
    let weighted = |weight, id| Target { weight, ..target(id, "a") };
    let draws = |first, second| {
        let targets = [target("a1", "a"), weighted(first, "a2"), weighted(second, "a3")];
        let mut drawn = [0; 3];
        for seed in 0..1_000 {
            let mut asked = history(&targets, &[failed(0, 500)]);
            asked.seed = seed;
            drawn[decide(RETRY, &asked).target as usize] += 1;
        }
        assert_eq!(drawn[0], 0);
        drawn[1]
    };
    assert_eq!(draws(1, 0), 1_000);
    assert!((850..950).contains(&draws(9, 1)));
    // No weights at all: each as likely as the other.
    assert!((400..600).contains(&draws(0, 0)));
}

#[test]
fn orders_are_tried_one_after_the_other() {
    let ordered = |order, id| Target { order, ..target(id, "a") };
    let targets = [ordered(1, "a1"), ordered(2, "a2"), ordered(1, "a3")];
    let config = r#"{"router": {"num_retries": 1, "disable_cooldowns": true}}"#;
    let context = Attempt { error: ErrorKind::ContextLength, ..failed(0, 400) };
    for (attempts, expected) in [
        (vec![failed(0, 500)], (Choice::Retry, 2)),
        (vec![failed(0, 500), failed(2, 500)], (Choice::Retry, 1)),
        (vec![failed(0, 500), failed(2, 500), failed(1, 500)], (Choice::Retry, 1)),
        (vec![failed(0, 500), failed(2, 500), failed(1, 500), failed(1, 500)], RAISED),
        // Another order may be another provider; but a prompt that is too long is too long there too.
        (vec![failed(0, 400)], (Choice::Retry, 1)),
        (vec![context], RAISED),
    ] {
        assert_eq!(choice(decide(config, &history(&targets, &attempts))), expected, "{attempts:?}");
    }
}

#[test]
fn how_long() {
    let wait = |config: &str, calls: usize, retry_after_ms| {
        let last = Attempt { retry_after_ms, ..failed(0, 429) };
        let mut attempts = vec![failed(0, 429); calls - 1];
        attempts.push(last);
        let action = decide(config, &history(&[target("a1", "a")], &attempts));
        (action.choice == Choice::Retry).then_some(action.delay_ms)
    };
    let many = r#"{"router": {"num_retries": 20}}"#;
    let slow = r#"{"router": {"num_retries": 20, "retry_after": 3}}"#;
    let slowest = r#"{"router": {"num_retries": 20, "retry_after": 30}}"#;
    for (config, calls, retry_after_ms, least) in [
        (many, 1, None, 500),
        (many, 2, None, 1_000),
        (many, 3, None, 2_000),
        (many, 5, None, 8_000),
        (many, 15, None, 8_000),
        (slow, 1, None, 3_000),
        (slow, 4, None, 4_000),
        (slowest, 1, None, 8_000),
        (many, 1, Some(7_000), 7_000),
        (many, 1, Some(60_000), 60_000),
        (many, 2, Some(0), 1_000),
    ] {
        let waited = wait(config, calls, retry_after_ms).expect("a retry");
        assert!((least..=least + 750).contains(&waited), "{config} {calls} {retry_after_ms:?}: {waited}");
    }
    assert_eq!(wait(many, 1, Some(60_001)), None, "longer than a client can be expected to wait");
}

#[test]
fn the_time_since_the_failure_counts() {
    let asked_to_wait = Attempt { retry_after_ms: Some(9_000), ended_ms: 1_000, ..failed(0, 429) };
    let mut later = history(&[target("a1", "a")], &[asked_to_wait]);
    later.now_ms = 4_000;
    let delay_ms = decide(RETRY, &later).delay_ms;
    assert!((6_000..=6_750).contains(&delay_ms), "{delay_ms}");
}

#[test]
fn no_wait_into_the_deadline() {
    let asked_to_wait = Attempt { retry_after_ms: Some(9_000), ..failed(0, 429) };
    let mut close = history(&[target("a1", "a"), target("b1", "b")], &[asked_to_wait]);
    close.deadline_ms = 9_000;
    assert_eq!(choice(decide(RETRY, &close)), RAISED);
    let config = r#"{"router": {"disable_cooldowns": true, "fallbacks": [{"a": ["b"]}]}}"#;
    assert_eq!(choice(decide(config, &close)), (Choice::Fallback, 1));
}
