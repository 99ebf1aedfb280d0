//! What a configuration may look like.

use tidegate_plugin_fallback::Fallback;
use tidegate_plugin_sdk::{Choice, Host, Policy};

use crate::story::{decide, failed, history, policy, target};

#[test]
fn accepts_what_the_core_writes() {
    policy("{}");
    policy(
        r#"{"router": {"num_retries": 2, "retry_after": 0, "allowed_fails": null, "cooldown_time": 5.0,
            "disable_cooldowns": false, "fallbacks": [{"a": ["b"]}], "default_fallbacks": null, "max_fallbacks": 5},
            "groups": {"a": {}}, "later": 1, "params": {},
            "deployments": {"a1": {"group": "a", "cooldown_time": null, "num_retries": null}}}"#,
    );
}

#[test]
fn refuses_with_a_reason() {
    let cases = [
        ("", "EOF"),
        ("[]", "expected a map"),
        ("{} {}", "trailing"),
        (r#"{"router": []}"#, "expected a map"),
        (r#"{"router": {"cooldown_time": -1}}"#, "-1 is not a number of seconds"),
        (r#"{"router": {"retry_after": 1e300}}"#, "is not a number of seconds"),
        (r#"{"router": {"num_retries": -1}}"#, "-1"),
        (r#"{"router": {"fallbacks": [{"a": ["b"], "c": ["d"]}]}}"#, "exactly one group"),
        (r#"{"router": {"fallbacks": [{}]}}"#, "exactly one group"),
        (r#"{"router": {"context_window_fallbacks": [{}]}}"#, "exactly one group"),
        (r#"{"router": {"retry_policy": {"RateLimitError": -1}}}"#, "-1"),
        (r#"{"params": {"retries": 3}}"#, "takes no params, and `retries` is written"),
        (r#"{"deployments": {"a1": {"allowed_fails_policy": 3}}}"#, "expected a map"),
        (r#"{"deployments": {"a1": {"cooldown_time": -2}}}"#, "-2 is not a number of seconds"),
    ];
    for (config, reason) in cases {
        let why = Fallback::create(config, Host::silent()).expect_err(config);
        assert!(why.contains(reason), "{config}: {why}");
    }
}

/// BerriAI/litellm#26015: nothing is configured that could help, so nothing may be tried.
#[test]
fn the_founding_config_raises_every_failure_without_a_cooldown() {
    let config = r#"{"router": {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 0, "fallbacks": []}}"#;
    for status in [400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 529] {
        for retry_after_ms in [None, Some(0), Some(30_000)] {
            for committed in [false, true] {
                let mut attempt = failed(0, status);
                (attempt.retry_after_ms, attempt.committed, attempt.retryable) =
                    (retry_after_ms, committed, true);
                let action = decide(config, &history(&[target("a1", "a")], &[attempt]));
                assert_eq!((action.choice, action.cooldown_ms), (Choice::Raise, 0), "{status}");
            }
        }
    }
}
