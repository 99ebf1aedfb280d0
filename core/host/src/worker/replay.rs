//! What another worker needs to go on with a stream: its input so far, and what the answers to it were.
//!
//! A plugin is sans-IO and deterministic, so that the same input gives the same answers. Where it does not, the client
//! would get the rest of another answer: then the stream is lost.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::line::{Call, Config};
use super::protocol::Tag;

/// A frame as it was sent: number, tag, bytes, and what its answer may be long.
pub(crate) type Frame = (u64, Tag, Arc<Vec<u8>>, usize);

/// One stream's past.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) config: Arc<Config>,
    /// The worker that has it, by number.
    pub(crate) generation: u64,
    /// Empty where there was too much of it.
    input: Vec<Frame>,
    bytes: usize,
    answers: DefaultHasher,
    /// Of the answers that the next worker gives to the same.
    again: DefaultHasher,
    lost: Option<String>,
}

impl Kept {
    /// A stream that was just opened by `open`.
    pub(crate) fn new(config: Arc<Config>, generation: u64, open: &Call, answer: &[u8], most: usize) -> Self {
        let mut kept = Self {
            config,
            generation,
            input: Vec::new(),
            bytes: 0,
            answers: DefaultHasher::new(),
            again: DefaultHasher::new(),
            lost: None,
        };
        kept.fed_first(open, answer, most);
        kept
    }

    fn fed_first(&mut self, call: &Call, answer: &[u8], most: usize) {
        self.bytes += call.frame.len();
        answer.hash(&mut self.answers);
        if self.bytes <= most {
            self.input.push((call.id, call.tag, call.frame.clone(), call.cap));
        }
    }

    /// It was given more, and answered. `most`: bytes of input to keep.
    pub(crate) fn fed(&mut self, call: &Call, answer: &[u8], most: usize) {
        if self.input.is_empty() {
            return;
        }
        self.fed_first(call, answer, most);
        if self.bytes > most {
            self.input = Vec::new();
        }
    }

    /// Why it is lost, if it is.
    pub(crate) fn lost(&self) -> Option<String> {
        self.lost.clone()
    }

    /// It went down with its worker, or has to.
    pub(crate) fn lose(&mut self, how: &str) {
        self.lost.get_or_insert_with(|| how.to_owned());
    }

    /// Whether another worker could take it. The error is a clause whose subject is the worker.
    pub(crate) fn can_move(&self) -> Result<(), String> {
        match &self.lost {
            Some(how) => Err(how.clone()),
            None if self.input.is_empty() => {
                Err("ended, and the stream had more input than is kept to go on with".to_owned())
            }
            None => Ok(()),
        }
    }

    /// The worker of this number is going to have it: what to tell it first.
    pub(crate) fn begin_again(&mut self, generation: u64) -> Vec<Frame> {
        self.generation = generation;
        self.again = DefaultHasher::new();
        self.input.clone()
    }

    /// It answered to its old input. `last`: to all of it.
    pub(crate) fn repeated(&mut self, answer: &[u8], last: bool) {
        answer.hash(&mut self.again);
        if last && self.again.finish() != self.answers.finish() {
            self.lose("ended, and the next one answers the same input in another way");
        }
    }
}
