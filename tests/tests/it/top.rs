//! `tidegate top` in a real terminal, which tmux plays: what is on it, and what keys do.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tidegate_sim::{Gate, Script};
use tidegate_tests::client::chat_with;
use tidegate_tests::proxy::built;
use tidegate_tests::{ADMIN_KEY, Conn, Told};

use crate::world::{LONG, world};

/// A terminal of 150 columns and 30 lines. Dropping it ends what runs in it.
struct Terminal {
    folder: tempfile::TempDir,
}

impl Terminal {
    fn run(command: &str) -> Self {
        let terminal = Self { folder: tempfile::tempdir().unwrap() };
        let size = ["-x", "150", "-y", "30"];
        let said = terminal.tmux(&[&["new-session", "-d"], &size[..], &[command]].concat());
        assert!(said.status.success(), "tmux: {}", String::from_utf8_lossy(&said.stderr));
        terminal
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let socket = self.folder.path().join("socket");
        let mut command = Command::new("tmux");
        command.arg("-S").arg(socket).args(["-f", "/dev/null"]).args(args);
        command.output().unwrap_or_else(|error| panic!("tmux, of Debian's package tmux: {error}"))
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    async fn shows(&self, text: &str) -> String {
        let until = Instant::now() + LONG;
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(Instant::now() < until, "the terminal never showed {text:?}:\n{screen}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn press(&self, keys: &str) {
        self.tmux(&["send-keys", keys]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_a_stream_and_ends_it() {
    let (sim, proxy) = world(|setup| setup.clock("content_idle: 60s").clock("byte_idle: 60s")).await;
    let chunk = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    sim.script("waits", Script::sse().write(format!("{chunk}\n\n")).wait(&Gate::new()));
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat_with("user-agent: Patient/1.0\r\n", "openai", "waits", true)).await.unwrap();
    assert!(conn.read_until(LONG, |answer| answer.text().contains("\"a\"")).await);
    let program = built().join("tidegate");
    let terminal = Terminal::run(&format!(
        "env TIDEGATE_ADMIN_KEY={ADMIN_KEY} {} top --admin {}",
        program.display(),
        proxy.admin
    ));
    terminal.shows("serving").await;
    terminal.shows("127.0.0.1 Patient/1.0").await;
    terminal.press("Tab");
    terminal.shows("First content").await;
    terminal.press("BTab");
    terminal.shows("For nothing").await;
    terminal.press("Down");
    terminal.press("x");
    terminal.shows("abort stream").await;
    terminal.press("y");
    terminal.shows("was told to end").await;
    let told = Told::of(&conn.answer(LONG).await, true).unwrap();
    assert!(told.message.contains("ended by an operator"), "{}", told.message);
    // The incident is on it too.
    terminal.shows("ago: ended by an operator").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_said_on_the_terminal_that_asked() {
    let said =
        Command::new(built().join("tidegate")).args(["top", "--admin", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    let error = String::from_utf8_lossy(&said.stderr);
    assert!(error.contains("127.0.0.1:1") && error.contains("--admin"), "{error}");
}
