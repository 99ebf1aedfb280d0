//! Random walks with larger budgets and more targets than the search can exhaust.

use std::sync::Arc;

use proptest::prelude::*;
use tidegate_engine::{Answer, Command, Engine, ErrorClass, Event, Failure, Limits, MAX_ATTEMPTS};

use crate::oracle::{Oracle, Property};
use crate::world::World;

fn failure() -> impl Strategy<Value = Failure> {
    (0..20u32, any::<u16>(), any::<Option<u64>>(), any::<bool>(), any::<bool>()).prop_map(
        |(class, status, retry_after_ms, retryable, quota)| Failure {
            class: ErrorClass::from(class),
            status,
            retry_after_ms,
            retryable,
            quota,
        },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    (0..6u32, prop_oneof![4 => 0..8u32, 1 => any::<u32>()], prop_oneof![0..200u64, any::<u64>()])
        .prop_map(|(action, target, delay_ms)| Answer { action, target, delay_ms })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => proptest::option::weighted(0.9, 0..8u16).prop_map(|target| Event::Start { target }),
        2 => Just(Event::Content),
        1 => Just(Event::Ended),
        30 => failure().prop_map(Event::Failed),
        30 => (proptest::option::weighted(0.98, answer()), 0..1_000u64)
            .prop_map(|(answer, now_ms)| Event::Decided { answer, now_ms }),
        20 => Just(Event::Slept),
        1 => prop_oneof![Just(Event::Deadline), Just(Event::ClientGone), Just(Event::Aborted)],
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..=MAX_ATTEMPTS, 0..40u32, 0..3u32, 0..300u64, 0..2_000u64).prop_map(
        |(attempts, fallbacks, continuations, max_delay_ms, deadline_ms)| Limits {
            attempts,
            fallbacks,
            continuations,
            max_delay_ms,
            deadline_ms,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_events_breaks_a_property(
        limits in limits(),
        groups in prop::collection::vec(0..4u16, 1..8),
        events in prop::collection::vec(event(), 0..400),
    ) {
        let world = World { limits, groups: Arc::from(groups), events: Vec::new() };
        let mut engine = Engine::new(limits, Arc::clone(&world.groups));
        let mut oracle = Oracle::default();
        let mut steps = 0;
        for event in events {
            let before = engine.clone();
            let command = engine.step(event);
            let broken = oracle.observe(&world, (&before, event, command, &engine));
            prop_assert_eq!(broken, Vec::<Property>::new());
            steps += u32::from(command != Command::Ignore);
        }
        // Call, failure, decision, wait: then the next call. The last one may relay before it fails.
        prop_assert!(steps <= 3 * limits.attempts + 2);
    }

    /// To forbid a continuation is never to have allowed it: the searched machines without one are all there is.
    #[test]
    fn a_forbidden_continuation_was_never_allowed(
        limits in limits(),
        groups in prop::collection::vec(0..4u16, 1..8),
        events in prop::collection::vec(event(), 0..40),
    ) {
        let groups: Arc<[u16]> = Arc::from(groups);
        let mut forbidden = Engine::new(limits, Arc::clone(&groups));
        let mut never = Engine::new(Limits { continuations: 0, ..limits }, groups);
        for event in events {
            forbidden.step(event);
            if forbidden.continued() {
                break;
            }
            never.step(event);
        }
        prop_assume!(!forbidden.continued());
        forbidden.forbid_continuation();
        prop_assert_eq!(forbidden, never);
    }

    #[test]
    fn a_budget_out_of_range_is_taken_as_the_nearest(attempts in any::<u32>()) {
        let limits = Limits { attempts, fallbacks: 0, continuations: 0, max_delay_ms: 0, deadline_ms: 1 };
        let engine = Engine::new(limits, Arc::from([0]));
        prop_assert_eq!(engine.attempts_left(), attempts.clamp(1, MAX_ATTEMPTS));
    }
}
