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
fn the_time_until_the_error_is_shown_as_a_sum() {
    let text = "model_list:
- {model_name: a, litellm_params: {model: x/a, stream_timeout: 5}}
- {model_name: a, litellm_params: {model: x/a, stream_timeout: 30, order: 2}}
- {model_name: b, litellm_params: {model: x/b, num_retries: 0, stream_timeout: 5}}
- {model_name: c, litellm_params: {model: x/c, num_retries: 70}}
router_settings: {num_retries: 1, fallbacks: [{a: [b]}]}
tidegate: {clocks: {first_content: 1m}, groups: {c: {clocks: {total: 10m, first_content: 1h}}}}
";
    let outcome = CheckOutcome::new(Ok(good(text)));
    let [a, b, c] = outcome.groups.as_slice() else { panic!("three groups") };
    // Two orders of `a` with a retry each, and `b` once.
    assert_eq!((a.attempts, a.silent_stream.attempts(), a.silent_stream.backoffs), (5, 5, 2));
    assert_eq!(a.silent_request.to_string(), "5 x 1m + 2 x 1m1s of back-off = 7m2s");
    assert_eq!(b.silent_request.to_string(), "1 x 1m = 1m");
    assert_eq!(b.silent_request.ends(), std::time::Duration::from_secs(60));
    assert_eq!((c.attempts, c.silent_request.attempts()), (32, 71));
    assert_eq!(
        c.silent_request.to_string(),
        "71 x 10m + 70 x 1m1s of back-off = 13h53s; no request has more than 32 calls; \
         the total clock ends it at 10m"
    );
    assert_eq!(c.silent_request.ends(), c.request);
    let shown = outcome.to_string();
    assert!(shown.contains("\na\n  request  5 x 1m + 2 x 1m1s of back-off = 7m2s\n  stream   "), "{shown}");
}

#[test]
fn differences_that_this_config_meets_are_noted_at_their_lines() {
    let models: String = ["a", "b", "c"]
        .map(|name| format!("- {{model_name: {name}, litellm_params: {{model: x/{name}}}}}\n"))
        .concat();
    let notes = |router: &str| {
        let config = good(&format!("model_list:\n{models}router_settings:\n  {router}\n"));
        config.notices.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let only = |router: &str, place: &str, words: &str| {
        let notes = notes(router);
        let [note] = notes.as_slice() else { panic!("{router}: {notes:?}") };
        assert!(note.starts_with(place) && note.contains(words), "{router}: {note}");
    };
    only("cooldown_time: 0", "config.yaml:6:18: note", "litellm reads it as 5 seconds");
    only("allowed_fails: 3", "config.yaml:6:18: note", "litellm takes 3 for its default");
    only(
        "fallbacks: [{b: [c]}, {a: [b, a]}, {c: [b]}]",
        "config.yaml:6:16: note",
        "the fallbacks of `b` lead back",
    );
    only("num_retries: 15\n  fallbacks: [{c: [b, a]}]", "config.yaml:4:16: note", "come to 48 calls");
    only(
        "num_retries: 40",
        "config.yaml:2:16: note",
        "`a` come to 41 calls for one request, as 2 other models do",
    );
    only("content_policy_fallbacks: [{'*': [b]}]", "config.yaml:6:3: warning", "the entry is never used");
    for quiet in [
        "cooldown_time: 1",
        "allowed_fails: 4",
        "fallbacks: [{a: [a, b]}, {b: [c]}]",
        "num_retries: 31",
        "fallbacks: [{'*': [b]}]",
    ] {
        assert_eq!(notes(quiet), Vec::<String>::new(), "{quiet}");
    }
}

#[test]
fn a_continuation_is_an_attempt_more_and_is_named() {
    let text = |section: &str| {
        let models: String = ["a", "b"]
            .map(|id| format!("- {{model_name: pair, litellm_params: {{model: x/{id}}}}}\n"))
            .concat();
        let config = format!(
            "model_list:\n{models}- {{model_name: alone, litellm_params: {{model: x/c}}}}\n\
             router_settings: {{num_retries: 0}}\n{section}"
        );
        CheckOutcome::new(Ok(good(&config)))
    };
    let with = text("tidegate: {mid_stream: continue}\n");
    let attempts = |outcome: &CheckOutcome| outcome.groups.iter().map(|row| row.attempts).collect::<Vec<_>>();
    assert_eq!(attempts(&with), [2, 1]);
    assert!(with.to_string().contains("broke off after content: pair\n"), "{with}");
    let without = text("");
    assert_eq!(attempts(&without), [1, 1]);
    assert!(!without.to_string().contains("broke off"), "{without}");
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
