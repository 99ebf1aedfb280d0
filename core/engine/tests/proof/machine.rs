//! What the search explores: the engine, or a faulty version of it.

use std::fmt::Debug;
use std::hash::Hash;

use tidegate_engine::{Command, Engine, Event, Measure};

/// The engine's interface, so that mutants can stand in for it.
pub(crate) trait Machine: Clone + Debug + Eq + Hash {
    fn step(&mut self, event: Event) -> Command;
    fn measure(&self) -> Measure;
    fn attempts(&self) -> u32;
    fn attempts_left(&self) -> u32;
    fn committed(&self) -> bool;
}

impl Machine for Engine {
    fn step(&mut self, event: Event) -> Command {
        Engine::step(self, event)
    }
    fn measure(&self) -> Measure {
        Engine::measure(self)
    }
    fn attempts(&self) -> u32 {
        Engine::attempts(self)
    }
    fn attempts_left(&self) -> u32 {
        Engine::attempts_left(self)
    }
    fn committed(&self) -> bool {
        Engine::committed(self)
    }
}
