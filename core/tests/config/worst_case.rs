//! `tidegate check`: the worst case of each group.

use tidegate::config::check::{CheckOutcome, check};

use super::{FOUNDING, bad, env, good};

#[test]
fn the_founding_config_makes_one_attempt() {
    let outcome = CheckOutcome::new(Ok(good(FOUNDING)));
    assert_eq!((outcome.groups[0].attempts, outcome.groups[0].deployments), (1, 1));
    let text = outcome.to_string();
    assert!(
        text.contains("\nmodel                   deployments  attempts  request  stream  fallbacks\n"),
        "{text}"
    );
    assert!(text.contains("\ngemini-3.1-pro-preview            1         1       1h      1h  -\n"), "{text}");
    assert!(text.ends_with("the config is good: 0 warnings, 1 note\n"), "{text}");
}

#[test]
fn retries_and_fallbacks_add_up_and_cycles_end() {
    let models: String = ["a", "b", "c"]
        .map(|name| format!("- {{model_name: {name}, litellm_params: {{model: x/{name}}}}}\n"))
        .concat();
    let text = |router: &str| format!("model_list:\n{models}router_settings: {{{router}}}\n");
    let attempts = |router: &str| {
        let outcome = CheckOutcome::new(Ok(good(&text(router))));
        outcome.groups.iter().map(|row| row.attempts).collect::<Vec<_>>()
    };
    assert_eq!(attempts(""), [3, 3, 3]);
    assert_eq!(attempts("num_retries: 1, fallbacks: [{a: [b]}, {b: [c]}, {c: [a]}]"), [6, 6, 6]);
    assert_eq!(attempts("num_retries: 1, max_fallbacks: 1, fallbacks: [{a: [b]}, {b: [c]}]"), [4, 4, 2]);
    assert_eq!(attempts("num_retries: 0, default_fallbacks: [c]"), [2, 2, 1]);
    assert_eq!(attempts("num_retries: 0, default_fallbacks: [c], fallbacks: [{'*': [a, b]}]"), [2, 2, 1]);
    assert_eq!(attempts("num_retries: 0, fallbacks: [{'*': [a]}, {'*': [a, b]}]"), [2, 2, 3]);
    assert_eq!(
        attempts("num_retries: 0, model_group_alias: {x: b}, fallbacks: [{a: [x, b, gone]}]"),
        [2, 1, 1]
    );
    assert_eq!(attempts("num_retries: 100"), [32, 32, 32]);
}

#[test]
fn a_refused_config_is_shown_with_its_problems() {
    let outcome = CheckOutcome::new(Err(bad("tidegate: {lsten: 1}\nguardrails: []\n")));
    assert!(!outcome.is_ok());
    let text = outcome.to_string();
    assert!(
        text.contains("did you mean `listen`?") && text.contains("guardrails are not supported yet"),
        "{text}"
    );
    assert!(text.ends_with("1 problem in the config; 1 warning, 0 notes\n"), "{text}");
}

#[test]
fn a_file_that_is_not_there() {
    let outcome = check(std::path::Path::new("/nonexistent/config.yaml"), &env(&[]));
    assert!(!outcome.is_ok() && outcome.groups.is_empty());
}
