//! What is started: the program at its path today, with the arguments of this process.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// The argument that says that there is a process before.
const TAKE_OVER: &str = "--take-over";

/// The hidden subcommand of [`start_detached`].
const START: &str = "start-detached";

/// Between two looks at what was started.
const LOOK: Duration = Duration::from_millis(10);

/// Variables that were meant for one process.
const FOR_ONE: [&str; 4] = ["WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The program, as it was started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    args: Vec<OsString>,
}

impl Program {
    /// Of this process. Call it before the file is replaced: at the start.
    pub(crate) fn own() -> Self {
        let mut args = std::env::args_os();
        let name = args.next().unwrap_or_default();
        // Not what the kernel says first: that is where links led to then, and " (deleted)" after an upgrade.
        let found = find(&name, std::env::var_os("PATH").as_deref());
        let path = found.or_else(|| std::env::current_exe().ok()).unwrap_or_else(|| name.into());
        Self { path, args: args.filter(|arg| arg != TAKE_OVER).collect() }
    }

    /// A program with no arguments.
    #[cfg(test)]
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, args: Vec::new() }
    }

    /// Starts it with `socket` as its standard input, as no child of this process: systemd hears of the end of its own
    /// children alone, and it has to hear of this one's while this process still drains. What has not got there within
    /// `limit` is killed.
    pub(super) fn start(&self, socket: UnixStream, limit: Duration) -> io::Result<ExitStatus> {
        let mut command = Command::new(&self.path);
        command.arg(START).arg(&self.path).args(&self.args).arg(TAKE_OVER);
        FOR_ONE.iter().for_each(|name| {
            command.env_remove(name);
        });
        let mut child = command.stdin(OwnedFd::from(socket)).spawn()?;
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            std::thread::park_timeout(LOOK);
        }
        child.kill()?;
        child.wait()?;
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("it did not start within {limit:?}")))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Starts a program with all that this process has, and returns: it is nobody's child then but the service manager's.
///
/// # Errors
/// It cannot be started.
pub fn start_detached(program: &OsStr, args: &[OsString]) -> io::Result<()> {
    Command::new(program).args(args).spawn().map(drop)
}

/// The file that a shell would start by this name.
fn find(name: &OsStr, path: Option<&OsStr>) -> Option<PathBuf> {
    let file = Path::new(name);
    if file.components().count() > 1 || file.is_absolute() {
        return std::path::absolute(file).ok().filter(|file| is_program(file));
    }
    let named = |folder: PathBuf| std::path::absolute(folder.join(name)).ok();
    std::env::split_paths(path?).filter_map(named).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_does_not_let_go_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, pid) = (dir.path().join("program"), dir.path().join("pid"));
        let script = format!("#!/bin/sh\necho $$ > {}.new\nmv {0}.new {0}\nexec sleep 600\n", pid.display());
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (socket, _other) = UnixStream::pair().unwrap();
        let started = Program::at(path).start(socket, Duration::from_secs(3));
        assert_eq!(started.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        let gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
        assert_eq!(gone, Err(nix::errno::Errno::ESRCH), "it runs on");
    }

    #[test]
    fn a_link_stays_a_link_and_a_name_is_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("tidegate-1.0"), dir.path().join("tidegate"));
        std::fs::write(&real, "").unwrap();
        symlink(&real, &link).unwrap();
        assert_eq!(find(link.as_os_str(), None), None, "it is no program yet");
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(
            find(link.as_os_str(), None).as_ref(),
            Some(&link),
            "the upgrade is where the link leads to then"
        );
        let path = std::env::join_paths([Path::new("/nowhere"), dir.path()]).unwrap();
        assert_eq!(find(OsStr::new("tidegate"), Some(&path)), Some(link));
        assert_eq!(find(OsStr::new("tidegate"), None), None);
    }
}
