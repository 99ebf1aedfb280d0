//! The signals that this process hears. The kernel ends a process that has not registered one, so they are registered before
//! anybody is told that it is there: systemd by READY=1, or the process before.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Each waits here until somebody looks at it.
#[derive(Debug)]
pub(super) struct Signals {
    /// SIGTERM and SIGINT.
    pub(super) end: [Signal; 2],
    /// SIGHUP: read the configuration again.
    pub(super) reload: Signal,
    /// SIGUSR2: restart without downtime.
    pub(super) restart: Signal,
}

impl Signals {
    /// Registers them; inside a runtime.
    ///
    /// # Errors
    /// The machine does not give what is needed.
    pub(super) fn register() -> io::Result<Self> {
        Ok(Self {
            end: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?],
            reload: signal(SignalKind::hangup())?,
            restart: signal(SignalKind::user_defined2())?,
        })
    }
}
