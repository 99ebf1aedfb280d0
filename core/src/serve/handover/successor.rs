//! This process's side: starts the new one, and says when.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

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

/// The longest that [`hand_over`] takes once the new process may accept, but for what systemd takes.
pub(crate) const MORE: Duration = Duration::from_secs(15);

/// How long one that ends by itself may write its log.
const LAST_LINES: Duration = Duration::from_secs(1);

const MEANWHILE: &str = "this process was told to end meanwhile";

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

/// The process that serves now.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) pid: u32,
    wire: Wire,
}

impl Successor {
    /// It is the service: systemd knows it, and guards are its own.
    pub(crate) fn leads(&self) {
        if let Err(error) = self.wire.say(&Ask::Lead) {
            tracing::error!(%error, pid = self.pid, "the process that serves now does not listen");
        }
    }

    /// Waits until it says that the service is to end, while this process still drains: `false` where it does not, or is gone.
    pub(crate) fn is_ending(&self, limit: Duration) -> bool {
        matches!(self.wire.hear(limit), Ok(Told::Ending))
    }

    /// It is to end in order, as this process is: the signal was meant for the service.
    pub(crate) fn ends(self) {
        terminate(self.pid, Signal::SIGTERM);
    }
}

/// Of a process whose end of the pair is open, so that the id is its own.
fn terminate(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 1) {
        // It may end by itself at this moment.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Why there is no successor, where one had begun.
enum Unwanted {
    /// It has said why it ends.
    Ends(String),
    /// It is of no use.
    Useless(String),
    /// This process is told to end, and the other serves: it is to end as well, in order.
    Ending,
}

/// Starts the new process and hands over; waits for it. This one must not accept clients any more then.
///
/// # Errors
/// A sentence. This process serves on, alone.
pub(crate) fn hand_over(handing: &Handing) -> Result<Successor, String> {
    let Handing { program, data, admin, offer, ending, limit } = handing;
    let until = Instant::now() + *limit;
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    let path = program.path().display();
    let started =
        program.start(theirs, *limit).map_err(|error| format!("{path} cannot be started: {error}"))?;
    if !started.success() {
        return Err(format!("{path} could not be started"));
    }
    let wire = Wire::new(ours);
    wire.say_with(&Ask::Offer(*offer), [data.as_fd(), admin.as_fd()]).map_err(|error| ended(&error))?;
    let left = || until.saturating_duration_since(Instant::now());
    let pid = match wire.hear(left()).map_err(|error| ended(&error))? {
        Told::Began(pid) => pid,
        Told::Failed(why) => return Err(why),
        other => return Err(format!("it said {other:?} before its turn")),
    };
    let shared = ending.borrow().shared;
    let accepted = ready(&wire, left(), *limit).and_then(|()| accept(&wire, pid, ending));
    match accepted {
        Ok(()) => Ok(Successor { pid, wire }),
        Err(unwanted) => {
            let why = end(&wire, pid, unwanted);
            // The sockets are again whose they were; at the end of both they need not be shut.
            ending.send_modify(|ending| {
                ending.shared = if ending.now { ending.shared } else { shared };
                ending.handed = false;
            });
            Err(why)
        }
    }
}

/// Waits until it is ready.
fn ready(wire: &Wire, left: Duration, limit: Duration) -> Result<(), Unwanted> {
    Err(match wire.hear(left) {
        Ok(Told::Ready) => return Ok(()),
        Ok(Told::Failed(why)) => Unwanted::Ends(why),
        Ok(other) => Unwanted::Useless(format!("it said {other:?} before its turn")),
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            Unwanted::Useless(format!("the new process was not ready within {limit:?}, and was ended"))
        }
        Err(error) => Unwanted::Ends(ended(&error)),
    })
}

