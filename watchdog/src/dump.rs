//! What is written down when nothing is left to be done: every worker and every stream.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::incident::StreamInfo;

/// One worker at the end.
#[derive(Debug, Clone)]
pub struct WorkerDump {
    /// Its number.
    pub worker: usize,
    /// The system's number of its thread.
    pub thread: i32,
    /// The stream that it polls.
    pub stream: Option<u64>,
    /// The plugin that it is in.
    pub plugin: Option<Arc<str>>,
    /// How long it has been watched in this poll; zero when it is in none.
    pub wall: Duration,
    /// CPU that its thread used meanwhile.
    pub cpu: Duration,
}

impl fmt::Display for WorkerDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} (thread {})", self.worker, self.thread)?;
        match self.stream {
            _ if self.wall.is_zero() => return f.write_str(": in no poll"),
            Some(stream) => write!(f, ": stream {stream}")?,
            None => f.write_str(": no stream known")?,
        }
        if let Some(plugin) = &self.plugin {
            write!(f, ", plugin {plugin}")?;
        }
        write!(f, ", for {:.1?}, {:.1?} of it CPU", self.wall, self.cpu)
    }
}

/// All workers and all live streams.
#[derive(Debug, Clone)]
pub struct Dump {
    /// The workers of all runtimes.
    pub workers: Vec<WorkerDump>,
    /// The live streams.
    pub streams: Vec<StreamInfo>,
}
