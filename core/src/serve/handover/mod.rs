//! A restart without downtime: SIGUSR2 makes this process start the program anew, as it is on disk now. The listening sockets
//! go to the new process over a pair of sockets, which is its standard input.
//!
//! ```text
//! this process                                    the new one
//!   Offer, with the sockets          ------->
//!                                    <-------      Began; reads the configuration, loads the plugins
//!                                    <-------      Ready: all that can fail has been done, its signals are registered
//!   Go                               ------->      accepts
//!                                    <-------      Serving
//!   MAINPID= to systemd, Lead        ------->      READY=1 to systemd, guards
//!   accepts no more, drains, ends
//!                                    <-------      Ending, where the service is told to end meanwhile; waits for the end
//! ```
//!
//! Both accept from the one queue that the kernel has for the shared socket, so there is no moment at which nobody does, and
//! nothing that was queued is lost. Whatever goes wrong before `Lead` ends the new process and leaves this one as it was;
//! systemd, which would end the service with the process that it takes for the main one, has heard of no other then.
//!
//! SIGTERM is for the service, and comes to the process that systemd takes for the main one, once. Until it has understood
//! `MAINPID=` that is this one, which then ends the other too, if that may accept already; before `Go` the other ends by itself.

mod predecessor;
mod program;
mod successor;
mod wire;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub(crate) use predecessor::Predecessor;
pub use predecessor::failed;
pub(super) use program::Program;
pub use program::start_detached;
pub(super) use successor::{Handing, MORE, START, Successor, hand_over, refused};

/// What this process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    /// The sockets come with it, data and admin.
    Offer(Offer),
    /// Accept.
    Go,
    /// The service is the new process: systemd has been told, and guards are its own.
    Lead,
}

/// The configured addresses that the sockets were bound for; `None`: the service manager's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    pub(super) data: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
}

/// What the new one says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    /// It has the sockets. Its process id.
    Began(u32),
    /// It could serve.
    Ready,
    /// It accepts clients.
    Serving,
    /// The service is to end: what the process before still drains is to end with it.
    Ending,
    /// It cannot serve, and ends: why.
    Failed(String),
}
