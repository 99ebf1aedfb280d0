//! This process's side: starts the new one, and says when.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::wire::Wire;
use super::{Ask, Offer, Program, Told};
use crate::listener::Ending;
use crate::serve::notify;
use tokio::sync::watch;

/// The longest that the new process may take to be ready: as long as systemd gives a start.
const START: Duration = Duration::from_secs(90);

/// The longest that it may take to accept, once it is ready.
const ACCEPT: Duration = Duration::from_secs(10);

/// What the hand-over needs. The sockets are duplicates.
pub(crate) struct Handing {
    pub(crate) program: Program,
    pub(crate) data: TcpListener,
    pub(crate) admin: TcpListener,
    pub(crate) offer: Offer,
    pub(crate) ending: watch::Sender<Ending>,
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
    let Handing { program, data, admin, offer, ending } = handing;
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    let path = program.path().display();
    let started = program.start(theirs).map_err(|error| format!("{path} cannot be started: {error}"))?;
    if !started.success() {
        return Err(format!("{path} could not be started"));
    }
    let wire = Wire::new(ours);
    wire.say_with(&Ask::Offer(*offer), [data.as_fd(), admin.as_fd()]).map_err(|error| ended(&error))?;
    let pid = match wire.hear(START).map_err(|error| ended(&error))? {
        Told::Ready(pid) => pid,
        Told::Failed(why) => return Err(why),
        Told::Serving => return Err("it did not wait for its turn".to_owned()),
    };
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
        ErrorKind::TimedOut => format!("the new process was not ready within {START:?}"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn what_must_not_leave_does_not() {
        assert!(reason(1, 0, false).is_some_and(|why| why.contains("container")));
        assert!(reason(70, 1, true).is_some_and(|why| why.contains("launchctl")));
        assert_eq!((reason(70, 1, false), reason(70, 60, true)), (None, None));
    }
}
