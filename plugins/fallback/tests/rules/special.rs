//! Prompts that are too long or refused, and what a request asks for itself.

use tidegate_plugin_sdk::{Attempt, Choice, ErrorKind, Target};

use crate::story::{RAISED, choice, decide, failed, history, target};

/// Indices: a 0, b 1, c 2, d 3, x 4.
fn targets() -> [Target<'static>; 5] {
    [target("a1", "a"), target("b1", "b"), target("c1", "c"), target("d1", "d"), target("x1", "x")]
}

fn long(target: u32) -> Attempt {
    Attempt { error: ErrorKind::ContextLength, ..failed(target, 400) }
}

fn refused(target: u32) -> Attempt {
    Attempt { error: ErrorKind::ContentFilter, ..failed(target, 400) }
}

/// The groups that a request for `a` visits. `failure` makes the failure of each target.
fn visited(router: &str, options: &'static str, failure: impl Fn(u32) -> Attempt) -> String {
    let targets = targets();
    let config = format!(r#"{{"router": {{"num_retries": 0, "disable_cooldowns": true, {router}}}}}"#);
    let mut asked = history(&targets, &[failure(0)]);
    asked.options = options;
    loop {
        let action = decide(&config, &asked);
        if action.choice == Choice::Raise {
            return asked.attempts.iter().map(|a| targets[a.target as usize].group).collect();
        }
        assert!(asked.attempts.len() < 20, "a cycle");
        asked.attempts.push(failure(action.target));
    }
}

fn usual(target: u32) -> Attempt {
    failed(target, 500)
}

#[test]
fn each_kind_of_failure_has_its_list() {
    let lists = r#""fallbacks": [{"a": ["b"]}], "context_window_fallbacks": [{"a": ["c"]}],
                   "content_policy_fallbacks": [{"a": ["d"]}]"#;
    assert_eq!(visited(lists, "", usual), "ab");
    assert_eq!(visited(lists, "", long), "ac");
    assert_eq!(visited(lists, "", refused), "ad");
}

#[test]
fn a_list_that_is_not_written_leaves_the_usual_ones() {
    let lists = r#""fallbacks": [{"a": ["b"]}], "context_window_fallbacks": []"#;
    assert_eq!(visited(lists, "", long), "ab");
    assert_eq!(visited(lists, "", refused), "ab");
}

#[test]
fn a_group_without_an_entry_in_a_written_list_has_none() {
    // Neither `*` nor a name without its prefix counts here.
    for key in ["b", "*", "openai/a"] {
        let lists = format!(
            r#""fallbacks": [{{"a": ["b"]}}], "default_fallbacks": ["x"],
               "context_window_fallbacks": [{{"{key}": ["c"]}}], "content_policy_fallbacks": [{{"{key}": ["c"]}}]"#
        );
        assert_eq!(visited(&lists, "", long), "a", "{key}");
        assert_eq!(visited(&lists, "", refused), "a", "{key}");
        assert_eq!(visited(&lists, "", usual), "abx", "{key}");
    }
}

#[test]
fn each_group_goes_on_by_its_own_failure() {
    let lists = r#""fallbacks": [{"a": ["b"]}, {"c": ["d"]}], "context_window_fallbacks": [{"a": ["c"]}, {"b": ["x"]}]"#;
    // Too long for `a`; `c` has another trouble.
    assert_eq!(visited(lists, "", |target| if target == 0 { long(0) } else { usual(target) }), "acd");
    // `a` has a trouble, and for `b` it is too long.
    assert_eq!(visited(lists, "", |target| if target == 1 { long(1) } else { usual(target) }), "abx");
    // Cycles end here too.
    let ring = r#""context_window_fallbacks": [{"a": ["b"]}, {"b": ["c"]}, {"c": ["a"]}]"#;
    assert_eq!(visited(ring, "", long), "abc");
    let deep = r#""max_fallbacks": 1, "context_window_fallbacks": [{"a": ["b"]}, {"b": ["c"]}]"#;
    assert_eq!(visited(deep, "", long), "ab");
}

#[test]
fn a_prompt_that_is_too_long_is_not_tried_again_in_the_group() {
    let config = r#"{"router": {"num_retries": 5, "context_window_fallbacks": [{"a": ["b"]}]}}"#;
    let pair = [target("a1", "a"), target("a2", "a"), target("b1", "b")];
    assert_eq!(choice(decide(config, &history(&pair, &[long(0)]))), (Choice::Fallback, 2));
}

#[test]
fn a_request_may_name_its_own() {
    let lists = r#""fallbacks": [{"a": ["b"]}], "context_window_fallbacks": [{"a": ["c"]}]"#;
    for (options, of_usual, of_long) in [
        ("", "ab", "ac"),
        (r#"{"fallbacks": ["d", "x"]}"#, "adx", "adx"),
        (r#"{"fallbacks": ["a", "d"]}"#, "ad", "ad"),
        (r#"{"fallbacks": []}"#, "a", "a"),
        (r#"{"fallbacks": [{"a": ["x"]}, {"x": ["d"]}]}"#, "axd", "ac"),
        (r#"{"fallbacks": [{"*": ["x"]}]}"#, "ax", "ac"),
        (r#"{"context_window_fallbacks": [{"a": ["d"]}]}"#, "ab", "ad"),
        (r#"{"context_window_fallbacks": []}"#, "ab", "a"),
        (r#"{"content_policy_fallbacks": [{"a": ["d"]}]}"#, "ab", "ac"),
        (r#"{"disable_fallbacks": true}"#, "a", "a"),
        (r#"{"disable_fallbacks": true, "fallbacks": ["d"]}"#, "a", "a"),
        (r#"{"max_fallbacks": 0}"#, "a", "a"),
        // What the host would not send.
        ("{", "ab", "ac"),
        (r#"{"fallbacks": 7}"#, "ab", "ac"),
    ] {
        assert_eq!(visited(lists, options, usual), of_usual, "{options}");
        assert_eq!(visited(lists, options, long), of_long, "{options}");
    }
}

#[test]
fn a_request_may_say_how_often() {
    let config = r#"{"router": {"num_retries": 1, "disable_cooldowns": true}}"#;
    for (options, calls, expected) in [
        ("", 1, (Choice::Retry, 0)),
        ("", 2, RAISED),
        (r#"{"num_retries": 0}"#, 1, RAISED),
        (r#"{"num_retries": 3}"#, 3, (Choice::Retry, 0)),
        (r#"{"num_retries": 3}"#, 4, RAISED),
        (r#"{"retry_requested_group": false}"#, 1, RAISED),
    ] {
        let mut asked = history(&[target("a1", "a")], &vec![failed(0, 500); calls]);
        asked.options = options;
        assert_eq!(choice(decide(config, &asked)), expected, "{options} after {calls}");
    }
}

#[test]
fn without_fallbacks_no_higher_order_is_tried_either() {
    let config = r#"{"router": {"num_retries": 0, "disable_cooldowns": true}}"#;
    let second = Target { order: 2, ..target("a2", "a") };
    let mut asked = history(&[Target { order: 1, ..target("a1", "a") }, second], &[failed(0, 500)]);
    assert_eq!(choice(decide(config, &asked)), (Choice::Retry, 1));
    asked.options = r#"{"disable_fallbacks": true}"#;
    assert_eq!(choice(decide(config, &asked)), RAISED);
}

#[test]
fn a_cooling_group_with_fallbacks_is_left_at_once() {
    // The 429 puts the only deployment aside: no wait, the fallback.
    let config = r#"{"router": {"num_retries": 5, "allowed_fails": 0, "fallbacks": [{"a": ["b"]}]}}"#;
    let waiting = Attempt { retry_after_ms: Some(20_000), ..failed(0, 429) };
    let action = decide(config, &history(&[target("a1", "a"), target("b1", "b")], &[waiting]));
    assert_eq!((choice(action), action.delay_ms, action.cooldown_ms), ((Choice::Fallback, 1), 0, 20_000));
}
