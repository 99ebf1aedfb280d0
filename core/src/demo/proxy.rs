//! The proxy as a process of its own, so that its CPU and its hangs are its alone.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use sysinfo::{Pid, ProcessesToUpdate, Signal, System};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::serve::Error;

/// A loaded machine starts a process slowly.
const START: Duration = Duration::from_secs(20);
/// Lines of its log that are kept.
const TAIL: usize = 20;
/// What of the environment goes on to it: not a key, nor a setting that would make it another proxy.
const ENVIRONMENT: [&str; 5] =
    ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TIDEGATE_WORKERS", "RUST_BACKTRACE"];

/// A running `tidegate serve`. Dropping it kills it.
pub(super) struct Proxy {
    /// Where it serves clients.
    pub(super) data: SocketAddr,
    /// Where it serves metrics.
    pub(super) admin: SocketAddr,
    child: Child,
    tail: Tail,
}

type Tail = Arc<Mutex<VecDeque<String>>>;

impl Proxy {
    /// Runs this very executable with the configuration in `file`.
    ///
    /// # Errors
    /// It did not come to serving; its last words are in the text.
    pub(super) async fn start(file: &Path) -> Result<Self, Error> {
        let system = |error: std::io::Error| Error::System(format!("the proxy: {error}"));
        let mut command = Command::new(std::env::current_exe().map_err(system)?);
        command.args(["serve", "--config"]).arg(file).env_clear().env("TIDEGATE_LOG", "info");
        command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(system)?;
        let stderr = child.stderr.take();
        let (tail, (serving, addresses)) = (Tail::default(), oneshot::channel());
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut proxy = Self { data: any, admin: any, child, tail: tail.clone() };
        let reader = std::thread::Builder::new().name("proxy-log".into());
        reader.spawn(move || stderr.map(|stderr| read_log(stderr, serving, &tail))).map_err(system)?;
        // An error is its end: the log was closed before it served.
        if let Ok(Ok((data, admin))) = timeout(START, addresses).await {
            (proxy.data, proxy.admin) = (data, admin);
            return Ok(proxy);
        }
        let words = proxy.last_words();
        Err(Error::System(format!("the proxy did not start. Its last words:\n{words}")))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines of its log.
    pub(super) fn last_words(&self) -> String {
        self.tail.lock().iter().map(|line| format!("    {line}\n")).collect()
    }

    /// Asks it to end (SIGTERM) and waits. `None` where it is still there after `limit`.
    pub(super) async fn stop(&mut self, limit: Duration) -> Option<ExitStatus> {
        let pid = Pid::from_u32(self.pid());
        let mut system = System::new().ok()?;
        system.refresh_processes(ProcessesToUpdate::Some(&[pid]), true);
        system.process(pid)?.kill_with(Signal::Term)?;
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            sleep(Duration::from_millis(2)).await;
        }
        None
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Both fail only where it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the log to its end: a full pipe would stop the proxy.
fn read_log(stderr: ChildStderr, serving: oneshot::Sender<(SocketAddr, SocketAddr)>, tail: &Tail) {
    let mut serving = Some(serving);
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(addresses) = addresses(&line)
            && let Some(serving) = serving.take()
        {
            // Nobody waits any more: the start was given up.
            let _ = serving.send(addresses);
        }
        let mut tail = tail.lock();
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
}

/// The addresses in the line that says it serves.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| line[name].as_str()?.parse().ok();
    if line["message"] == "serving" { Some((address("data")?, address("admin")?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_in_the_line_that_says_serving() {
        let line = r#"{"level":"INFO","message":"serving","data":"127.0.0.1:1","admin":"127.0.0.1:2"}"#;
        let expected = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
        assert_eq!(addresses(line), Some(expected));
        for other in ["", "serving", r#"{"message":"x","data":"127.0.0.1:1","admin":"127.0.0.1:2"}"#] {
            assert_eq!(addresses(other), None, "{other}");
        }
    }
}
