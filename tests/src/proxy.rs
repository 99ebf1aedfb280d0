//! The real `tidegate serve`, as a child process on free ports.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;

/// The longest wait for a start, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(60);

/// The longest wait for what must come of itself, such as a thread that is demoted once it has used three seconds of CPU.
const EVENT: Duration = Duration::from_secs(60);

/// A running Tidegate. Dropping it kills the process.
pub struct Proxy {
    child: Child,
    pid: Pid,
    dir: TempDir,
    /// Where clients are served.
    pub data: SocketAddr,
    /// Where metrics and the admin API are served.
    pub admin: SocketAddr,
}

/// A Tidegate that did not come to serve.
#[derive(Debug)]
pub struct Unserved {
    /// How it ended; `None`: it ran, and was killed.
    pub ended: Option<ExitStatus>,
    /// What it had logged.
    pub log: String,
}

/// The folder with `tidegate` and the plugins: where this program, a test's most often, was built.
///
/// # Panics
/// They are not there.
pub fn built() -> PathBuf {
    let program = std::env::current_exe().expect("a program has a path");
    let mut folder = program.parent().expect("target/PROFILE, or its deps for a test").to_owned();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let suffix = std::env::consts::DLL_SUFFIX;
    let plugins = ["openai", "gemini", "fallback"].map(|name| format!("libtidegate_plugin_{name}{suffix}"));
    for file in plugins.iter().map(String::as_str).chain(["tidegate"]) {
        assert!(
            folder.join(file).exists(),
            "{} is not built: run `cargo build --workspace --features tidegate/fault-hooks` first, as tests/run does",
            folder.join(file).display()
        );
    }
    folder
}

impl Proxy {
    /// Starts it with this configuration, and waits until it serves.
    ///
    /// # Panics
    /// It ended, or did not serve in time; its log is in the message.
    pub async fn start(config: &str) -> Self {
        Self::start_with(config, &[]).await
    }

    /// The same with variables in its environment, which is otherwise empty.
    ///
    /// # Panics
    /// As [`Proxy::start`].
    pub async fn start_with(config: &str, env: &[(&str, &str)]) -> Self {
        Self::try_start(config, env, None, START).await.unwrap_or_else(|unserved| {
            let Unserved { ended, log } = unserved;
            panic!("tidegate did not serve within {START:?}; its end: {ended:?}\n{log}\n{config}")
        })
    }

    /// The same where it may be that it never serves. `memory`: bytes of it that the process may have.
    ///
    /// # Errors
    /// It ended, or did not serve within `limit`.
    ///
    /// # Panics
    /// It cannot be started at all.
    pub async fn try_start(
        config: &str,
        env: &[(&str, &str)],
        memory: Option<u64>,
        limit: Duration,
    ) -> Result<Self, Unserved> {
        let before = memory.map(|bytes| format!("ulimit -d {}", bytes / 1024));
        Self::try_start_by(config, env, before.as_deref(), None, limit).await
    }

    /// The same by a shell that does something `before`. `sockets`: its standard input and output, instead of none.
    ///
    /// # Errors
    /// As [`Proxy::try_start`].
    ///
    /// # Panics
    /// As [`Proxy::try_start`].
    pub async fn try_start_by(
        config: &str,
        env: &[(&str, &str)],
        before: Option<&str>,
        sockets: Option<[OwnedFd; 2]>,
        limit: Duration,
    ) -> Result<Self, Unserved> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut child = spawn(dir.path(), config, env, before, sockets);
        let pid =
            child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw).expect("a child has an id");
        let until = Instant::now() + limit;
        loop {
            let log = read(&dir.path().join(LOG));
            if let Some((data, admin)) = serving(&log) {
                return Ok(Self { child, pid, dir, data, admin });
            }
            let ended = child.try_wait().expect("the child can be asked");
            if ended.is_some() || Instant::now() > until {
                return Err(Unserved { ended, log: read(&dir.path().join(LOG)) });
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// The processes that run plugins for it, by their ids.
    pub fn workers(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mine = |pid: &u32| {
            let file = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let stat = String::from_utf8_lossy(&file("stat")).into_owned();
            let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            let parent = rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
            parent == Some(self.pid())
                && file("cmdline").split(|byte| *byte == 0).any(|arg| arg == b"plugin-worker")
        };
        pids.filter(mine).collect()
    }

    /// Its configuration's file.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join(CONFIG)
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// It is gone.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("the proxy is there");
    }

    /// Puts another configuration in its file; a SIGHUP makes it read.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn rewrite(&self, config: &str) {
        std::fs::write(self.dir.path().join(CONFIG), config).expect("the configuration can be written");
    }

    /// What it has logged so far: lines of JSON.
    pub fn log(&self) -> String {
        read(&self.dir.path().join(LOG))
    }

    /// Waits until the log has `text`.
    ///
    /// # Panics
    /// It has not within a minute.
    pub async fn logged(&self, text: &str) {
        let until = Instant::now() + EVENT;
        while !self.log().contains(text) {
            assert!(Instant::now() < until, "the log never said {text:?}:\n{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It does not end within `limit`.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let ended = timeout(limit, self.child.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("tidegate still runs after {limit:?}"))
            .expect("the child can be waited for")
    }

    /// A scrape of `/metrics`.
    pub async fn metrics(&self) -> Metrics {
        Metrics::scrape(self.admin).await
    }

    /// Scrapes until `holds`.
    ///
    /// # Panics
    /// It does not hold within a minute.
    pub async fn metrics_when(&self, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
        let until = Instant::now() + EVENT;
        loop {
            let metrics = self.metrics().await;
            if holds(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < until, "/metrics never showed: {what}\n{}", metrics.text());
            sleep(Duration::from_millis(25)).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the proxy's log, newest line first:\n{}", tail.join("\n"));
        }
    }
}

/// Runs `tidegate serve` with a configuration that is not to be served: its exit status and its log.
///
/// # Panics
/// It still runs after a minute.
pub async fn refused(config: &str) -> (ExitStatus, String) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut child = spawn(dir.path(), config, &[], None, None);
    let ended = timeout(START, child.wait()).await.expect("a refusal comes at once");
    (ended.expect("the child can be waited for"), read(&dir.path().join(LOG)))
}

const CONFIG: &str = "config.yaml";
const LOG: &str = "log";

fn spawn(
    dir: &Path,
    config: &str,
    env: &[(&str, &str)],
    before: Option<&str>,
    sockets: Option<[OwnedFd; 2]>,
) -> Child {
    let (file, log) = (dir.join(CONFIG), dir.join(LOG));
    std::fs::write(&file, config).expect("the configuration can be written");
    // Several processes write it, where one takes over from another.
    let log = std::fs::File::options().create(true).append(true).open(log).expect("a log file");
    let program = built().join("tidegate");
    let mut command = match before {
        None => Command::new(program),
        Some(before) => {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(format!("{before}; exec \"$0\" \"$@\"")).arg(program);
            shell
        }
    };
    command.arg("serve").arg("-c").arg(&file).env_clear().env("HOME", dir).envs(env.iter().copied());
    let [input, output] =
        sockets.map_or_else(|| [Stdio::null(), Stdio::null()], |both| both.map(Stdio::from));
    command.stdin(input).stdout(output).stderr(log).kill_on_drop(true);
    command.spawn().expect("tidegate can be started")
}

fn read(file: &Path) -> String {
    std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The two addresses that it logs once it serves.
fn serving(log: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = line.into_iter().find(|line| line["message"] == "serving")?;
    Some((line["data"].as_str()?.parse().ok()?, line["admin"].as_str()?.parse().ok()?))
}
