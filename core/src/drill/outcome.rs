//! What a cell came to.

use std::time::Duration;

use tidegate_sim::strict::{Answer, Terminal, Told};

/// A played cell.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// What the client got, in a few words that are the same at each run.
    pub(super) client: String,
    /// Upstream calls.
    pub(super) attempts: u32,
    /// From the first byte of the request to the end of the answer.
    pub(super) took: Duration,
    /// The promises that were broken, a sentence each.
    pub(super) broken: Vec<String>,
}

impl Outcome {
    pub(super) fn kept(&self) -> bool {
        self.broken.is_empty()
    }
}

/// What an answer told, in a few words: no number that changes from run to run.
pub(super) fn words(told: &Told) -> String {
    let wait = if told.retry_after.is_some() { ", Retry-After" } else { "" };
    match (&told.terminal, told.status) {
        (Terminal::Done, _) if !told.calls.is_empty() => format!("{} calls", told.calls.len()),
        (Terminal::Done, _) => "whole text".into(),
        (Terminal::Error(status), 200) => format!("text, error {status}"),
        (Terminal::Error(_), status) => format!("HTTP {status}{wait}"),
    }
}

/// The same without the status, of which only the class is promised.
pub(super) fn loosely(told: &Told) -> String {
    match (&told.terminal, told.status) {
        (Terminal::Error(status), 200) => format!("text, error {}xx", status / 100),
        (Terminal::Error(status), _) => format!("HTTP {}xx", status / 100),
        (Terminal::Done, _) => words(told),
    }
}

/// Of an answer that keeps no rule.
pub(super) fn broken_words(answer: &Answer) -> String {
    match answer.status {
        0 => format!("no answer ({:?})", answer.end),
        status => format!("BROKEN ({status}, {:?})", answer.end),
    }
}
