//! Starts a worker: this program again, with one socket, and nothing else of ours.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::hook::EndReason;
use super::options::ProcessOptions;
use super::watch::Vitals;

/// The argument that makes the executable a worker.
pub(crate) const COMMAND: &str = "plugin-worker";

/// A worker process. Dropping it kills and reaps it.
pub(crate) struct Worker {
    child: Child,
    pub(crate) socket: Arc<UnixStream>,
    pub(crate) stderr: UnixStream,
    killed: bool,
}

impl Worker {
    /// Call it on the thread that looks after the worker: on Linux the worker is killed when that thread ends.
    pub(crate) fn start(options: &ProcessOptions, plugin: &OsStr, content: &impl AsFd) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        send(&socket, content.as_fd())?;
        let (stderr, errors) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        stderr.set_nonblocking(true)?;
        let child = Command::new(&options.worker)
            .arg0("tidegate")
            .arg(COMMAND)
            .arg(std::process::id().to_string())
            // For people who look at the list of processes.
            .arg(plugin)
            .env_clear()
            .current_dir("/")
            // The signals of a terminal are for the program that was started there.
            .process_group(0)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(OwnedFd::from(errors))
            .spawn()?;
        Ok(Self { child, socket: Arc::new(socket), stderr, killed: false })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.killed = true;
        // It fails only where the process has been reaped.
        let _ = self.child.kill();
    }

    /// Whether it ends by itself within a moment: the socket of a process that ends is closed a little earlier.
    pub(crate) fn ends(&mut self) -> bool {
        const MOMENT: Duration = Duration::from_millis(1);
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::park_timeout(MOMENT);
        }
        false
    }

    /// Kills it, unless it has ended, and reaps it. Answers why it ended; `None` where that was us.
    pub(crate) fn reap(&mut self) -> Option<EndReason> {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
        match self.child.wait() {
            Ok(status) => match (status.signal(), status.code()) {
                (Some(signal), _) if self.killed && signal == nix::libc::SIGKILL => None,
                (Some(signal), _) => Some(EndReason::Signal(signal)),
                (None, code) => Some(EndReason::Exit(code.unwrap_or(-1))),
            },
            Err(_) => None,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.reap();
    }
}

impl Vitals for Worker {
    #[cfg(target_os = "linux")]
    fn cpu(&self) -> Option<Duration> {
        cpu(self.pid())
    }

    #[cfg(not(target_os = "linux"))]
    fn cpu(&self) -> Option<Duration> {
        None
    }

    fn wants_to_run(&self) -> bool {
        // R: it runs or waits for a CPU. D: it waits for a disk, as a page of its own code may have to be read.
        matches!(stat(self.pid()).as_deref().and_then(state), Some('R' | 'D'))
    }
}

/// Sends a descriptor, with a byte that carries it.
fn send(socket: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let (pieces, descriptors) = ([io::IoSlice::new(&[0])], [descriptor.as_raw_fd()]);
    let rights = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(socket.as_raw_fd(), &pieces, &rights, MsgFlags::empty(), None)?;
    Ok(())
}

/// CPU time of another process.
#[cfg(target_os = "linux")]
pub(crate) fn cpu(pid: u32) -> Option<Duration> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?);
    let clock = nix::time::ClockId::pid_cpu_clock_id(pid).ok()?;
    clock.now().ok().map(Duration::from)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu(_pid: u32) -> Option<Duration> {
    None
}

/// Resident bytes of another process, where `/proc` says.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    pages.checked_mul(u64::try_from(page).ok()?)
}

fn stat(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// The letter after the name in parentheses, which may hold any character.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_stands_after_the_name() {
        assert_eq!(state("7 (a) b) S 1 2"), Some('S'));
        assert_eq!(state("7"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_vitals() {
        let me = std::process::id();
        assert!(cpu(me).is_some() && resident(me).is_some_and(|bytes| bytes > 100_000));
        assert!(stat(me).as_deref().and_then(state).is_some());
        assert_eq!((cpu(u32::MAX), resident(u32::MAX)), (None, None));
    }
}
