//! Plugins in a process of their own: the child that runs one, and the parent's side of it.

mod hook;
mod options;

pub use hook::{EndReason, WorkerEnd, WorkerHook, set_worker_hook};
pub use options::{Isolation, ProcessOptions};
