//! Breadth-first search over every state that a machine can reach in a world.

use std::collections::{HashMap, HashSet};

use tidegate_engine::{Command, Event, Terminal};

use crate::machine::Machine;
use crate::oracle::{Oracle, Property};
use crate::world::World;

/// What a search that found nothing wrong has seen.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) most_calls: u32,
    pub(crate) most_continuations: u32,
    pub(crate) terminals: HashSet<Terminal>,
}

/// The shortest way to a broken property.
#[derive(Debug)]
pub(crate) struct Counterexample {
    pub(crate) broken: Property,
    pub(crate) path: Vec<Event>,
}

struct Visited<M> {
    nodes: Vec<(M, Oracle)>,
    /// Where each node was first reached from; none for the first.
    parents: Vec<Option<(usize, Event)>>,
    index: HashMap<(M, Oracle), usize>,
}

impl<M: Machine> Visited<M> {
    fn insert(&mut self, node: (M, Oracle), parent: Option<(usize, Event)>) {
        if !self.index.contains_key(&node) {
            self.index.insert(node.clone(), self.nodes.len());
            self.nodes.push(node);
            self.parents.push(parent);
        }
    }

    fn counterexample(&self, broken: Property, at: usize, last: Option<Event>) -> Counterexample {
        let mut path: Vec<_> = last.into_iter().collect();
        let mut node = at;
        while let Some((parent, event)) = self.parents[node] {
            path.push(event);
            node = parent;
        }
        path.reverse();
        Counterexample { broken, path }
    }
}

/// Feeds every event to every reachable state and checks `properties` at each step.
pub(crate) fn explore<M: Machine>(
    start: M,
    world: &World,
    properties: &[Property],
) -> Result<Coverage, Counterexample> {
    let mut visited = Visited { nodes: Vec::new(), parents: Vec::new(), index: HashMap::new() };
    let mut coverage = Coverage::default();
    visited.insert((start, Oracle::default()), None);
    let mut at = 0;
    while at < visited.nodes.len() {
        let (machine, oracle) = visited.nodes[at].clone();
        let mut taken = HashSet::new();
        for &event in &world.events {
            let (mut next, mut seen) = (machine.clone(), oracle);
            let command = next.step(event);
            let broken = seen.observe(world, (&machine, event, command, &next));
            if let Some(&broken) = broken.iter().find(|p| properties.contains(p)) {
                return Err(visited.counterexample(broken, at, Some(event)));
            }
            coverage.steps += 1;
            if command == Command::Ignore && next == machine {
                continue;
            }
            if command != Command::Ignore {
                taken.insert(event);
            }
            if let Command::Finish(terminal) = command {
                coverage.terminals.insert(terminal);
            }
            coverage.most_calls = coverage.most_calls.max(seen.calls);
            coverage.most_continuations = coverage.most_continuations.max(seen.continuations);
            visited.insert((next, seen), Some((at, event)));
        }
        if !oracle.finished {
            let stuck = properties.contains(&Property::NeverStuck) && is_stuck(&taken, oracle, world);
            let dead = properties.contains(&Property::DeadEndsAreFinished) && taken.is_empty();
            if stuck || dead {
                let broken = if stuck { Property::NeverStuck } else { Property::DeadEndsAreFinished };
                return Err(visited.counterexample(broken, at, None));
            }
        }
        at += 1;
    }
    coverage.states = visited.nodes.len();
    Ok(coverage)
}

/// A machine that waits takes every event of at least one kind that the driver owes it, and each event that calls the
/// request off.
fn is_stuck(taken: &HashSet<Event>, oracle: Oracle, world: &World) -> bool {
    let all = |kind: fn(&Event) -> bool| world.events.iter().filter(|e| kind(e)).all(|e| taken.contains(e));
    let called_off = [Event::Deadline, Event::ClientGone, Event::Aborted].iter().all(|e| taken.contains(e));
    let upstream = all(|e| matches!(e, Event::Ended | Event::Failed(_)))
        && (!oracle.empty || taken.contains(&Event::Content));
    let policy = all(|e| matches!(e, Event::Decided { .. }));
    let timer = taken.contains(&Event::Slept);
    let start = all(|e| matches!(e, Event::Start { .. }));
    !(called_off && (upstream || policy || timer || start))
}