/// Lets it accept, and tells systemd when it does.
fn accept(wire: &Wire, pid: u32, ending: &watch::Sender<Ending>) -> Result<(), Unwanted> {
    let untold = |error| Unwanted::Useless(format!("systemd could not be told of process {pid}: {error}"));
    // From here on the sockets are the new one's too: nobody may shut them.
    let mine = ending.send_if_modified(|ending| {
        ending.shared |= !ending.now;
        ending.handed |= !ending.now;
        !ending.now
    });
    if !mine {
        return Err(Unwanted::Useless(MEANWHILE.to_owned()));
    }
    notify::handing_over(pid).map_err(untold)?;
    match wire.say(&Ask::Go).and_then(|()| wire.hear(ACCEPT)) {
        // Its signal has come, and the other's would not: systemd sends it to the main process alone.
        Ok(Told::Serving) if ending.borrow().now => Err(Unwanted::Ending),
        Ok(Told::Serving) => notify::successor(pid).map(|()| notify::understood()).map_err(untold),
        Ok(Told::Failed(why)) => Err(Unwanted::Ends(why)),
        Ok(_) => Err(Unwanted::Useless("it did not say that it serves".to_owned())),
        Err(error) => Err(Unwanted::Useless(ended(&error))),
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

/// Ends it, if it has not ended. It lives for as long as its end of the pair is open, so the id is its own. Answers why.
fn end(wire: &Wire, pid: u32, unwanted: Unwanted) -> String {
    let (why, signal, grace) = match unwanted {
        Unwanted::Ends(why) => (why, Signal::SIGKILL, LAST_LINES),
        Unwanted::Useless(why) => (why, Signal::SIGKILL, Duration::ZERO),
        Unwanted::Ending => (MEANWHILE.to_owned(), Signal::SIGTERM, Duration::ZERO),
    };
    if !wire.closes(grace) {
        terminate(pid, signal);
    }
    why
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// A hand-over to a script, whose standard input is 3, which has the folder in `$dir`, and which is left running.
    fn handing(dir: &Path, script: &str) -> Handing {
        let path = dir.join("program");
        let text = format!(
            "#!/bin/sh\nexec 3<&0\ndir='{dir}'\n\
             (read offer <&3; sh -c 'echo $PPID' >$dir/pid; id=$(cat $dir/pid); {script}) &\n",
            dir = dir.display()
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        Handing {
            program: Program::at(path),
            data: socket(),
            admin: socket(),
            offer: Offer { data: None, admin: None },
            ending: watch::Sender::default(),
            limit: Duration::from_secs(20),
        }
    }

    /// Hands over. Answers what came of it, the id that the script wrote down, and whether the sockets are another's too.
    fn handed_to(script: &str) -> (Result<u32, String>, Option<i32>, bool) {
        let dir = tempfile::tempdir().unwrap();
        let mut handing = handing(dir.path(), script);
        if script == format!("{BEGAN}; {HANGS}") {
            handing.limit = Duration::from_secs(3);
        }
        let result = hand_over(&handing);
        let pid =
            std::fs::read_to_string(dir.path().join("pid")).ok().and_then(|pid| pid.trim().parse().ok());
        (result.map(|next| next.pid), pid, handing.ending.borrow().shared)
    }

    /// It failed for this reason, and nothing of the other process is left. Answers the process's id.
    fn failed(script: &str, why: &str) -> i32 {
        let (result, pid, shared) = handed_to(script);
        let said = result.unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(!shared, "{script}: the socket would not be shut at the end");
        pid.unwrap()
    }

    /// The process ends.
    fn ends(pid: i32) {
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
        };
        comes("its end", || cfg!(not(target_os = "linux")) || gone());
    }

    fn comes(what: &str, is: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !is() {
            assert!(Instant::now() < until, "{what} does not come");
            std::thread::yield_now();
        }
    }

    const HANGS: &str = "exec sleep 600";
    const BEGAN: &str = r#"echo "{\"began\":$id}" >&3"#;
    const READY: &str = r#"echo "\"ready\"" >&3; read go <&3; test "$go" = '"go"'"#;

    #[test]
    fn a_process_that_hangs_is_ended_and_one_that_ends_is_told_of() {
        ends(failed(&format!("{BEGAN}; {HANGS}"), "was ended"));
        failed(&format!("{BEGAN}; exit 0"), "ended before it was ready");
        failed(r#"echo "{\"failed\":\"no disk\"}" >&3"#, "no disk");
        failed(r#"echo "\"serving\"" >&3"#, "before its turn");
        // What it says out of its turn, or of its end, is no reason to let it live.
        ends(failed(&format!("{BEGAN}; echo '\"serving\"' >&3; {HANGS}"), "before its turn"));
        ends(failed(&format!("{BEGAN}; echo '{{\"failed\":\"no disk\"}}' >&3; {HANGS}"), "no disk"));
    }

    #[test]
    fn one_that_fails_when_it_may_accept_is_ended_and_leaves_the_sockets() {
        failed(&format!("{BEGAN}; {READY} && exit 0"), "ended");
        ends(failed(&format!("{BEGAN}; {READY} && echo '\"ready\"' >&3; {HANGS}"), "did not say"));
        let failure = r#"echo '{"failed":"no thread"}' >&3"#;
        ends(failed(&format!("{BEGAN}; {READY} && {failure}; {HANGS}"), "no thread"));
        let (result, pid, shared) = handed_to(&format!("{BEGAN}; {READY} && echo '\"serving\"' >&3"));
        assert_eq!(result.unwrap(), pid.unwrap() as u32);
        assert!(shared, "the socket is the other's now");
    }

    #[test]
    fn one_that_serves_ends_in_order_where_this_process_is_told_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            "trap 'echo >$dir/ended; exit 0' TERM; {BEGAN}; {READY}; echo >$dir/accepts; \
             while ! test -e $dir/on; do sleep 0.02; done; echo '\"serving\"' >&3; while :; do sleep 0.02; done"
        );
        let handing = handing(dir.path(), &script);
        let there = |name: &str| dir.path().join(name).exists();
        std::thread::scope(|scope| {
            let handed = scope.spawn(|| hand_over(&handing));
            comes("its turn", || there("accepts"));
            handing.ending.send_modify(|ending| ending.now = true);
            std::fs::write(dir.path().join("on"), "").unwrap();
            assert!(handed.join().unwrap().unwrap_err().contains("meanwhile"));
        });
        comes("its end in order", || there("ended"));
        assert!(handing.ending.borrow().shared, "both leave the socket, and nobody shuts it under the other");
    }

    #[test]
    fn what_must_not_leave_does_not() {
        assert!(reason(1, 0, false).is_some_and(|why| why.contains("container")));
        assert!(reason(70, 1, true).is_some_and(|why| why.contains("launchctl")));
        assert_eq!((reason(70, 1, false), reason(70, 60, true)), (None, None));
    }
}
