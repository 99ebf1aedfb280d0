//! `routing_strategy`: which target is called first, and which one after a failure.

use tidegate_plugin_sdk::{Attempt, Choice, Policy, Target};

use crate::story::{failed, history, policy, target};

const NAMES: [&str; 5] =
    ["simple-shuffle", "least-busy", "latency-based-routing", "usage-based-routing-v2", "cost-based-routing"];

fn config(name: &str, more: &str) -> String {
    format!(
        r#"{{"router": {{"strategy": {{"name": "{name}"{more}}}, "fallbacks": [{{"a": ["b"]}}], "num_retries": 3}}}}"#
    )
}

/// The ids that are picked with many seeds, each once.
fn picked(config: &str, targets: &[Target<'static>]) -> Vec<&'static str> {
    let mut ids: Vec<&str> = (0..64)
        .map(|seed| {
            let mut asked = history(targets, &[]);
            asked.seed = seed;
            let action = policy(config).pick(&asked);
            if action.choice == Choice::Raise { "none" } else { targets[action.target as usize].id }
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Two targets of which `quick` is better by every strategy but the shuffle.
fn two() -> [Target<'static>; 2] {
    let better = |id, factor| Target {
        inflight: factor,
        answer_us: 100 * u64::from(factor),
        tokens_minute: 100 * u64::from(factor),
        requests_minute: 1,
        input_cost: Some(1_000_000 * u64::from(factor)),
        ..target(id, "a")
    };
    [better("slow", 2), better("quick", 1)]
}

#[test]
fn each_strategy_takes_what_is_best_by_it() {
    for name in NAMES {
        let expected = if name == "simple-shuffle" { vec!["quick", "slow"] } else { vec!["quick"] };
        assert_eq!(picked(&config(name, ""), &two()), expected, "{name}");
    }
}

#[test]
fn each_strategy_looks_at_its_own_measure_alone() {
    let one = |change: fn(&mut Target<'static>)| {
        let mut targets = [target("slow", "a"), target("other", "a")];
        targets.iter_mut().for_each(|target| target.answer_us = 5);
        targets[0].output_cost = Some(7);
        change(&mut targets[0]);
        targets
    };
    for (name, targets) in [
        ("least-busy", one(|it| it.inflight = 1)),
        ("latency-based-routing", one(|it| it.answer_us = 6)),
        ("usage-based-routing-v2", one(|it| it.tokens_minute = 1)),
        ("usage-based-routing-v2", one(|it| it.requests_minute = 1)),
    ] {
        for other in NAMES.iter().filter(|other| **other != "cost-based-routing") {
            let both = *other != name;
            let expected = if both { vec!["other", "slow"] } else { vec!["other"] };
            assert_eq!(picked(&config(other, ""), &targets), expected, "{name} {other}");
        }
        // `other` has no price, and counts as the dearest.
        assert_eq!(picked(&config("cost-based-routing", ""), &targets), ["slow"]);
    }
}

#[test]
fn tokens_go_before_requests() {
    let targets = [
        Target { tokens_minute: 1, ..target("few", "a") },
        Target { requests_minute: 9, ..target("none", "a") },
    ];
    assert_eq!(picked(&config("usage-based-routing-v2", ""), &targets), ["none"]);
}

#[test]
fn the_buffer_is_a_share_of_the_shortest_time() {
    let times = [100, 150, 151].map(|answer_us| Target {
        answer_us,
        ..target(
            if answer_us == 100 {
                "x"
            } else if answer_us == 150 {
                "y"
            } else {
                "z"
            },
            "a",
        )
    });
    let with = |buffer: &str| picked(&config("latency-based-routing", buffer), &times);
    assert_eq!(with(""), ["x"]);
    assert_eq!(with(r#", "lowest_latency_buffer": 0.5"#), ["x", "y"]);
    assert_eq!(with(r#", "lowest_latency_buffer": 1"#), ["x", "y", "z"]);
    let [mut x, y, z] = times;
    x.answer_us = 0;
    let new = picked(&config("latency-based-routing", r#", "lowest_latency_buffer": 9"#), &[x, y, z]);
    assert_eq!(new, ["x"], "one that was never measured is tried");
}

#[test]
fn what_cannot_be_called_is_no_choice() {
    for name in NAMES {
        let [slow, mut quick] = two();
        quick.unavailable = true;
        assert_eq!(picked(&config(name, ""), &[slow, quick]), ["slow"], "{name}");
        quick.unavailable = false;
        quick.cooldown_ms = 1;
        assert_eq!(picked(&config(name, ""), &[slow, quick]), ["slow"], "{name}");
        quick.cooldown_ms = 0;
        quick.order = 1;
        assert_eq!(picked(&config(name, ""), &[slow, quick]), ["slow"], "{name}: the order goes first");
        let fallback = Target { group: "b", id: "b", ..slow };
        let resting = Target { cooldown_ms: 1, ..slow };
        assert_eq!(picked(&config(name, ""), &[resting, fallback]), ["b"], "{name}");
        assert_eq!(picked(&config(name, ""), &[resting]), ["none"], "{name}");
        assert_eq!(
            picked(&config(name, ""), &[resting, Target { group: "c", ..fallback }]),
            ["none"],
            "{name}"
        );
    }
}

#[test]
fn a_retry_and_a_fallback_are_chosen_alike() {
    let [slow, quick] = two();
    let in_b = |target: Target<'static>| Target { group: "b", ..target };
    let first = Target { order: 0, ..target("first", "a") };
    let last: Attempt = failed(0, 500);
    for name in NAMES.iter().filter(|name| **name != "simple-shuffle") {
        for seed in 0..32 {
            let (targets, attempts) = ([first, slow, quick], [last]);
            let mut asked = history(&targets, &attempts);
            asked.seed = seed;
            let action = policy(&config(name, "")).decide(&asked);
            assert_eq!((action.choice, action.target), (Choice::Retry, 2), "{name}");
            let (targets, attempts) = ([first, in_b(slow), in_b(quick)], [failed(0, 404)]);
            let mut asked = history(&targets, &attempts);
            asked.seed = seed;
            let action = policy(&config(name, "")).decide(&asked);
            assert_eq!((action.choice, action.target), (Choice::Fallback, 2), "{name}");
        }
    }
}

#[test]
fn an_unknown_strategy_is_refused() {
    let refused = <tidegate_plugin_fallback::Fallback as Policy>::create;
    let host = tidegate_plugin_sdk::Host::silent();
    assert!(refused(&config("fastest", ""), host).is_err());
}
