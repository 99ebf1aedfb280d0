//! Tells systemd how it goes (sd_notify(3)): READY=1, STOPPING=1, and WATCHDOG=1 for as long as data workers advance.
//!
//! Whether they do is asked of the runtime itself: a task is put there from this thread, and only when it has run is the next
//! WATCHDOG=1 sent. A thread that merely pings says nothing but that it lives.

use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::runtimes::Runtimes;

/// Where systemd listens; unset: there is none.
const SOCKET: &str = "NOTIFY_SOCKET";

/// How long a message that must arrive may wait for room in systemd's queue.
const WAIT: Duration = Duration::from_secs(2);

/// Another process is the service now; what this one says systemd must not hear.
static SUCCEEDED: AtomicBool = AtomicBool::new(false);

/// What `systemctl status` shows of a process that serves is this, or begins so.
pub const SERVING: &str = "Serving";

/// Serving has begun. Starts the thread that pings, if systemd wants pings.
pub(super) fn ready(runtimes: &Runtimes) {
    say("READY=1");
    // Not what a restart that failed has left there.
    status(SERVING);
    let Some(interval) = interval(|name| std::env::var(name).ok()) else { return };
    let runtimes = runtimes.clone();
    #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
    let ping = move || {
        let alive = Arc::new(AtomicBool::new(true));
        loop {
            if alive.swap(false, Relaxed) && !SUCCEEDED.load(Relaxed) {
                send("WATCHDOG=1");
            }
            let beat = alive.clone();
            runtimes.beat(async move { beat.store(true, Relaxed) });
            std::thread::sleep(interval);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("tidegate-notify".into()).spawn(ping) {
        tracing::error!(%error, "systemd gets no pings");
    }
}

/// The end has begun.
pub(super) fn stopping() {
    say("STOPPING=1");
    status("Finishing the requests in flight");
}

/// A line for `systemctl status`.
pub(super) fn status(text: &str) {
    send(&format!("STATUS={}", text.replace('\n', " ")));
}

/// That process is about to accept. Also the last look at whether systemd can be told at all, while there is a way back.
///
/// # Errors
/// systemd is there and could not be told.
pub(super) fn handing_over(pid: u32) -> std::io::Result<()> {
    must(&format!("STATUS=Handing over to process {pid}"))
}

/// That process is the service from now on: systemd is to look after it, and to hear what it says.
///
/// # Errors
/// systemd is there and could not be told: with the end of this process it would end the other.
pub(super) fn successor(pid: u32) -> std::io::Result<()> {
    SUCCEEDED.store(true, Relaxed);
    let told = must(&format!("MAINPID={pid}"));
    SUCCEEDED.store(told.is_ok(), Relaxed);
    told
}

/// Waits until systemd has understood all that this process has said (`BARRIER=1`, sd_notify(3)): it closes the descriptor
/// that comes with it then. What signal it still has sent here was sent before. One that does not know the word closes the
/// descriptor as well.
pub(super) fn understood() {
    let Some(name) = std::env::var_os(SOCKET) else { return };
    if let Err(error) = barrier(Path::new(&name)) {
        tracing::warn!(%error, "systemd does not say that it has understood");
    }
}

fn barrier(name: &Path) -> std::io::Result<()> {
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(WAIT))?;
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(WAIT))?;
    connect(&socket, name)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [theirs.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(std::io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(&socket, &[IoSlice::new(b"BARRIER=1")], &mut control, SendFlags::empty())?;
    drop(theirs);
    ours.read(&mut [0]).map(drop)
}

fn connect(socket: &UnixDatagram, name: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_os_str().as_encoded_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        return socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?);
    }
    socket.connect(name)
}

/// Half of what systemd allows between two pings; `None` where it wants none, or not from this process.
fn interval(env: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    let micros: u64 = env("WATCHDOG_USEC")?.parse().ok()?;
    let other = env("WATCHDOG_PID").is_some_and(|pid| pid != std::process::id().to_string());
    (micros > 0 && !other).then(|| Duration::from_micros(micros / 2).max(Duration::from_millis(1)))
}

/// What comes again, or may be missed.
fn send(state: &str) {
    tell(state, None);
}

/// What must arrive: a systemd that is busy gets a moment.
fn say(state: &str) {
    tell(state, Some(WAIT));
}

/// What nothing goes on without, where there is a systemd.
fn must(state: &str) -> std::io::Result<()> {
    tell_or(state, Some(WAIT))
}

fn tell(state: &str, wait: Option<Duration>) {
    if let Err(error) = tell_or(state, wait) {
        tracing::warn!(%error, "systemd could not be told {state}");
    }
}

fn tell_or(state: &str, wait: Option<Duration>) -> std::io::Result<()> {
    std::env::var_os(SOCKET).map_or(Ok(()), |name| try_send(Path::new(&name), state, wait))
}

fn try_send(name: &Path, state: &str, wait: Option<Duration>) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    match wait {
        Some(wait) => socket.set_write_timeout(Some(wait))?,
        // The pings' thread must not wait for a reader that has none.
        None => socket.set_nonblocking(true)?,
    }
    connect(&socket, name)?;
    socket.send(state.as_bytes()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_interval_and_none_for_another_process() {
        let env = |usec: &'static str, pid: Option<String>| {
            interval(move |name| if name == "WATCHDOG_USEC" { Some(usec.to_owned()) } else { pid.clone() })
        };
        assert_eq!(env("3000000", None), Some(Duration::from_millis(1_500)));
        assert_eq!(env("3000000", Some(std::process::id().to_string())), Some(Duration::from_millis(1_500)));
        assert_eq!(env("3000000", Some("1".into())), None);
        assert_eq!(env("0", None), None);
        assert_eq!(env("often", None), None);
        assert_eq!(interval(|_| None), None);
    }

    #[test]
    fn both_kinds_of_sockets_are_reached() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let there = UnixDatagram::bind(&path).unwrap();
        try_send(&path, "READY=1", None).unwrap();
        let mut seen = [0; 32];
        let length = there.recv(&mut seen).unwrap();
        assert_eq!(&seen[..length], b"READY=1");
        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt;
            let name = format!("tidegate-test-{}", std::process::id());
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
            let there = UnixDatagram::bind_addr(&address).unwrap();
            try_send(Path::new(&format!("@{name}")), "STOPPING=1", Some(WAIT)).unwrap();
            let length = there.recv(&mut seen).unwrap();
            assert_eq!(&seen[..length], b"STOPPING=1");
        }
        assert!(try_send(&dir.path().join("nobody"), "READY=1", None).is_err());
    }
}
