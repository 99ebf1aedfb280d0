//! Which group comes next.

use tidegate_plugin_sdk::{Attempt, Choice, ErrorKind, Target};

use crate::story::{RAISED, choice, decide, failed, history, target};

fn config(router: &str) -> String {
    format!(r#"{{"router": {{"num_retries": 0, "disable_cooldowns": true, {router}}}}}"#)
}

/// Indices: a 0, b 1, c 2, d 3, x 4.
fn targets() -> [Target<'static>; 5] {
    [target("a1", "a"), target("b1", "b"), target("c1", "c"), target("d1", "d"), target("x1", "x")]
}

/// The groups that a request for `group` visits when everything fails.
fn visited(router: &str, group: &'static str, first: u32) -> Vec<&'static str> {
    let targets = targets();
    let mut asked = history(&targets, &[failed(first, 500)]);
    asked.group = group;
    loop {
        let action = decide(&config(router), &asked);
        if action.choice != Choice::Fallback {
            assert_eq!(action.choice, Choice::Raise);
            return asked.attempts.iter().map(|a| targets[a.target as usize].group).collect();
        }
        assert!(asked.attempts.len() < 20, "a cycle");
        asked.attempts.push(failed(action.target, 500));
    }
}

#[test]
fn the_order_of_groups() {
    for (router, expected) in [
        (r#""fallbacks": []"#, "a"),
        (r#""fallbacks": [{"b": ["c"]}]"#, "a"),
        (r#""fallbacks": [{"a": ["b", "c"]}]"#, "abc"),
        // Its own fallbacks come before its siblings.
        (r#""fallbacks": [{"a": ["b", "c"]}, {"b": ["d"]}]"#, "abdc"),
        (r#""fallbacks": [{"a": ["b", "c"]}, {"b": ["c", "d"]}]"#, "abcd"),
        // Cycles end where they would return.
        (r#""fallbacks": [{"a": ["a"]}]"#, "a"),
        (r#""fallbacks": [{"a": ["b"]}, {"b": ["a"]}]"#, "ab"),
        (r#""fallbacks": [{"a": ["b"]}, {"b": ["c"]}, {"c": ["a", "b"]}]"#, "abc"),
        // Depth, not count.
        (r#""max_fallbacks": 0, "fallbacks": [{"a": ["b"]}]"#, "a"),
        (r#""max_fallbacks": 1, "fallbacks": [{"a": ["b", "c"]}, {"b": ["d"]}]"#, "abc"),
        (r#""max_fallbacks": 2, "fallbacks": [{"a": ["b"]}, {"b": ["c"]}, {"c": ["d"]}]"#, "abc"),
        // Defaults, also of a fallback that has no list of its own.
        (r#""default_fallbacks": ["x"]"#, "ax"),
        (r#""fallbacks": [{"*": ["x"]}]"#, "ax"),
        (r#""fallbacks": [{"*": ["c"]}], "default_fallbacks": ["x"]"#, "ax"),
        (r#""fallbacks": [{"*": ["c"]}, {"*": ["d"]}]"#, "ad"),
        (r#""fallbacks": [{"a": ["b"]}], "default_fallbacks": ["x"]"#, "abx"),
        (r#""fallbacks": [{"a": []}], "default_fallbacks": ["x"]"#, "a"),
        // Groups without a deployment are passed over, their own fallbacks are not.
        (r#""fallbacks": [{"a": ["none", "c"]}, {"none": ["b"]}]"#, "abc"),
    ] {
        assert_eq!(visited(router, "a", 0).concat(), expected, "{router}");
    }
}

#[test]
fn the_provider_prefix_may_be_left_out() {
    for (router, expected) in [
        (r#""fallbacks": [{"m": ["b"]}]"#, "ab"),
        (r#""fallbacks": [{"m": ["b"]}], "default_fallbacks": ["x"]"#, "abx"),
        (r#""fallbacks": [{"m": ["b"]}, {"openai/m": ["c"]}]"#, "ac"),
        (r#""fallbacks": [{"openai": ["b"]}]"#, "a"),
    ] {
        // The group that was asked for has no deployment in this history; "a" stands for it.
        assert_eq!(visited(router, "openai/m", 0).concat(), expected, "{router}");
    }
}

#[test]
fn any_uncommitted_failure_falls_back() {
    let router = config(r#""fallbacks": [{"a": ["b"]}]"#);
    let quota = Attempt { quota: true, ..failed(0, 429) };
    let context = Attempt { error: ErrorKind::ContextLength, ..failed(0, 400) };
    for attempt in
        [failed(0, 400), failed(0, 401), failed(0, 404), failed(0, 429), failed(0, 500), quota, context]
    {
        let action = decide(&router, &history(&targets(), &[attempt]));
        assert_eq!((choice(action), action.delay_ms), ((Choice::Fallback, 1), 0), "{attempt:?}");
    }
    let committed = Attempt { committed: true, ..failed(0, 500) };
    assert_eq!(choice(decide(&router, &history(&targets(), &[committed]))), RAISED);
}

#[test]
fn retries_come_before_fallbacks_in_every_group() {
    let config = r#"{"router": {"num_retries": 1, "disable_cooldowns": true, "fallbacks": [{"a": ["b"]}]}}"#;
    for (attempts, expected) in [
        (vec![failed(0, 500)], (Choice::Retry, 0)),
        (vec![failed(0, 500), failed(0, 500)], (Choice::Fallback, 1)),
        (vec![failed(0, 500), failed(0, 500), failed(1, 500)], (Choice::Retry, 1)),
        (vec![failed(0, 500), failed(0, 500), failed(1, 500), failed(1, 500)], RAISED),
    ] {
        assert_eq!(choice(decide(config, &history(&targets(), &attempts))), expected, "{attempts:?}");
    }
}

#[test]
fn groups_that_cannot_be_called_are_passed_over() {
    let router = config(r#""fallbacks": [{"a": ["b", "c"]}]"#);
    for broken in
        [Target { cooldown_ms: 1, ..target("b1", "b") }, Target { unavailable: true, ..target("b1", "b") }]
    {
        let mut targets = targets();
        targets[1] = broken;
        assert_eq!(choice(decide(&router, &history(&targets, &[failed(0, 500)]))), (Choice::Fallback, 2));
    }
}

#[test]
fn with_no_attempt_the_requested_group_was_not_available() {
    let router = config(r#""fallbacks": [{"a": ["b"]}]"#);
    assert_eq!(choice(decide(&router, &history(&targets(), &[]))), (Choice::Fallback, 1));
    assert_eq!(choice(decide("{}", &history(&targets(), &[]))), RAISED);
}
