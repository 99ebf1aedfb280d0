//! Retry budgets, keep-alives: what a file names, for all groups and for one, and what is refused.

use std::time::Duration;

use tidegate::config::RetryBudget;

use super::{bad, good};

const MODELS: &str = "model_list:
  - {model_name: a, litellm_params: {model: openai/m, api_key: k, num_retries: 40}}
  - {model_name: b, litellm_params: {model: openai/m, api_key: k}}
";

#[test]
fn a_group_s_own_goes_before() {
    let config = good(&format!(
        "{MODELS}tidegate: {{retry_budget: {{ratio: 0.5}}, keep_alive: 15s, groups: {{a: {{retry_budget: {{window: 20s, \
         min_per_second: 0}}, keep_alive: 0s}}}}}}"
    ));
    let default = RetryBudget::default();
    assert_eq!(config.retry_budget_for("b"), RetryBudget { ratio: 0.5, ..default });
    let own = RetryBudget { ratio: 0.5, min_per_second: 0.0, window: Duration::from_secs(20) };
    assert_eq!(config.retry_budget_for("a"), own);
    assert_eq!(config.keep_alive_for("a"), Duration::ZERO);
    assert_eq!(config.keep_alive_for("b"), Duration::from_secs(15));
    assert_eq!((config.retry_floor("a"), config.retry_floor("b")), (0.0, 10.0));
}

#[test]
fn a_floor_is_at_least_what_one_request_may_use() {
    let config = good(MODELS);
    assert_eq!((config.retry_floor("a"), config.retry_floor("b")), (40.0, 10.0));
    assert_eq!(config.keep_alive_for("a"), Duration::ZERO, "off unless it is written");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (section, complaint) in [
        ("retry_budget: {ratio: -1}", "`ratio` must be a number from 0 up"),
        ("retry_budget: {ratio: much}", "`ratio` takes a number"),
        ("retry_budget: {window: 10}", "`window`: a duration needs its unit"),
        ("retry_budget: {window: 0s}", "`window` must be between 1s and 10m"),
        ("retry_budget: {window: 1h}", "`window` must be between 1s and 10m"),
        ("retry_budget: {per_second: 1}", "`retry_budget` has no key `per_second`"),
        ("keep_alive: 1ms", "`keep_alive` must be 0s, which is off, or at least 100ms"),
        ("keep_alive: 15", "`keep_alive`: a duration needs its unit"),
    ] {
        let report = bad(&format!("{MODELS}tidegate: {{{section}}}"));
        let said = report.errors.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(said.iter().any(|line| line.contains(complaint)), "{section}: {said:?}");
    }
}
