//! Histories and what is to follow from them, without a network.

use patience::Patience;
use tidegate_plugin_sdk::harness::PolicyHarness;
use tidegate_plugin_sdk::{Action, Attempt, ErrorKind, History, Target};

fn decide(attempts: Vec<Attempt>) -> Action {
    let target = |id, group| Target { id, group, weight: 1, ..Target::default() };
    let history = History {
        deadline_ms: 60_000,
        attempts_left: 3,
        group: "fast",
        attempts,
        targets: vec![target("a", "fast"), target("b", "fast"), target("c", "slow")],
        ..History::default()
    };
    PolicyHarness::new::<Patience>("{}").unwrap().decide(&history).unwrap()
}

fn failed(target: u32) -> Attempt {
    Attempt { target, error: ErrorKind::Server, http_status: 500, retryable: true, ..Attempt::default() }
}

#[test]
fn each_deployment_once_then_the_fallbacks_then_the_error() {
    assert_eq!(decide(vec![failed(0)]), Action::retry(1, 0));
    assert_eq!(decide(vec![failed(0), failed(1)]), Action::fallback(2, 0));
    assert_eq!(decide(vec![failed(0), failed(1), failed(2)]), Action::raise());
}

#[test]
fn what_cannot_succeed_is_not_retried_and_a_429_rests() {
    assert_eq!(decide(vec![Attempt { retryable: false, ..failed(0) }]), Action::fallback(2, 0));
    assert_eq!(decide(vec![Attempt { committed: true, ..failed(0) }]), Action::raise());
    let limited = Attempt { error: ErrorKind::RateLimit, retry_after_ms: Some(700), ..failed(0) };
    assert_eq!(decide(vec![limited]), Action::retry(1, 0).cooldown(700));
}
