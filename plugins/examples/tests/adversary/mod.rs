//! Whatever the upstream does, and whatever the targets are like: under the engine every request of a policy ends, within
//! its budget, and the policy is a pure function of the history.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tidegate_engine::{Limits, Reason, Terminal};
use tidegate_plugin_sdk::{Action, History, Target};

#[path = "../../../fallback/tests/play/mod.rs"]
mod play;

use play::{Request, failure, groups};

fn target() -> impl Strategy<Value = Target<'static>> {
    let price = || prop::option::of(0..3u64);
    let state = (any::<bool>(), prop_oneof![4 => Just(0u64), 1 => 1..9_000u64], prop::bool::weighted(0.1));
    let rank = (0..3u32, 0..3u32, 0..4u32);
    (state, rank, price(), price(), prop_oneof![Just(0u64), 0..2_000_000u64]).prop_map(
        |(
            (special, cooldown_ms, unavailable),
            (weight, order, inflight),
            input_cost,
            output_cost,
            total_us,
        )| {
            Target {
                special,
                cooldown_ms,
                unavailable,
                weight,
                order,
                inflight,
                input_cost,
                output_cost,
                total_us,
                ..Target::default()
            }
        },
    )
}

/// How often a request made a second call, and how often it left its group: a policy that never did was not tested.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) again: u32,
    pub(crate) elsewhere: u32,
}

/// Plays 2,000 requests. `decide` is the policy.
pub(crate) fn every_request_ends(decide: fn(&History<'_>) -> Action) -> Seen {
    let seen = std::cell::RefCell::new(Seen::default());
    let world = (
        groups(),
        prop::collection::vec(target(), 8),
        prop::collection::vec(failure(), 0..40),
        (1..33u32, 0..6u32, 0..3u32),
        1..600_000u64,
        prop_oneof![Just(0u32), Just(u32::MAX)],
        any::<u64>(),
    );
    let mut runner = TestRunner::new(Config { cases: 2_000, failure_persistence: None, ..Config::default() });
    let played = runner.run(
        &world,
        |(
            groups,
            targets,
            failures,
            (attempts, fallbacks, continuations),
            deadline_ms,
            retry_tokens,
            seed,
        )| {
            let limits = Limits { attempts, fallbacks, continuations, max_delay_ms: 60_750, deadline_ms };
            let pure = move |history: &History<'_>| {
                let answer = decide(history);
                assert_eq!(answer, decide(history), "it is no pure function");
                answer
            };
            let mut request = Request::new(Box::new(pure), groups, limits, seed);
            for (its, like) in request.history.targets.iter_mut().zip(targets) {
                *its = Target { id: its.id, group: its.group, ..like };
            }
            // The core begins where it may.
            request.history.targets[0] =
                Target { cooldown_ms: 0, unavailable: false, special: false, ..request.history.targets[0] };
            request.history.retry_tokens = retry_tokens;
            let terminal = request.play(&failures)?;

            let history = &request.history;
            prop_assert!(history.attempts.len() <= attempts as usize);
            for called in history.attempts.windows(2) {
                prop_assert!(!called[0].committed, "these policies continue nothing");
            }
            let entered = request.entered();
            prop_assert!(entered.len() <= 1 + fallbacks as usize);
            let mut seen = seen.borrow_mut();
            seen.again += u32::from(history.attempts.len() > entered.len());
            seen.elsewhere += u32::from(entered.len() > 1);
            match terminal {
                Terminal::Complete => prop_assert!(failures.len() <= history.attempts.len()),
                Terminal::Error(Reason::Upstream { attempt, failure }) => {
                    let own = history.attempts[attempt as usize];
                    prop_assert_eq!(u32::from(failure.status), own.http_status);
                }
                other => return Err(TestCaseError::fail(format!("nobody asked for {other:?}"))),
            }
            Ok(())
        },
    );
    if let Err(error) = played {
        panic!("{error}");
    }
    seen.into_inner()
}
