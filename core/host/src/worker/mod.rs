//! Plugins in a process of their own: the child that runs one, and the parent's side of it.
//!
//! A worker ([`run`]) is this program again, with one socket and nothing else. It loads one plugin as a plugin is loaded
//! in this process, and then serves one call at a time. In the parent a plugin has a `Pool` of one or more `Shard`s; each
//! has a `Line` of calls, which callers put there themselves, and a thread that starts a worker, hands out its answers,
//! ends it when a call is late, and starts the next.

mod child;
mod hook;
mod launch;
mod line;
mod options;
mod pool;
mod protocol;
mod remote;
mod remote_stream;
mod replay;
mod shard;
mod slot;
mod supervisor;
mod watch;

pub use child::run;
pub use hook::{EndReason, WorkerEnd, WorkerHook, set_worker_hook};
pub use options::{Isolation, ProcessOptions};
pub use pool::{WorkerState, WorkerStatus};

pub(crate) use pool::Pool;
pub(crate) use remote::{Kind, Remote};
pub(crate) use remote_stream::RemoteStream;
pub(crate) use slot::wait;
