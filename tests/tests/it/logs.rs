//! What the log is written to may fail, or take nothing for ever: no request may wait for it, and none may end with it.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tidegate_sim::{Sim, healthy_text};
use tidegate_tests::client::{ask, chat, get};
use tidegate_tests::proxy::built;
use tidegate_tests::{Metrics, Setup, Told};
use tokio::process::{Child, Command};

use crate::world::{LONG, sim};

/// A proxy whose log goes where it cannot be read: its addresses are chosen here.
struct Mute {
    child: Child,
    data: SocketAddr,
    admin: SocketAddr,
    _dir: TempDir,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn start(sim: &Sim, stderr: Stdio) -> Mute {
    let (data, admin, dir) = (free(), free(), tempfile::tempdir().unwrap());
    let setup = Setup::of(sim).short_clocks();
    let yaml = setup.tidegate(&format!("listen: {data}")).tidegate(&format!("admin: {admin}")).yaml();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, yaml).unwrap();
    let mut command = Command::new(built().join("tidegate"));
    command
        .arg("serve")
        .arg("-c")
        .arg(&file)
        .env_clear()
        .env("HOME", dir.path())
        .env("TIDEGATE_LOG", "trace");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).kill_on_drop(true);
    let mut mute = Mute { child: command.spawn().unwrap(), data, admin, _dir: dir };
    let until = Instant::now() + LONG;
    while Metrics::try_scrape(admin, Duration::from_secs(1)).await.is_none() {
        assert_eq!(mute.child.try_wait().unwrap(), None, "it ended because it cannot log");
        assert!(Instant::now() < until, "it does not serve");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    mute
}

impl Mute {
    /// Asks for errors, which are logged, until lines are lost; every one is answered.
    async fn until_lines_are_lost(&self) {
        let until = Instant::now() + LONG;
        loop {
            for _ in 0..50 {
                let answer = ask(self.data, &chat("openai", "http-500", true), LONG).await;
                assert_eq!(answer.status, 500, "{answer:?}");
            }
            if Metrics::scrape(self.admin).await.sum("tidegate_log_lines_lost_total", &[]) > 0.0 {
                return;
            }
            assert!(Instant::now() < until, "no line was lost: the test has no point");
        }
    }

    /// It serves as if there were no log, and ends when it is told to.
    async fn serves_and_ends(mut self) {
        let answer = ask(self.data, &chat("openai", "fast", true), LONG).await;
        assert_eq!(Told::of(&answer, true).unwrap().text, healthy_text());
        assert_eq!(
            ask(self.admin, &get("/health/readiness", "connection: close\r\n"), LONG).await.status,
            200
        );
        kill(Pid::from_raw(self.child.id().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();
        let ended = tokio::time::timeout(LONG, self.child.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_no_request() {
    let sim = sim().await;
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mute = start(&sim, full.into()).await;
    mute.until_lines_are_lost().await;
    mute.serves_and_ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_nobody_reads_holds_no_request() {
    let sim = sim().await;
    let mut mute = start(&sim, Stdio::piped()).await;
    let unread = mute.child.stderr.take().unwrap();
    mute.until_lines_are_lost().await;
    mute.serves_and_ends().await;
    drop(unread);
}
