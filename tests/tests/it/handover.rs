//! Restarts without downtime: SIGUSR2, a new process on the same sockets, and a client that notices nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, IoSlice, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::Pid;
use tidegate_sim::{Ending, Gate, Script, healthy_text};
use tidegate_tests::client::{ask, body, chat, chat_with, get};
use tidegate_tests::proxy::built;
use tidegate_tests::{Conn, Proxy, Setup, Terminal, Told};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use crate::world::{LONG, sim, told};

/// systemd's ear: what the service says, in order, and by whom it is led.
pub(crate) struct Ear {
    heard: Receiver<String>,
    dir: tempfile::TempDir,
}

impl Ear {
    pub(crate) fn new() -> Self {
        Self::that(|_| {})
    }

    /// One that does something at each message, before it listens on.
    fn that(mut does: impl FnMut(&str) + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        let (tell, heard) = channel();
        // Always read, as systemd does: the kernel keeps ten messages for a reader. The thread ends with the test.
        std::thread::spawn(move || {
            let mut seen = [0; 4096];
            while let Ok(length) = socket.recv(&mut seen) {
                let said = String::from_utf8_lossy(&seen[..length]).into_owned();
                does(&said);
                // Who says this waits until it is heard.
                if said != "BARRIER=1" && tell.send(said).is_err() {
                    return;
                }
            }
        });
        Self { heard, dir }
    }

    pub(crate) fn path(&self) -> String {
        self.dir.path().join("notify").to_str().unwrap().to_owned()
    }

    /// Nothing is said that has not been asked for.
    fn is_silent(&self) -> bool {
        self.heard.try_recv().is_err()
    }

    pub(crate) fn next(&self) -> String {
        self.heard.recv_timeout(LONG).unwrap()
    }

    /// What is said up to and with the first that begins so.
    pub(crate) fn until(&self, start: &str) -> Vec<String> {
        let mut heard = Vec::new();
        while !heard.last().is_some_and(|last: &String| last.starts_with(start)) {
            heard.push(self.next());
        }
        heard
    }
}

/// The processes of one service, ended with the test: all but the first are children of nobody here.
pub(crate) struct Chain {
    pub(crate) pids: Vec<i32>,
    config: String,
}

impl Chain {
    pub(crate) fn of(proxy: &Proxy) -> Self {
        Self { pids: vec![proxy.pid() as i32], config: proxy.config().to_str().unwrap().to_owned() }
    }

    pub(crate) fn last(&self) -> i32 {
        *self.pids.last().unwrap()
    }

    /// Restarts, and waits until the next process serves.
    async fn restart(&mut self, proxy: &Proxy) {
        kill(Pid::from_raw(self.last()), Signal::SIGUSR2).unwrap();
        self.follow(proxy).await;
    }

    pub(crate) async fn follow(&mut self, proxy: &Proxy) {
        let until = Instant::now() + LONG;
        while successors(&proxy.log()).len() < self.pids.len() {
            assert!(Instant::now() < until, "no next process came to serve:\n{}", proxy.log());
            sleep(Duration::from_millis(10)).await;
        }
        self.pids.push(successors(&proxy.log())[self.pids.len() - 1]);
    }

    fn runs(&self, pid: i32) -> bool {
        let file = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let dead = file("stat").rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
        !dead && file("cmdline").contains(&self.config)
    }

