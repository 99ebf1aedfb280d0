//! `cost-first`: the cheapest that can be called, and who comes after it.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use tidegate_plugin_sdk::harness::PolicyHarness;
use tidegate_plugin_sdk::{Attempt, Choice, ErrorKind, History, Host, Policy, Target};

mod adversary;
#[path = "../cost_first.rs"]
#[allow(unreachable_pub, reason = "it is a library of its own")]
mod cost_first;

use cost_first::CostFirst;

fn policy(config: &str) -> PolicyHarness {
    PolicyHarness::new::<CostFirst>(config).unwrap()
}

fn costs(id: &'static str, group: &'static str, input: Option<u64>, output: Option<u64>) -> Target<'static> {
    Target { id, group, weight: 1, input_cost: input, output_cost: output, ..Target::default() }
}

fn history<'a>(targets: &[Target<'a>], prompt_tokens: u64) -> History<'a> {
    History {
        deadline_ms: 60_000,
        attempts_left: 9,
        retry_tokens: 9,
        group: "a",
        targets: targets.to_vec(),
        prompt_tokens,
        ..History::default()
    }
}

fn failed<'a>(mut history: History<'a>, target: u32) -> History<'a> {
    let error = ErrorKind::Server;
    history.attempts.push(Attempt { target, error, http_status: 500, retryable: true, ..Attempt::default() });
    history
}

/// The order in which the targets are called when each of them fails.
fn order(config: &str, targets: &[Target<'static>], prompt_tokens: u64) -> Vec<&'static str> {
    let (policy, mut history, mut ids) = (policy(config), history(targets, prompt_tokens), Vec::new());
    let mut action = policy.pick(&history).unwrap();
    while action.choice != Choice::Raise {
        ids.push(targets[action.target as usize].id);
        assert!(ids.len() <= targets.len(), "one is called twice: {ids:?}");
        history = failed(history, action.target);
        action = policy.decide(&history).unwrap();
    }
    ids
}

#[test]
fn the_cheapest_first_then_the_dearer_ones_then_the_fallbacks() {
    let targets = [
        costs("dear", "a", Some(9), Some(9)),
        costs("unknown", "a", None, None),
        costs("cheap", "a", Some(1), Some(2)),
        costs("free", "a", Some(0), Some(0)),
        costs("b dear", "b", Some(8), None),
        costs("b cheap", "b", None, Some(1)),
    ];
    assert_eq!(order("{}", &targets, 100), ["free", "cheap", "dear", "unknown", "b cheap", "b dear"]);
}

#[test]
fn the_length_of_the_prompt_and_of_the_answer_decide() {
    let targets =
        [costs("reads cheaply", "a", Some(1), Some(50)), costs("writes cheaply", "a", Some(10), Some(20))];
    let first = |config: &str, prompt| order(config, &targets, prompt)[0];
    // With 500 tokens of an answer both cost the same at 1,666 of a prompt.
    assert_eq!(first("{}", 1_000), "writes cheaply");
    assert_eq!(first("{}", 2_000), "reads cheaply");
    assert_eq!(first(r#"{"params": {"answer_tokens": 10}}"#, 1_000), "reads cheaply");
}

#[test]
fn who_rests_is_away_or_is_for_special_failures_is_passed_over() {
    let targets = [
        Target { cooldown_ms: 1, ..costs("rests", "a", Some(0), None) },
        Target { unavailable: true, ..costs("away", "a", Some(0), None) },
        costs("healthy", "a", Some(3), None),
        Target { special: true, ..costs("special", "s", Some(0), None) },
    ];
    assert_eq!(order("{}", &targets, 1), ["healthy"]);
    let long = |error| {
        let mut history = failed(history(&targets, 1), 2);
        history.attempts[0].error = error;
        let action = policy("{}").decide(&history).unwrap();
        (action.choice, action.target)
    };
    assert_eq!(long(ErrorKind::ContextLength), (Choice::Fallback, 3));
    assert_eq!(long(ErrorKind::Server).0, Choice::Raise);
    assert_eq!(long(ErrorKind::BadRequest).0, Choice::Raise);
}

#[test]
fn of_equal_prices_the_order_counts_and_then_the_weight() {
    let one = |id, order, weight| Target { order, weight, ..costs(id, "a", Some(1), Some(1)) };
    let targets = [one("later", 1, 9), one("never", 0, 0), one("often", 0, 1)];
    for seed in 0..20 {
        let history = History { seed, ..history(&targets, 1) };
        assert_eq!(policy("{}").pick(&history).unwrap().target, 2);
    }
}

#[test]
fn a_sum_that_is_too_large_is_the_dearest() {
    let targets =
        [costs("beyond", "a", Some(u64::MAX), Some(u64::MAX)), costs("dear", "a", Some(1 << 40), None)];
    assert_eq!(order("{}", &targets, 1_000), ["dear", "beyond"]);
}

#[test]
fn a_configuration_that_is_not_understood_is_refused() {
    let why = CostFirst::create(r#"{"params": {"answer": 1}}"#, Host::silent()).err().unwrap();
    assert_eq!(why, "there is no `params.answer`; there are: answer_tokens");
}

#[test]
fn every_request_ends() {
    let seen = adversary::every_request_ends(|history: &History<'_>| {
        CostFirst::create("{}", Host::silent()).unwrap().decide(history)
    });
    assert!(seen.again > 100 && seen.elsewhere > 100, "{seen:?}");
}
