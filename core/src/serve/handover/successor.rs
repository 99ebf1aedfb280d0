//! This process's side: starts the new one, and says when.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::wire::Wire;
use super::{Ask, Offer, Program, Told};
use crate::listener::Ending;
use crate::serve::notify;

/// The longest that the new process may take to be ready: as long as systemd gives a start.
pub(crate) const START: Duration = Duration::from_secs(90);

/// The longest that it may take to accept, once it is ready.
const ACCEPT: Duration = Duration::from_secs(10);

/// What the hand-over needs. The sockets are duplicates.
pub(crate) struct Handing {
    pub(crate) program: Program,
    pub(crate) data: TcpListener,
    pub(crate) admin: TcpListener,
    pub(crate) offer: Offer,
    pub(crate) ending: watch::Sender<Ending>,
    /// How long the new process may take to be ready: [`START`].
    pub(crate) limit: Duration,
}

/// Why this process can hand over to no other, if so.
pub(crate) fn refused() -> Option<&'static str> {
    reason(std::process::id(), std::os::unix::process::parent_id(), cfg!(target_os = "macos"))
}

fn reason(pid: u32, parent: u32, macos: bool) -> Option<&'static str> {
    match (pid, parent) {
        (1, _) => {
            Some("this is process 1 of its container, which ends with it: replace the container instead")
        }
        (_, 1) if macos => Some(
            "launchd ends what a service leaves behind: `launchctl kickstart -k` restarts it, with a drain",
        ),
        _ => None,
    }
}

/// Starts the new process and hands over; waits for it. Answers the id of the process that accepts clients now: this one
/// must not any more.
///
/// # Errors
/// A sentence. This process serves on.
pub(crate) fn hand_over(handing: &Handing) -> Result<u32, String> {
    let Handing { program, data, admin, offer, ending, limit } = handing;
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    let path = program.path().display();
    let started = program.start(theirs).map_err(|error| format!("{path} cannot be started: {error}"))?;
    if !started.success() {
        return Err(format!("{path} could not be started"));
    }
    let wire = Wire::new(ours);
    wire.say_with(&Ask::Offer(*offer), [data.as_fd(), admin.as_fd()]).map_err(|error| ended(&error))?;
    let pid = match wire.hear(*limit).map_err(|error| ended(&error))? {
        Told::Began(pid) => pid,
        Told::Failed(why) => return Err(why),
        other => return Err(format!("it said {other:?} before its turn")),
    };
    match wire.hear(*limit) {
        Ok(Told::Ready) => {}
        Ok(Told::Failed(why)) => return Err(why),
        Ok(other) => return Err(format!("it said {other:?} before its turn")),
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            end(pid);
            return Err(format!("the new process was not ready within {limit:?}, and was ended"));
        }
        Err(error) => return Err(ended(&error)),
    }
    // From here on the sockets are the new one's too: nobody may shut them.
    let mine = ending.send_if_modified(|ending| {
        ending.shared |= !ending.now;
        !ending.now
    });
    if !mine {
        return Err("this process was told to end meanwhile".to_owned());
    }
    notify::successor(pid).map_err(|error| format!("systemd could not be told of process {pid}: {error}"))?;
    let serving = wire.say(&Ask::Go).and_then(|()| wire.hear(ACCEPT));
    match serving {
        Ok(Told::Serving) => Ok(pid),
        other => {
            notify::no_successor();
            Err(match other {
                Ok(Told::Failed(why)) => why,
                Ok(_) => "it did not say that it serves".to_owned(),
                Err(error) => ended(&error),
            })
        }
    }
}

fn ended(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
            "the new process ended before it was ready; what it said stands in the log above".to_owned()
        }
        ErrorKind::TimedOut => "the new process says nothing".to_owned(),
        _ => error.to_string(),
    }
}

/// A process that hangs before it serves is no use to anybody. It lives, since its end of the pair is open, so the id is its
/// own.
fn end(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 1) {
        // It may end by itself at this moment.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    use super::*;

    /// Hands over to a script, whose standard input is 3 and which is left running. Answers what came of it, and the id that
    /// the script wrote down.
    fn handed_to(script: &str) -> (Result<u32, String>, Option<i32>) {
        let dir = tempfile::tempdir().unwrap();
        let (path, pid) = (dir.path().join("program"), dir.path().join("pid"));
        let text = format!(
            "#!/bin/sh\nexec 3<&0\n(read offer <&3; sh -c 'echo $PPID' >{pid}; id=$(cat {pid}); {script}) &\n",
            pid = pid.display()
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let handing = Handing {
            program: Program::at(path),
            data: socket(),
            admin: socket(),
            offer: Offer { data: None, admin: None },
            ending: watch::Sender::default(),
            limit: Duration::from_secs(1),
        };
        let result = hand_over(&handing);
        assert!(!(result.is_err() && handing.ending.borrow().succeeded));
        (result, std::fs::read_to_string(pid).ok().and_then(|pid| pid.trim().parse().ok()))
    }

    #[test]
    fn a_process_that_hangs_is_ended_and_one_that_ends_is_told_of() {
        let (result, pid) = handed_to(r#"echo "{\"began\":$id}" >&3; exec sleep 600"#);
        let pid = pid.unwrap();
        assert!(result.unwrap_err().contains("was ended"));
        let until = Instant::now() + Duration::from_secs(20);
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
        };
        while cfg!(target_os = "linux") && !gone() {
            assert!(Instant::now() < until, "it still runs");
            std::thread::yield_now();
        }
        let (result, _) = handed_to(r#"echo "{\"began\":$id}" >&3; exit 0"#);
        assert!(result.unwrap_err().contains("ended before it was ready"));
        let (result, _) = handed_to(r#"echo "{\"failed\":\"no disk\"}" >&3"#);
        assert_eq!(result.unwrap_err(), "no disk");
        let (result, _) = handed_to(r#"echo "\"serving\"" >&3"#);
        assert!(result.unwrap_err().contains("before its turn"));
        let good = r#"echo "{\"began\":$id}" >&3; echo "\"ready\"" >&3; read go <&3; test "$go" = '"go"' && echo "\"serving\"" >&3"#;
        let (result, pid) = handed_to(good);
        assert_eq!(result.unwrap(), pid.unwrap() as u32);
    }

    #[test]
    fn what_must_not_leave_does_not() {
        assert!(reason(1, 0, false).is_some_and(|why| why.contains("container")));
        assert!(reason(70, 1, true).is_some_and(|why| why.contains("launchctl")));
        assert_eq!((reason(70, 1, false), reason(70, 60, true)), (None, None));
    }
}
