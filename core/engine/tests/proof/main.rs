//! The proof that every request ends: exhaustive search with an adversarial upstream and an adversarial policy, and
//! mutants that the same search must catch.

mod machine;
mod mutants;
mod oracle;
mod random;
mod search;
mod world;

use tidegate_engine::{Engine, Reason, Terminal};

use mutants::{Fault, Mutant};
use oracle::Property;
use search::{Coverage, explore};
use world::{World, failures, few_failures};

fn prove(world: &World) -> Coverage {
    let engine = Engine::new(world.limits, world.groups.clone());
    match explore(engine, world, &Property::ALL) {
        Ok(coverage) => coverage,
        Err(found) => {
            panic!("{:?} in {:?} {:?}: {:#?}", found.broken, world.groups, world.limits, found.path)
        }
    }
}

/// Every way to arrange up to three targets in groups.
const ARRANGEMENTS: [&[u16]; 9] =
    [&[], &[0], &[0, 0], &[0, 1], &[0, 0, 0], &[0, 0, 1], &[0, 1, 0], &[0, 1, 1], &[0, 1, 2]];

#[test]
fn every_request_ends_in_every_arrangement_and_budget() {
    let (mut states, mut steps) = (0, 0);
    for groups in ARRANGEMENTS {
        for attempts in [1, 2, 3, 6] {
            for (fallbacks, continuations) in [(0, 0), (1, 0), (5, 0), (0, 1), (1, 1), (5, 2)] {
                let world =
                    World::new(groups, attempts, fallbacks, &few_failures()).continuing(continuations);
                let coverage = prove(&world);
                // The search is only worth something if it got to the end of the budget.
                assert_eq!(coverage.most_calls, if groups.is_empty() { 0 } else { attempts });
                let reachable = groups.len() > 1 && (fallbacks > 0 || groups[1..].contains(&groups[0]));
                if reachable && attempts > 1 && groups.len() == 2 {
                    assert_eq!(coverage.most_continuations, continuations.min(1), "{groups:?}");
                }
                states += coverage.states;
                steps += coverage.steps;
            }
        }
    }
    println!("{states} states, {steps} steps");
    assert!(states > 10_000, "only {states} states");
}

#[test]
fn every_failure_reaches_the_client_unchanged() {
    let world = World::new(&[0, 0, 1], 4, 2, &failures());
    let coverage = prove(&world);
    println!("{} states, {} steps", coverage.states, coverage.steps);
    for wanted in failures() {
        for attempt in 0..4 {
            let terminal = Terminal::Error(Reason::Upstream { attempt, failure: wanted });
            assert!(coverage.terminals.contains(&terminal), "never saw {terminal:?}");
        }
    }
}

/// Each fault, with the properties that catch it even when nothing else is checked.
const CAUGHT_BY: [(Fault, &[Property]); 17] = [
    (
        Fault::ReenterOnMidStream429,
        &[Property::MeasureFalls, Property::WithinBudget, Property::CommittedStays, Property::Accounts],
    ),
    (Fault::PolicyRefills, &[Property::MeasureFalls, Property::WithinBudget, Property::RightTarget]),
    (Fault::FreeFallback, &[Property::MeasureFalls, Property::WithinBudget, Property::Accounts]),
    (Fault::RemembersIgnored, &[Property::IgnoreChangesNothing]),
    (Fault::SecondTerminal, &[Property::OneTerminal, Property::MeasureFalls]),
    (Fault::RewritesStatus, &[Property::OwnTerminal]),
    (Fault::ReportsFallback, &[Property::OwnTerminal]),
    (Fault::UncappedSleep, &[Property::WithinTime]),
    (Fault::WaitsForPolicy, &[Property::NeverStuck]),
    (Fault::CutsTarget, &[Property::RightTarget]),
    (Fault::FreeContinuation, &[Property::MeasureFalls, Property::Accounts]),
    (Fault::ContinuationRefills, &[Property::MeasureFalls, Property::Accounts]),
    (Fault::ContinuesOnSameTarget, &[Property::RightTarget]),
    (Fault::ContinuesTwice, &[Property::WithinBudget]),
    (Fault::ContinuationUncommits, &[Property::CommittedStays, Property::Accounts]),
    (Fault::ContinuationWaits, &[Property::WithinTime]),
    (Fault::ReportsContinuation, &[Property::OwnTerminal]),
];

fn mutant_world() -> World {
    World::new(&[0, 1], 3, 5, &few_failures()).continuing(1)
}

#[test]
fn every_mutant_is_caught() {
    let world = mutant_world();
    for (fault, properties) in CAUGHT_BY {
        for &property in properties {
            let found = explore(Mutant::new(fault, &world), &world, &[property]);
            let found = found.expect_err(&format!("{property:?} does not catch {fault:?}"));
            println!("{fault:?}: {property:?} after {} events", found.path.len());
        }
    }
}

#[test]
fn every_property_catches_some_mutant() {
    for property in Property::ALL {
        let catches = CAUGHT_BY.iter().any(|(_, by)| by.contains(&property));
        // Kept to show that it is not enough.
        assert_eq!(catches, property != Property::DeadEndsAreFinished, "{property:?}");
    }
}

#[test]
fn looking_only_for_dead_ends_misses_the_loops() {
    let world = World::new(&[0, 1], 2, 1, &few_failures());
    for fault in [Fault::ReenterOnMidStream429, Fault::PolicyRefills, Fault::FreeFallback] {
        let found = explore(Mutant::new(fault, &world), &world, &[Property::DeadEndsAreFinished]);
        assert!(found.is_ok(), "{fault:?}: {found:?}");
        let found = explore(Mutant::new(fault, &world), &world, &[Property::MeasureFalls]);
        assert!(found.is_err(), "{fault:?} is not in this world");
    }
}
