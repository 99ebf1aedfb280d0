//! What happened so far: counts per scenario, open connections, and the last requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;

/// Requests kept in the log.
const LOG: usize = 64;
/// Bytes of a request's body kept in the log.
const LOG_BODY: usize = 256 * 1024;

/// Requests of one scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that chose the scenario.
    pub started: u64,
    /// Of these, played to the script's own end.
    pub completed: u64,
    /// Of these, left by the client before: also how every script that stays open ends.
    pub cut: u64,
}

impl Counts {
    /// Requests being played now.
    pub fn active(&self) -> u64 {
        self.started - self.completed - self.cut
    }
}

/// One request, as the log keeps it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When its head and body had been read.
    pub at: Instant,
    /// The scenario it chose, or the endpoint (`token`, `models`) it asked.
    pub scenario: String,
    /// The method, as sent.
    pub method: String,
    /// Path and query; the value of a `key` parameter is masked.
    pub target: String,
    /// Header names in lower case, and values; secrets are masked with [`crate::mask`].
    pub headers: Vec<(String, String)>,
    /// The first 256 KiB of the body.
    pub body: Bytes,
}

#[derive(Default)]
struct Facts {
    counts: BTreeMap<String, Counts>,
    log: VecDeque<Seen>,
    connections_open: u64,
    connections_total: u64,
}

#[derive(Default)]
pub(crate) struct Board(Mutex<Facts>);

impl Board {
    pub(crate) fn counts(&self, scenario: &str) -> Counts {
        self.0.lock().counts.get(scenario).copied().unwrap_or_default()
    }

    pub(crate) fn all_counts(&self) -> BTreeMap<String, Counts> {
        self.0.lock().counts.clone()
    }

    pub(crate) fn log(&self) -> Vec<Seen> {
        self.0.lock().log.iter().cloned().collect()
    }

    pub(crate) fn connections(&self) -> (u64, u64) {
        let facts = self.0.lock();
        (facts.connections_open, facts.connections_total)
    }

    pub(crate) fn saw(&self, mut seen: Seen) {
        if seen.body.len() > LOG_BODY {
            // A copy: a slice would keep the whole body alive.
            seen.body = Bytes::copy_from_slice(&seen.body[..LOG_BODY]);
        }
        let mut facts = self.0.lock();
        if facts.log.len() == LOG {
            facts.log.pop_front();
        }
        facts.log.push_back(seen);
    }

    /// Counts a request, and once more by its tag. Dropping the answer before [`Playing::played`] counts it as cut.
    pub(crate) fn started(self: &Arc<Self>, scenario: &str, tagged: Option<&str>) -> Playing {
        let names: Vec<String> = [scenario.to_owned()].into_iter().chain(tagged.map(tag)).collect();
        let mut facts = self.0.lock();
        for name in &names {
            facts.counts.entry(name.clone()).or_default().started += 1;
        }
        Playing { board: Arc::clone(self), names, played: false }
    }

    pub(crate) fn connected(self: &Arc<Self>) -> Connected {
        let mut facts = self.0.lock();
        facts.connections_open += 1;
        facts.connections_total += 1;
        Connected(Arc::clone(self))
    }
}

/// What a tag is counted as: no scenario's name begins so.
pub(crate) fn tag(tag: &str) -> String {
    format!("#{tag}")
}

/// A request being played.
pub(crate) struct Playing {
    board: Arc<Board>,
    names: Vec<String>,
    played: bool,
}

impl Playing {
    pub(crate) fn played(mut self) {
        self.played = true;
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        let mut facts = self.board.0.lock();
        for name in std::mem::take(&mut self.names) {
            let counts = facts.counts.entry(name).or_default();
            if self.played {
                counts.completed += 1;
            } else {
                counts.cut += 1;
            }
        }
    }
}

/// An open connection.
pub(crate) struct Connected(Arc<Board>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.0.lock().connections_open -= 1;
    }
}
