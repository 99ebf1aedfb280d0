//! `least_loaded.c`: compiled, loaded by the real host and asked; and the adversary's own faults.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use tidegate_host::{ActionKind, LoadOptions, PolicyInstance, abi};
use tidegate_plugin_sdk::{Action, Attempt, ErrorKind, History, Target};

mod adversary;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/least_loaded.c");

/// The policy, built as its own first lines say.
static POLICY: LazyLock<PolicyInstance> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("least_loaded.so");
    let output = Command::new("cc")
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"])
        .args(["-fvisibility=hidden", "-I"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../abi/include"))
        .args([SOURCE, "-o"])
        .arg(&to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let plugin = tidegate_host::load(&to, &LoadOptions::default()).unwrap();
    plugin.policy().unwrap().create(&serde_json::json!({})).unwrap()
});

/// Inline, a call is done at the first poll.
fn now<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("an inline call waits"),
    }
}

/// What the C policy answers, in the SDK's words.
fn decide(history: &History<'_>) -> Action {
    let flag = |on: bool, bit: u32| if on { bit } else { 0 };
    let targets: Vec<_> = history
        .targets
        .iter()
        .map(|it| tidegate_host::Target {
            id: it.id.into(),
            group: it.group.into(),
            weight: it.weight,
            order: it.order,
            flags: flag(it.unavailable, abi::target::UNAVAILABLE) | flag(it.special, abi::target::SPECIAL),
            inflight: it.inflight,
            cooldown_ms: it.cooldown_ms,
            ..tidegate_host::Target::default()
        })
        .collect();
    let attempts: Vec<_> = history
        .attempts
        .iter()
        .map(|it| tidegate_host::Attempt {
            target: it.target,
            error: it.error.value(),
            http_status: it.http_status,
            flags: flag(it.retryable, abi::attempt::RETRYABLE)
                | flag(it.quota, abi::attempt::QUOTA)
                | flag(it.committed, abi::attempt::COMMITTED),
            started_ms: it.started_ms,
            ended_ms: it.ended_ms,
            retry_after_ms: it.retry_after_ms.unwrap_or(0),
            bytes_to_client: it.bytes_to_client,
        })
        .collect();
    let told = tidegate_host::History {
        now_ms: history.now_ms,
        deadline_ms: history.deadline_ms,
        seed: history.seed,
        attempts_left: history.attempts_left,
        retry_tokens: history.retry_tokens,
        group: history.group,
        options: b"",
        attempts: &attempts,
        targets: &targets,
        stream: false,
        prompt_tokens: 0,
    };
    let answer = now(POLICY.decide(&told)).unwrap();
    let action = match answer.kind {
        ActionKind::Retry => Action::retry(answer.target, answer.delay_ms),
        ActionKind::Fallback => Action::fallback(answer.target, answer.delay_ms),
        ActionKind::Raise | ActionKind::Continue => Action::raise(),
    };
    action.cooldown(answer.cooldown_ms)
}

fn target(group: &'static str, weight: u32, inflight: u32) -> Target<'static> {
    Target { id: "x", group, weight, inflight, ..Target::default() }
}

fn failed(target: u32) -> Attempt {
    Attempt { target, error: ErrorKind::Server, http_status: 500, retryable: true, ..Attempt::default() }
}

fn history(targets: &[Target<'static>], attempts: &[Attempt]) -> History<'static> {
    History {
        group: "a",
        retry_tokens: 9,
        targets: targets.to_vec(),
        attempts: attempts.to_vec(),
        ..History::default()
    }
}

#[test]
fn it_is_short_and_exports_one_symbol() {
    assert!(std::fs::read_to_string(SOURCE).unwrap().lines().count() < 60);
    assert_eq!(POLICY.plugin().name(), "least-loaded");
    assert!(POLICY.has_pick());
}

#[test]
fn the_fewest_calls_for_its_weight() {
    let first = |targets: &[Target<'static>]| decide(&history(targets, &[]));
    assert_eq!(first(&[target("a", 1, 3), target("a", 1, 2), target("b", 9, 0)]), Action::retry(1, 0));
    // Half of the capacity, and less than half of the calls.
    assert_eq!(first(&[target("a", 10, 9), target("a", 5, 3)]), Action::retry(1, 0));
    assert_eq!(first(&[target("a", 10, 7), target("a", 5, 4)]), Action::retry(0, 0));
    assert_eq!(
        first(&[target("a", 0, 0), target("a", 1, 50)]),
        Action::retry(1, 0),
        "no weight: the last choice"
    );
    let busy = Target { unavailable: true, ..target("a", 1, 0) };
    let rests = Target { cooldown_ms: 1, ..target("a", 1, 0) };
    assert_eq!(first(&[busy, rests]), Action::raise());
    assert_eq!(first(&[busy, rests, target("b", 1, 0)]), Action::fallback(2, 0));
    assert_eq!(first(&[]), Action::raise());
    let mut drawn: Vec<u32> = (0..4)
        .map(|seed| {
            let equal = [target("a", 1, 0), target("a", 1, 0)];
            decide(&History { seed, ..history(&equal, &[]) }).target
        })
        .collect();
    drawn.dedup();
    assert_eq!(drawn, [0, 1, 0, 1], "of equal ones not always the first");
}

#[test]
fn a_failure_goes_on_elsewhere_each_once() {
    let targets = [target("a", 1, 0), target("a", 1, 5), target("b", 1, 0)];
    let next = |attempts: &[Attempt]| decide(&history(&targets, attempts));
    assert_eq!(next(&[failed(0)]), Action::retry(1, 0).cooldown(5_000));
    assert_eq!(next(&[failed(0), failed(1)]), Action::fallback(2, 0).cooldown(5_000));
    assert_eq!(next(&[failed(0), failed(1), failed(2)]), Action::raise().cooldown(5_000));
    let no_tokens = History { retry_tokens: 0, ..history(&targets, &[failed(0)]) };
    assert_eq!(decide(&no_tokens), Action::fallback(2, 0).cooldown(5_000));
    let waits = Attempt { retry_after_ms: Some(30_000), ..failed(0) };
    assert_eq!(next(&[waits]).cooldown_ms, 30_000);
    let refused = Attempt { retryable: false, error: ErrorKind::BadRequest, ..failed(0) };
    assert_eq!(next(&[refused]), Action::raise());
    assert_eq!(next(&[Attempt { committed: true, ..failed(0) }]), Action::raise().cooldown(5_000));
    assert_eq!(
        decide(&history(&[target("a", 1, 0)], &[failed(0)])),
        Action::raise(),
        "who is alone does not rest"
    );
}

#[test]
fn every_request_ends() {
    let seen = adversary::every_request_ends(decide);
    assert!(seen.again > 100 && seen.elsewhere > 100, "{seen:?}");
}

/// An answer that depends on more than the history.
#[test]
#[should_panic(expected = "it is no pure function")]
fn the_adversary_sees_a_policy_that_counts() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    adversary::every_request_ends(|_| Action::retry(0, CALLS.fetch_add(1, Relaxed)));
}

#[test]
#[should_panic(expected = "a cooling deployment was called")]
fn the_adversary_sees_a_policy_that_calls_who_rests() {
    adversary::every_request_ends(|history| history.go_to(history.attempts[0].target, 0).cooldown(1));
}

#[test]
#[should_panic(expected = "these policies continue nothing")]
fn the_adversary_sees_a_policy_that_continues() {
    adversary::every_request_ends(|history| {
        let free = history.free().find(|(index, _)| history.last_on(*index).is_none());
        free.map_or(Action::raise(), |(index, _)| Action::continue_on(index))
    });
}
