//! Signals to one process and no other. On Linux a descriptor of the process carries them (pidfd_send_signal(2)): however
//! often its id is used again, they go to it or to nobody. Elsewhere, and in kernels before 5.3, its start time is compared
//! directly before.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

use rustix::process::{Pid, kill_process, test_kill_process};

use super::{Identity, is_protected, look};

/// The two that a guard sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::guard) enum Signal {
    Terminate,
    Kill,
}

impl From<Signal> for rustix::process::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Terminate => Self::TERM,
            Signal::Kill => Self::KILL,
        }
    }
}

/// A process that may be signalled.
#[derive(Debug)]
pub(in crate::guard) struct Handle {
    pub(in crate::guard) identity: Identity,
    #[cfg(target_os = "linux")]
    pidfd: Option<OwnedFd>,
}

impl Handle {
    /// `None`: it is gone, and its id perhaps another's.
    pub(in crate::guard) fn open(identity: Identity) -> Option<Self> {
        let handle = Self {
            identity,
            #[cfg(target_os = "linux")]
            pidfd: pid(identity.pid)
                .and_then(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()),
        };
        // Looked at when the descriptor is open: from here on that means the process that was seen.
        handle.is_alive().then_some(handle)
    }

    /// Whether it has not ended.
    pub(in crate::guard) fn is_alive(&self) -> bool {
        look(self.identity.pid).is_some_and(|seen| seen.identity == self.identity)
    }

    /// Sends it. One that is gone has no need of it.
    ///
    /// # Errors
    /// This process has no right to, or nobody may.
    pub(in crate::guard) fn send(&self, signal: Signal) -> io::Result<()> {
        if is_protected(self.identity.pid) {
            let why = "it is Tidegate itself, a process that Tidegate descends from, or the init process";
            return Err(io::Error::other(why));
        }
        if !self.is_alive() {
            return Ok(());
        }
        match self.raw(signal.into()) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    #[cfg(target_os = "linux")]
    fn raw(&self, signal: rustix::process::Signal) -> rustix::io::Result<()> {
        match &self.pidfd {
            Some(pidfd) => rustix::process::pidfd_send_signal(pidfd, signal),
            None => self.by_id(signal),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn raw(&self, signal: rustix::process::Signal) -> rustix::io::Result<()> {
        self.by_id(signal)
    }

    fn by_id(&self, signal: rustix::process::Signal) -> rustix::io::Result<()> {
        pid(self.identity.pid).map_or(Ok(()), |pid| kill_process(pid, signal))
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

pub(super) fn is_there(number: u32) -> bool {
    pid(number).is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeping() -> (Child, Identity) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = look(child.id()).unwrap().identity;
        (child, identity)
    }

    #[test]
    fn a_process_that_only_has_the_id_is_not_reached() {
        let (mut child, identity) = sleeping();
        let other = Identity { start: identity.start + 1, ..identity };
        assert!(Handle::open(other).is_none());
        // As if the id had come to another process after the handle was opened.
        let mut handle = Handle::open(identity).unwrap();
        handle.identity = other;
        handle.send(Signal::Kill).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "it was not meant");
        handle.identity = identity;
        handle.send(Signal::Kill).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(!handle.is_alive());
        handle.send(Signal::Kill).unwrap();
    }

    #[test]
    fn an_ended_child_that_nobody_reaped_is_gone() {
        let (mut child, identity) = sleeping();
        let handle = Handle::open(identity).unwrap();
        handle.send(Signal::Terminate).unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while handle.is_alive() && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        assert!(!handle.is_alive(), "a zombie is no process that can be helped");
        child.wait().unwrap();
    }

    #[test]
    fn nobody_signals_this_process() {
        let own = look(std::process::id()).unwrap().identity;
        assert!(Handle::open(own).unwrap().send(Signal::Kill).is_err());
    }
}
