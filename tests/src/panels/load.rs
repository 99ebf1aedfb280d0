//! The load: simulated providers with every kind of trouble, and clients that keep asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use nix::sys::signal::Signal;
use tidegate_sim::{Settings, Sim};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::{ask, chat, chat_with};
use crate::{Proxy, Setup};

/// The longest wait for one answer.
const LONG: Duration = Duration::from_secs(30);

/// What each client asks for, again and again: its group, then scenarios of the simulator. Most answers are good, as they
/// are for people; one group has a provider that limits it.
const CLIENTS: [(&str, &[&str]); 5] = [
    ("openai", &["fast", "tools", "slow", "fast", "http-500", "fast", "fast", "429-frame-end"]),
    ("gemini", &["fast", "slow", "fast", "no-finish", "fast", "http-400", "fast", "fast"]),
    ("anthropic", &["fast", "tools", "fast", "http-503", "fast", "plain-text-line", "slow", "fast"]),
    ("continued", &["fast", "no-finish", "fast", "stall-mid", "fast", "fast", "fast", "no-finish"]),
    ("limited", &["fast", "http-429", "429-first", "fast", "429-frame-end"]),
];

pub(super) struct World {
    _sim: Sim,
    _guarded: Guarded,
    pub(super) proxy: Proxy,
}

impl World {
    /// Providers, one of them behind a plugin in a process of its own, with retries, fallbacks and cooldowns as people have
    /// them.
    pub(super) async fn start() -> Self {
        let sim = Sim::start(Settings::default()).await.expect("the simulator can listen");
        let setup = CLIENTS.iter().fold(Setup::default(), |setup, (group, _)| {
            let kind = if ["continued", "limited"].contains(group) { "openai" } else { group };
            setup.model(group, kind, &sim, "")
        });
        let setup = setup
            .router("num_retries: 1")
            .router("cooldown_time: 1")
            .router("fallbacks: [{limited: [gemini]}, {continued: [openai]}]")
            .tidegate("groups: {continued: {mid_stream: continue}}")
            .isolated(&["anthropic"])
            .short_clocks();
        let guarded = Guarded::new();
        let setup = setup.tidegate(&guarded.entry());
        Self { proxy: Proxy::start(&setup.yaml()).await, _sim: sim, _guarded: guarded }
    }

    /// Begins to ask, and goes on until the load is dropped or ended.
    pub(super) fn play(&self) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        let clients = CLIENTS.into_iter().map(|(group, scenarios)| {
            let (addr, over) = (self.proxy.data, over.clone());
            tokio::spawn(async move {
                for (turn, scenario) in scenarios.iter().cycle().enumerate() {
                    if over.load(Relaxed) {
                        return;
                    }
                    ask(addr, &chat(group, scenario, turn % 3 != 0), LONG).await;
                    sleep(Duration::from_millis(100)).await;
                }
            })
        });
        Load { clients: clients.collect(), over }
    }

    /// A stream that spins, for the watchdog; and a look into the configuration.
    pub(super) async fn spin(&self) {
        let spinning = chat_with("x-tidegate-fault: spin-wake\r\n", "gemini", "stall-mid", true);
        let spun = ask(self.proxy.data, &spinning, LONG);
        self.proxy.signal(Signal::SIGHUP);
        spun.await;
    }
}

/// Clients that ask.
pub(super) struct Load {
    clients: Vec<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl Load {
    /// Lets each client have its last answer.
    pub(super) async fn end(self) {
        self.over.store(true, Relaxed);
        for client in self.clients {
            client.await.expect("a client does not panic");
        }
    }
}

/// A process that spins after some answers, is ended for it, and is started again by its guard.
struct Guarded {
    folder: tempfile::TempDir,
    port: u16,
}

impl Guarded {
    fn new() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, port: free.expect("there are free ports").port() }
    }

    fn pid_file(&self) -> std::path::PathBuf {
        self.folder.path().join("pid")
    }

    fn entry(&self) -> String {
        let (program, file, port) = (crate::proxy::built().join("guarded"), self.pid_file(), self.port);
        let (program, file) = (program.display(), file.display());
        format!(
            "guard: [{{name: litellm, pid_file: {file}, start_grace: 1s, \
             probe: {{url: 'http://127.0.0.1:{port}/health', every: 500ms, timeout: 500ms}}, \
             restart: [/bin/sh, -c, '{program} {port} {file} 10:spin > /dev/null 2>&1 &']}}]"
        )
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The guard started it, so it is nobody's child.
        let pid =
            std::fs::read_to_string(self.pid_file()).ok().and_then(|text| text.trim().parse::<i32>().ok());
        let line = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if let Some(pid) = pid.filter(|pid| line(*pid).contains(&self.pid_file().display().to_string())) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
