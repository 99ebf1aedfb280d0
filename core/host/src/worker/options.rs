//! Where a plugin's code runs.

use std::path::PathBuf;
use std::time::Duration;

/// Where a plugin's code runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Isolation {
    /// In this process, on the thread that calls.
    #[default]
    Inline,
    /// In worker processes, which can be ended.
    Process(ProcessOptions),
}

/// How the worker processes of one plugin are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessOptions {
    /// The executable that is a worker when its first argument is `plugin-worker`: this program itself.
    pub worker: PathBuf,
    /// How many workers share the plugin's calls, at least 1. A stream stays with one.
    pub shards: u32,
    /// What one frame (one call, or the events of one upstream read) may cost of the worker's CPU time; by the clock a
    /// worker that waits for something has 8 times as long.
    pub deadline: Duration,
    /// Bytes of memory that a worker may have.
    pub memory: u64,
    /// Bytes of input that are kept for each stream, so that another worker can take it over. One that had more ends
    /// with its worker.
    pub replay: usize,
}

impl ProcessOptions {
    /// The defaults: one worker, 250 ms, 512 MiB, 1 MiB.
    pub fn new(worker: impl Into<PathBuf>) -> Self {
        Self {
            worker: worker.into(),
            shards: 1,
            deadline: Duration::from_millis(250),
            memory: 512 << 20,
            replay: 1 << 20,
        }
    }
}