    pub(crate) async fn ended(&self, pid: i32) {
        let until = Instant::now() + LONG;
        while self.runs(pid) {
            assert!(Instant::now() < until, "process {pid} does not end");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        for pid in self.pids.iter().skip(1).filter(|pid| self.runs(**pid)) {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
    }
}

/// The processes that took over, as those before them said.
fn successors(log: &str) -> Vec<i32> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let lines = lines
        .filter(|line| line["message"].as_str().is_some_and(|m| m.starts_with("another process serves")));
    lines.filter_map(|line| line["pid"].as_i64()).map(|pid| pid as i32).collect()
}

const CHUNK: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
const FINISH: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// A stream of `count` pieces, 20 ms apart.
fn slow(count: usize) -> Script {
    let chunk = format!("{CHUNK}\n\n");
    let pieces = (0..count)
        .fold(Script::sse(), |script, _| script.write(chunk.clone()).pause(Duration::from_millis(20)));
    pieces.write(format!("{FINISH}\n\ndata: [DONE]\n\n"))
}

/// What the load has seen.
struct Seen {
    stop: AtomicBool,
    answers: AtomicU64,
    moved: AtomicU64,
    wrong: UnboundedSender<String>,
}

impl Seen {
    fn wrong(&self, what: impl Into<String>) {
        let _ = self.wrong.send(what.into());
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Relaxed)
    }

    fn note(&self, who: &str, told: Result<Told, String>, text: &str) {
        match told {
            Ok(told) if told.terminal == Terminal::Done && told.text == text => {
                self.answers.fetch_add(1, Relaxed);
            }
            Ok(told) => self.wrong(format!("{who}: {:?} {}", told.terminal, told.message)),
            Err(why) => self.wrong(format!("{who}: {why}")),
        }
    }
}

/// A connection for each request.
async fn fresh(addr: std::net::SocketAddr, scenario: &'static str, text: String, seen: Arc<Seen>) {
    while seen.goes_on() {
        let request = chat_with("connection: close\r\n", "openai", scenario, true);
        let answer = ask(addr, &request, LONG).await;
        seen.note(scenario, Told::of(&answer, true), &text);
    }
}

/// One connection for as long as the server lets it live, with a pause between requests: every one that the server has not
/// said it would close must take the next request.
async fn kept(addr: std::net::SocketAddr, pause: Duration, seen: Arc<Seen>) {
    while seen.goes_on() {
        let Ok(mut conn) = Conn::open(addr).await else {
            seen.wrong("a kept connection was refused");
            return;
        };
        while seen.goes_on() {
            if let Err(error) = conn.send(&chat("openai", "fast", true)).await {
                seen.wrong(format!("a kept connection was closed without a word: {error}"));
                break;
            }
            let answer = conn.answer(LONG).await;
            let last = answer.header("connection") == Some("close");
            seen.note("kept", Told::of(&answer, true), &healthy_text());
            if last {
                seen.moved.fetch_add(1, Relaxed);
                break;
            }
            if answer.status == 0 {
                break;
            }
            sleep(pause).await;
        }
    }
}

