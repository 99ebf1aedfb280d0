//! Same input, same answer; and an answer to any input.

use proptest::prelude::*;
use tidegate_plugin_sdk::{Attempt, Choice, ErrorKind, Policy, Target};

use crate::story::{failed, history, policy, target};

fn attempt() -> impl Strategy<Value = Attempt> {
    (0..6u32, any::<u32>(), 0..16u32, any::<Option<u64>>(), any::<[bool; 3]>(), any::<u64>()).prop_map(
        |(target, http_status, error, retry_after_ms, [retryable, quota, committed], ended_ms)| Attempt {
            target,
            error: ErrorKind::from_value(error),
            http_status,
            retry_after_ms,
            retryable,
            quota,
            committed,
            ended_ms,
            ..Attempt::default()
        },
    )
}

fn any_target() -> impl Strategy<Value = Target<'static>> {
    let names = prop_oneof![Just("a"), Just("b"), Just("openai/a"), Just("")];
    (names, any::<[u32; 4]>(), any::<bool>(), prop_oneof![3 => Just(0), 1 => any::<u64>()]).prop_map(
        |(group, [weight, order, fails_minute, oks_minute], unavailable, cooldown_ms)| Target {
            weight,
            order: order % 3,
            unavailable,
            fails_minute,
            oks_minute,
            cooldown_ms,
            ..target("id", group)
        },
    )
}

proptest! {
    #[test]
    fn any_history_gets_one_answer(
        attempts in prop::collection::vec(attempt(), 0..8),
        targets in prop::collection::vec(any_target(), 0..5),
        now_ms in any::<u64>(),
        deadline_ms in any::<u64>(),
        seed in any::<u64>(),
    ) {
        let config = r#"{"router": {"num_retries": 3, "default_fallbacks": ["b", "a"]}}"#;
        let mut asked = history(&targets, &attempts);
        (asked.now_ms, asked.deadline_ms, asked.seed) = (now_ms, deadline_ms, seed);
        let action = policy(config).decide(&asked);
        prop_assert_eq!(action, policy(config).decide(&asked));
        if action.choice != Choice::Raise {
            let chosen = &asked.targets[action.target as usize];
            prop_assert!(!chosen.unavailable && chosen.cooldown_ms == 0);
        }
    }
}

#[test]
fn the_seed_is_what_makes_answers_differ() {
    let delays = |seeds: std::ops::Range<u64>| {
        let mut delays: Vec<_> = seeds
            .map(|seed| {
                let mut asked = history(&[target("a1", "a")], &[failed(0, 500)]);
                asked.seed = seed;
                policy("{}").decide(&asked).delay_ms
            })
            .collect();
        delays.sort_unstable();
        delays.dedup();
        delays.len()
    };
    assert_eq!(delays(5..6), 1);
    assert!(delays(0..100) > 50, "the jitter does not spread");
}
