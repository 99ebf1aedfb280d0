//! Tells an observer when workers come and go, and why.

use std::fmt;
use std::sync::OnceLock;

use crate::hook::Op;

/// Why a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// Its last reference in this process is gone, or this process ends.
    Asked,
    /// A call was not answered in time: it was killed.
    Deadline,
    /// A signal that it did not get from us ended it.
    Signal(i32),
    /// It ended by itself with this code.
    Exit(i32),
    /// It could not have the memory that it asked for.
    Memory,
    /// What it sent cannot be read, or answers what was not asked: it was killed. A clause that says what.
    Protocol(String),
    /// It could not begin: the executable, the plugin's file or its descriptor. A clause that says what.
    Start(String),
}

impl EndReason {
    /// All that [`EndReason::name`] gives, for metrics that start at 0.
    pub const NAMES: [&str; 7] = ["asked", "deadline", "signal", "exit", "memory", "protocol", "start"];

    /// For metric labels: a closed set.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Deadline => "deadline",
            Self::Signal(_) => "signal",
            Self::Exit(_) => "exit",
            Self::Memory => "memory",
            Self::Protocol(_) => "protocol",
            Self::Start(_) => "start",
        }
    }
}

impl fmt::Display for EndReason {
    /// A clause whose subject is the worker.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("was asked to end"),
            Self::Deadline => f.write_str("did not answer in time and was killed"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Exit(code) => write!(f, "ended by itself with code {code}"),
            Self::Memory => f.write_str("needed more memory than it may have"),
            Self::Protocol(what) => write!(f, "broke the protocol and was killed: {what}"),
            Self::Start(what) => write!(f, "could not begin: {what}"),
        }
    }
}

/// The end of one worker.
#[derive(Debug, Clone)]
pub struct WorkerEnd {
    /// The plugin's name.
    pub plugin: &'static str,
    /// A [`crate::Plugin::id`].
    pub plugin_id: u32,
    /// Which of its workers, from 0.
    pub shard: u32,
    /// The process that ended.
    pub pid: u32,
    /// Why.
    pub why: EndReason,
    /// The call that it was at, if it was at one.
    pub op: Option<Op>,
    /// Calls that failed with it.
    pub failed: u32,
    /// Streams that another worker takes over.
    pub replayed: u32,
    /// The last that it wrote to standard error, at most 4 KiB, one line an entry.
    pub stderr: String,
    /// The third end within 60 s that was not asked for, or a later one.
    pub repeated: bool,
}

/// Called on the thread that looks after the worker, with no lock held. It should return soon.
pub trait WorkerHook: Send + Sync {
    /// A worker was started. `plugin_id` is a [`crate::Plugin::id`].
    fn started(&self, plugin_id: u32, shard: u32, pid: u32);
    /// A worker ended.
    fn ended(&self, end: &WorkerEnd);
}

static HOOK: OnceLock<&'static dyn WorkerHook> = OnceLock::new();

/// Sets the hook, once per process. `false`: one was set before, and stays.
pub fn set_worker_hook(hook: &'static dyn WorkerHook) -> bool {
    HOOK.set(hook).is_ok()
}

pub(crate) fn hook() -> Option<&'static dyn WorkerHook> {
    HOOK.get().copied()
}