/// One HTTP/2 connection for as long as the server lets it live.
async fn http2(addr: std::net::SocketAddr, seen: Arc<Seen>) {
    while seen.goes_on() {
        let stream = TcpStream::connect(addr).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        while seen.goes_on() && sender.ready().await.is_ok() {
            let json = body("openai", "fast", true).to_string();
            let request = hyper::Request::post(format!("http://{addr}/v1/chat/completions"))
                .body(Full::new(Bytes::from(json)))
                .unwrap();
            match sender.send_request(request).await {
                Ok(answer) => match answer.into_body().collect().await.map(|body| body.to_bytes()) {
                    Ok(bytes) if bytes.ends_with(b"data: [DONE]\n\n") => {
                        seen.answers.fetch_add(1, Relaxed);
                    }
                    Ok(_) => seen.wrong("HTTP/2: it has no end"),
                    Err(error) => seen.wrong(format!("HTTP/2: {error:?}")),
                },
                // It was not sent: GOAWAY had come.
                Err(error) if error.is_canceled() => break,
                Err(error) => seen.wrong(format!("HTTP/2: {error:?}")),
            }
        }
        seen.moved.fetch_add(1, Relaxed);
        drop(sender);
        let _ = connection.await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_restarts_under_load_lose_nothing() {
    const RESTARTS: usize = 20;
    let (sim, ear) = (sim().await, Ear::new());
    sim.script("slow", slow(60));
    let setup = Setup::of(&sim).clock("drain: 30s");
    let env = [("NOTIFY_SOCKET", &*ear.path()), ("WATCHDOG_USEC", "2000000"), ("TIDEGATE_WORKERS", "2")];
    let mut proxy = Proxy::start_with(&setup.yaml(), &env).await;
    let mut chain = Chain::of(&proxy);
    let (wrong, mut went_wrong) = unbounded_channel();
    let seen = Arc::new(Seen { stop: false.into(), answers: 0.into(), moved: 0.into(), wrong });
    let mut load = Vec::new();
    for _ in 0..3 {
        load.push(tokio::spawn(fresh(proxy.data, "fast", healthy_text(), seen.clone())));
        load.push(tokio::spawn(fresh(proxy.data, "slow", "a".repeat(60), seen.clone())));
    }
    for pause in [0, 1, 20, 150, 400] {
        load.push(tokio::spawn(kept(proxy.data, Duration::from_millis(pause), seen.clone())));
    }
    load.push(tokio::spawn(http2(proxy.data, seen.clone())));
    for _ in 0..RESTARTS {
        let before = seen.answers.load(Relaxed);
        chain.restart(&proxy).await;
        let until = Instant::now() + LONG;
        while seen.answers.load(Relaxed) < before + 20 && Instant::now() < until {
            sleep(Duration::from_millis(10)).await;
        }
        // Health and metrics are the new process's at once.
        let ready = ask(proxy.admin, &get("/health/readiness", "connection: close\r\n"), LONG).await;
        assert_eq!(ready.status, 200);
    }
    seen.stop.store(true, Relaxed);
    for client in load {
        client.await.unwrap();
    }
    let wrong: Vec<String> = std::iter::from_fn(|| went_wrong.try_recv().ok()).collect();
    assert!(
        wrong.is_empty(),
        "{} requests were lost, among them {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    assert!(
        seen.answers.load(Relaxed) > 400 && seen.moved.load(Relaxed) > 20,
        "there was a load, and it moved"
    );
    assert_eq!(chain.pids.iter().collect::<BTreeSet<_>>().len(), RESTARTS + 1, "{:?}", chain.pids);
    // Those before end by themselves, and say nothing to systemd that the last one should say.
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
    for pid in &chain.pids[..RESTARTS] {
        chain.ended(*pid).await;
    }
    kill(Pid::from_raw(chain.last()), Signal::SIGTERM).unwrap();
    chain.ended(chain.last()).await;
    let heard = ear.until("STOPPING=1");
    let named: Vec<String> =
        heard.iter().filter_map(|said| said.strip_prefix("MAINPID=").map(str::to_owned)).collect();
    let expected: Vec<String> = chain.pids[1..].iter().map(ToString::to_string).collect();
    assert_eq!(named, expected, "{heard:?}");
    assert_eq!(heard.iter().filter(|said| *said == "READY=1").count(), RESTARTS + 1);
    assert!(heard.iter().any(|said| said == "WATCHDOG=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_serve_changes_nothing() {
    let (sim, ear) = (sim().await, Ear::new());
    let good = Setup::of(&sim).yaml();
    let proxy = Proxy::start_with(&good, &[("NOTIFY_SOCKET", &*ear.path())]).await;
    ear.until("READY=1");
    let mut chain = Chain::of(&proxy);
    for (bad, why) in [
        ("model_list: [".to_owned(), "config.yaml"),
        (Setup::of(&sim).tidegate("listen: 0.0.0.0:0").yaml(), "master key"),
    ] {
        proxy.rewrite(&bad);
        proxy.signal(Signal::SIGUSR2);
        let heard = ear.until("STATUS=Serving; the restart failed");
        assert!(!heard.iter().any(|said| said.starts_with("MAINPID")), "{heard:?}");
        proxy.logged(why).await;
        assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
    }
    assert!(successors(&proxy.log()).is_empty());
    // And the next one is not hindered by it.
    proxy.rewrite(&good);
    chain.restart(&proxy).await;
    assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
}

/// One that nobody listens at, below those that the kernel gives to whoever asks for any (`ip_local_port_range`): it would
/// be somebody else's before it is used.
fn port_of_ones_own() -> Option<SocketAddr> {
    let begin = 20_000 + u16::try_from(std::process::id() % 8_000).ok()?;
    let mut ports = (begin..begin + 1_000).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    ports.find(|address| std::net::TcpListener::bind(address).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_in_the_configuration_is_bound_anew() {
    let sim = sim().await;
    let port = port_of_ones_own().unwrap();
    let proxy = Proxy::start(&Setup::of(&sim).yaml()).await;
    let mut chain = Chain::of(&proxy);
    let yaml = Setup::of(&sim).yaml();
    assert!(yaml.contains("listen: \"127.0.0.1:0\"") || yaml.contains("listen: 127.0.0.1:0"), "{yaml}");
    let moved = yaml.replacen("127.0.0.1:0", &port.to_string(), 1);
    proxy.rewrite(&moved);
    chain.restart(&proxy).await;
    let answer = ask(port, &chat_with("connection: close\r\n", "openai", "fast", true), LONG).await;
    assert_eq!(Told::of(&answer, true).unwrap().text, healthy_text());
    assert_eq!(ask(proxy.admin, &get("/health/readiness", "connection: close\r\n"), LONG).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_process_that_has_handed_over_and_its_successor_serves_on() {
    let sim = sim().await;
    let mut proxy = Proxy::start(&Setup::of(&sim).clock("drain: 60s").yaml()).await;
    let mut chain = Chain::of(&proxy);
    // It would keep the first process for as long as its drain.
    let mut idle = Conn::open(proxy.data).await.unwrap();
    idle.send(&get("/health/liveness", "")).await.unwrap();
    assert_eq!(idle.answer(LONG).await.status, 200);
    chain.restart(&proxy).await;
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
    assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
}

/// `systemctl stop` in the tail of a restart: systemd signals the process that it still takes for the main one, once, and
/// waits for the end of the one that it is told of next.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_comes_before_systemd_knows_the_new_process_ends_both() {
    let sim = sim().await;
    let first = Arc::new(AtomicI32::new(0));
    for moment in ["STATUS=Handing over to process ", "MAINPID="] {
        let (of, at) = (first.clone(), moment);
        let ear = Ear::that(move |said| {
            if said.starts_with(at) {
                kill(Pid::from_raw(of.load(Relaxed)), Signal::SIGTERM).unwrap();
            }
        });
        let env = [("NOTIFY_SOCKET", &*ear.path())];
        let mut proxy = Proxy::start_with(&Setup::of(&sim).clock("drain: 60s").yaml(), &env).await;
        first.store(proxy.pid() as i32, Relaxed);
        let mut chain = Chain::of(&proxy);
        proxy.signal(Signal::SIGUSR2);
        let heard = ear.until("STATUS=Handing over to process ");
        let next = heard.last().and_then(|said| said.rsplit_once(' ')?.1.parse().ok()).unwrap();
        chain.pids.push(next);
        assert_eq!(proxy.ended(LONG).await.code(), Some(0), "{moment}");
        chain.ended(next).await;
    }
}

/// `systemctl stop` a little later: what is left of the service is killed when the main process has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_process_before_drains_waits_for_it_and_tells_it() {
    let sim = sim().await;
    let mut proxy = Proxy::start(&Setup::of(&sim).clock("drain: 10m").yaml()).await;
    let mut chain = Chain::of(&proxy);
    // Two connections of the first process: one has a stream, the other would stay for its drain.
    let gate = Gate::new();
    let rest = format!("{FINISH}\n\ndata: [DONE]\n\n");
    sim.script(
        "waits",
        Script::sse().write(format!("{CHUNK}\n\n")).wait(&gate).write(rest).ending(Ending::Complete),
    );
    let mut stream = Conn::open(proxy.data).await.unwrap();
    stream.send(&chat("openai", "waits", true)).await.unwrap();
    assert!(stream.read_until(LONG, |answer| answer.text().contains("\"a\"")).await);
    let mut idle = Conn::open(proxy.data).await.unwrap();
    idle.send(&get("/health/liveness", "")).await.unwrap();
    assert_eq!(idle.answer(LONG).await.status, 200);
    chain.restart(&proxy).await;
    kill(Pid::from_raw(chain.last()), Signal::SIGTERM).unwrap();
    // The idle one is closed when the first process hears of it.
    assert!(idle.read_until(LONG, |_| false).await, "it was not told");
    sleep(Duration::from_millis(500)).await;
    assert!(chain.runs(chain.last()), "the stream would be killed now");
    gate.open();
    assert_eq!(Told::of(&stream.answer(LONG).await, true).unwrap().terminal, Terminal::Done);
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
    chain.ended(chain.last()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn take_over_is_for_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.yaml");
    std::fs::write(&file, "model_list: []\n").unwrap();
    let output = Command::new(built().join("tidegate"))
        .args(["serve", "--take-over", "-c"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SIGUSR2"), "{output:?}");
}

/// Whether the process hears all signals that it has to (proc_pid_status(5)).
#[cfg(target_os = "linux")]
fn hears(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
    let all = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR2];
    all.iter().all(|signal| caught & (1 << (*signal as u32 - 1)) != 0)
}

/// The process before is played here, so that each moment can be looked at.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_hears_its_signals_before_it_is_the_service_and_is_quiet_until_then() {
    let (sim, ear) = (sim().await, Ear::new());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.yaml");
    std::fs::write(&file, Setup::of(&sim).yaml()).unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(LONG)).unwrap();
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let mut child = Command::new(built().join("tidegate"))
        .args(["serve", "--take-over", "-c"])
        .arg(&file)
        .env_clear()
        .env("NOTIFY_SOCKET", ear.path())
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let pid = child.id();
    let end = Ended(pid as i32);
    let sockets = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
    let offer = b"{\"offer\":{\"data\":\"127.0.0.1:0\",\"admin\":\"127.0.0.1:0\"}}\n";
    let descriptors = sockets.each_ref().map(AsRawFd::as_raw_fd);
    let rights = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(ours.as_raw_fd(), &[IoSlice::new(offer)], &rights, MsgFlags::empty(), None).unwrap();
    let mut heard = BufReader::new(ours.try_clone().unwrap()).lines();
    let mut next = || heard.next().unwrap().unwrap();
    assert_eq!(next(), format!("{{\"began\":{pid}}}"));
    assert_eq!(next(), "\"ready\"");
    assert!(hears(pid), "from here on it may be the service");
    ours.write_all(b"\"go\"\n").unwrap();
    assert_eq!(next(), "\"serving\"");
    assert!(ear.is_silent(), "systemd does not know this process yet, and hears nothing that it says");
    let data = sockets[0].local_addr().unwrap();
    let answer = ask(data, &chat_with("connection: close\r\n", "openai", "fast", true), LONG).await;
    assert_eq!(Told::of(&answer, true).unwrap().text, healthy_text());
    ours.write_all(b"\"lead\"\n").unwrap();
    assert_eq!(ear.next(), "READY=1");
    kill(Pid::from_raw(end.0), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Ends a process with the test.
struct Ended(i32);

impl Drop for Ended {
    fn drop(&mut self) {
        // A child that has been waited for is gone, and a panic comes before that.
        if std::thread::panicking() {
            let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
        }
    }
}

/// As fast as anybody can: a unit's restart and reload as soon as systemd knows the new process.
#[tokio::test(flavor = "multi_thread")]
async fn signals_at_once_do_not_end_the_new_process() {
    let (sim, ear) = (sim().await, Ear::new());
    let env = [("NOTIFY_SOCKET", &*ear.path())];
    let proxy = Proxy::start_with(&Setup::of(&sim).yaml(), &env).await;
    let mut chain = Chain::of(&proxy);
    proxy.signal(Signal::SIGHUP);
    proxy.signal(Signal::SIGUSR2);
    let named = || {
        let heard = ear.until("MAINPID=");
        heard.last().and_then(|said| said.strip_prefix("MAINPID=")?.parse::<i32>().ok()).unwrap()
    };
    let second = named();
    kill(Pid::from_raw(second), Signal::SIGHUP).unwrap();
    kill(Pid::from_raw(second), Signal::SIGUSR2).unwrap();
    let third = named();
    chain.follow(&proxy).await;
    chain.follow(&proxy).await;
    assert_eq!(chain.pids[1..], [second, third]);
    assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
}

/// The program on disk becomes one that says it could serve, and fails when it may.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_fails_when_it_may_accept_is_ended_and_systemd_never_hears_of_it() {
    const SCRIPT: &str = r#"#!/bin/sh
exec 3<&0
folder=$(dirname "$0")
(read offer <&3; sh -c 'echo $PPID' >$folder/pid; echo "{\"began\":$(cat $folder/pid)}" >&3; echo '"ready"' >&3
read go <&3; echo '{"failed":"no threads"}' >&3; exec sleep 600) &
"#;
    let (sim, ear) = (sim().await, Ear::new());
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("tidegate");
    let real = || symlink(built().join("tidegate"), &program).unwrap();
    real();
    let by = format!("exec '{}' \"$@\"", program.display());
    let yaml = Setup::of(&sim).yaml();
    let env = [("NOTIFY_SOCKET", &*ear.path()), ("PATH", "/usr/bin:/bin")];
    let proxy = Proxy::try_start_by(&yaml, &env, Some(&by), None, LONG).await.unwrap();
    let mut chain = Chain::of(&proxy);
    put(&program, SCRIPT);
    proxy.signal(Signal::SIGUSR2);
    let heard = ear.until("STATUS=Serving; the restart failed");
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
    let pid = pid.trim();
    assert!(heard.contains(&format!("STATUS=Handing over to process {pid}")), "it came so far: {heard:?}");
    assert!(!heard.iter().any(|said| said.starts_with("MAINPID=")), "{heard:?}");
    assert!(heard.last().unwrap().ends_with("no threads"), "{heard:?}");
    let until = Instant::now() + LONG;
    let stat = format!("/proc/{pid}/stat");
    let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z"));
    while cfg!(target_os = "linux") && runs() {
        assert!(Instant::now() < until, "two processes would accept");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
    std::fs::remove_file(&program).unwrap();
    real();
    chain.restart(&proxy).await;
    assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
}

/// Another program in the place of the one that was started.
fn put(program: &Path, script: &str) {
    let part = program.with_extension("part");
    std::fs::write(&part, script).unwrap();
    std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(part, program).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_refuses_the_signal_and_guards_on() {
    let ear = Ear::new();
    let dir = tempfile::tempdir().unwrap();
    let (file, log) = (dir.path().join("c.yaml"), dir.path().join("log"));
    let guard = "name: g, process: nobody-has-this-name, probe: \"http://127.0.0.1:1/\"";
    std::fs::write(&file, format!("tidegate: {{admin: \"127.0.0.1:0\", guard: [{{{guard}}}]}}\n")).unwrap();
    let mut child = Command::new(built().join("tidegate"))
        .args(["guard", "-c"])
        .arg(&file)
        .env_clear()
        .env("NOTIFY_SOCKET", ear.path())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let end = Ended(child.id() as i32);
    ear.until("READY=1");
    kill(Pid::from_raw(end.0), Signal::SIGUSR2).unwrap();
    ear.until("STATUS=Serving; the restart failed");
    // The log is written by a thread of its own.
    let until = Instant::now() + LONG;
    while !std::fs::read_to_string(&log).unwrap().contains("systemctl restart") {
        assert!(Instant::now() < until, "the log does not say what to do");
        sleep(Duration::from_millis(10)).await;
    }
    kill(Pid::from_raw(end.0), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
