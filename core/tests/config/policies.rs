//! Rules by the kind of error, and the lists for prompts that are too long or refused.

use serde_json::json;
use tidegate::config::Severity;

use super::{bad, good, messages};

const MODELS: &str = "model_list:
- {model_name: a, litellm_params: {model: x/a}}
- {model_name: b, litellm_params: {model: x/b}}
- {model_name: c, litellm_params: {model: x/c}}
";

#[test]
fn the_policy_gets_what_is_written() {
    let config = good(&format!(
        "{MODELS}router_settings:
  model_group_alias: {{short: a}}
  retry_policy: {{RateLimitErrorRetries: 3, BadRequestErrorRetries: \"0\"}}
  model_group_retry_policy: {{short: {{TimeoutErrorRetries: 1}}, b: {{}}}}
  allowed_fails_policy: {{RateLimitErrorAllowedFails: 100, NotFoundErrorAllowedFails: 1}}
  context_window_fallbacks: [{{short: [b]}}]
  content_policy_fallbacks: [{{a: [short, c]}}]
"
    ));
    assert_eq!(messages(&config, Severity::Warning), Vec::<String>::new());
    let router = &config.policy_json()["router"];
    assert_eq!(router["retry_policy"], json!({"RateLimitError": 3, "BadRequestError": 0}));
    assert_eq!(router["model_group_retry_policy"], json!({"a": {"TimeoutError": 1}, "b": {}}));
    assert_eq!(router["allowed_fails_policy"], json!({"RateLimitError": 100, "NotFoundError": 1}));
    assert_eq!(router["context_window_fallbacks"], json!([{"a": ["b"]}]));
    assert_eq!(router["content_policy_fallbacks"], json!([{"a": ["a", "c"]}]));
}

#[test]
fn they_may_stand_in_litellm_settings_too() {
    let both =
        "litellm_settings: {context_window_fallbacks: [{a: [b]}], retry_policy: {TimeoutErrorRetries: 1}}
router_settings: {context_window_fallbacks: [{a: [c]}]}
";
    let config = good(&format!("{MODELS}{both}"));
    assert_eq!(config.router.context_window_fallbacks, [("a".to_owned(), vec!["c".to_owned()])]);
    assert_eq!(config.policy_json()["router"]["retry_policy"], json!({"TimeoutError": 1}));
}

#[test]
fn a_deployments_own() {
    let config = good(
        "model_list:
- {model_name: a, litellm_params: {model: x/a}, model_info: {id: one, allowed_fails: 0, cooldown_time: 7}}
- model_name: a
  litellm_params: {model: x/a, cooldown_time: 1}
  model_info: {id: two, cooldown_time: 7, allowed_fails_policy: {TimeoutErrorAllowedFails: 4}}
",
    );
    let deployments = &config.policy_json()["deployments"];
    assert_eq!(
        (&deployments["one"]["allowed_fails"], &deployments["one"]["cooldown_time"]),
        (&json!(0), &json!(7.0))
    );
    assert_eq!(deployments["two"]["cooldown_time"], json!(1.0));
    assert_eq!(deployments["two"]["allowed_fails_policy"], json!({"TimeoutError": 4}));
}

#[test]
fn a_misspelt_class_is_named_with_the_nearest() {
    let config =
        good("router_settings:\n  retry_policy: {RateLimitErrRetries: 3, RateLimitErrorAllowedFails: 1}\n");
    let warnings: Vec<String> = config.notices.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(
        warnings[0],
        "
config.yaml:2:18: warning: `retry_policy` has no key `RateLimitErrRetries`; it is ignored
  2 |   retry_policy: {RateLimitErrRetries: 3, RateLimitErrorAllowedFails: 1}
    |                  ^^^^^^^^^^^^^^^^^^^
    = did you mean `RateLimitErrorRetries`?"
            .trim_start()
    );
    assert!(warnings[1].contains("it has BadRequestErrorRetries, "), "{}", warnings[1]);
}

#[test]
fn a_policy_for_no_group_is_named() {
    let config = good(&format!("{MODELS}router_settings: {{model_group_retry_policy: {{aa: {{}}}}}}\n"));
    let warnings = messages(&config, Severity::Warning);
    assert!(warnings[0].contains("no model named `aa`, so this policy is never used"), "{warnings:?}");
}

#[test]
fn what_is_of_the_wrong_kind_is_refused() {
    for (text, words) in [
        ("retry_policy: 3", "`retry_policy` takes a mapping"),
        ("retry_policy: {RateLimitErrorRetries: many}", "`RateLimitErrorRetries` takes a whole number"),
        ("retry_policy: {RateLimitErrorRetries: -1}", "`RateLimitErrorRetries` must be 0 or more"),
        ("model_group_retry_policy: {a: [1]}", "`a` takes a mapping"),
        ("allowed_fails_policy: {TimeoutErrorAllowedFails: 1.5}", "takes a whole number"),
        ("context_window_fallbacks: [{a: [b], c: [d]}]", "has exactly one model"),
        ("content_policy_fallbacks: {a: [b]}", "takes a list"),
    ] {
        let report = bad(&format!("{MODELS}router_settings: {{{text}}}\n"));
        assert!(report.to_string().contains(words), "{text}: {report}");
    }
}

#[test]
fn all_of_it_counts_in_the_budget() {
    let attempts = |router: &str| {
        let config = good(&format!("{MODELS}router_settings: {{num_retries: 1, {router}}}\n"));
        ["a", "b", "c"].map(|group| config.attempts(group, None))
    };
    assert_eq!(attempts(""), [2, 2, 2]);
    assert_eq!(
        attempts("context_window_fallbacks: [{a: [b]}], content_policy_fallbacks: [{b: [c]}]"),
        [6, 4, 2]
    );
    assert_eq!(attempts("context_window_fallbacks: [{'*': [b]}]"), [2, 2, 2], "no `*` here");
    assert_eq!(attempts("retry_policy: {RateLimitErrorRetries: 4, TimeoutErrorRetries: 0}"), [5, 5, 5]);
    assert_eq!(
        attempts("retry_policy: {RateLimitErrorRetries: 0}"),
        [2, 2, 2],
        "other errors have `num_retries`"
    );
    assert_eq!(
        attempts("model_group_retry_policy: {a: {TimeoutErrorRetries: 9}}, fallbacks: [{b: [a]}]"),
        [10, 12, 2]
    );
    assert_eq!(attempts("retry_policy: {TimeoutErrorRetries: 4000000000}"), [32, 32, 32]);
    let orders = good(
        "model_list:
- {model_name: a, litellm_params: {model: x/a, order: 1}}
- {model_name: a, litellm_params: {model: x/a, order: 2, num_retries: 5}}
- {model_name: a, litellm_params: {model: x/a, order: 2}}
",
    );
    assert_eq!(orders.attempts("a", None), 3 + 6, "each order has its own retries");
}

#[test]
fn a_request_begins_only_where_any_failure_leads() {
    let text = format!(
        "{MODELS}router_settings: {{fallbacks: [{{a: [b]}}], context_window_fallbacks: [{{a: [c]}}]}}\n"
    );
    let config = good(&text);
    let reach = config.reach("a", None);
    assert_eq!((reach.groups.as_slice(), reach.general), (&["a", "b", "c"][..], 2));
}
