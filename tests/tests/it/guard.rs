//! Other processes that are guarded: which are ended and which are left alone, by real signals to real processes.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tidegate_tests::client::{ask, get};
use tidegate_tests::{Proxy, Setup};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::world::LONG;

const PROGRAM: &str = env!("CARGO_BIN_EXE_guarded");
const CLOSE: &str = "connection: close\r\n";

/// Three misses take as many seconds; a machine that is busy with other tests answers within one.
const PROBE: &str = "every: 1s, timeout: 1s, misses: 3";

/// A process to be guarded, and those that take its place. Dropping it ends whichever is there.
struct Stand {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Stand {
    async fn start() -> Self {
        Self::start_as("exec \"$@\"", "").await
    }

    /// Through a shell, which may arrange something first.
    async fn start_as(script: &str, fault: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh", PROGRAM, &port.to_string()]).arg(dir.path().join("pid"));
        if !fault.is_empty() {
            command.arg(fault);
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        let stand = Self { child: command.spawn().unwrap(), dir, port };
        stand.until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        stand.until("it says its id", || stand.pid().is_some()).await;
        stand
    }

    /// One that does not hear SIGTERM.
    async fn deaf() -> Self {
        Self::start_as("trap '' TERM; exec \"$@\"", "").await
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.path().join("pid")
    }

    fn pid(&self) -> Option<u32> {
        std::fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()
    }

    /// The command that starts it again, with a fault or without.
    fn again(&self, fault: &str) -> String {
        format!(
            "restart: [/bin/sh, -c, '{PROGRAM} {} {} {fault} > /dev/null 2>&1 &']",
            self.port,
            self.pid_file().display()
        )
    }

    /// Makes it hang so.
    async fn fault(&self, word: &str) {
        let answer =
            ask(([127, 0, 0, 1], self.port).into(), &get(&format!("/fault/{word}"), CLOSE), LONG).await;
        assert_eq!(answer.status, 200);
    }

    /// A guard of it: `more` in flow style.
    fn guard(&self, probe: &str, more: &str) -> String {
        let file = self.pid_file();
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        format!(
            "{{name: g, pid_file: {}, probe: {{url: 'http://127.0.0.1:{}/health', {probe}}}, start_grace: 2s{more}}}",
            file.display(),
            self.port
        )
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < LONG, "{what}: not within {LONG:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // Those that a guard started are nobody's children.
        if let Some(pid) =
            self.pid().filter(|pid| line(*pid).contains(&self.pid_file().display().to_string()))
        {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
    }
}

/// The command line of a process that runs; empty where there is none.
fn line(pid: u32) -> String {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let stat = read("stat");
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    if matches!(state, None | Some("Z")) { String::new() } else { read("cmdline").replace('\0', " ") }
}

fn lives(pid: u32) -> bool {
    !line(pid).is_empty()
}

fn children(parent: u32) -> HashSet<u32> {
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let tasks = read(
        Path::new("/proc").join(parent.to_string()).join("task").join(parent.to_string()).join("children"),
    );
    tasks.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Tidegate with these guards and no model.
async fn guarding(guards: &[String]) -> Proxy {
    Proxy::start(&yaml(guards)).await
}

fn yaml(guards: &[String]) -> String {
    Setup::default().tidegate(&format!("guard: [{}]", guards.join(", "))).yaml()
}

async fn status(proxy: &Proxy) -> Value {
    ask(proxy.admin, &get("/api/status", CLOSE), LONG).await.json()
}

/// Waits for an incident of this kind, and gives all of it.
async fn incident(proxy: &Proxy, kind: &str) -> Value {
    let began = Instant::now();
    loop {
        let all: Value = ask(proxy.admin, &get("/api/incidents", CLOSE), LONG).await.json();
        if let Some(found) = all["incidents"].as_array().unwrap().iter().find(|one| one["kind"] == kind) {
            return found.clone();
        }
        assert!(began.elapsed() < LONG, "no incident {kind}: {all:#}\n{:#}", status(proxy).await["guards"]);
        sleep(Duration::from_millis(100)).await;
    }
}

/// What was done so far, by class and action.
async fn actions(proxy: &Proxy) -> f64 {
    proxy.metrics().await.sum("tidegate_guard_actions_total", &[("guard", "g")])
}

/// Waits until so many probes had this result.
async fn probes(proxy: &Proxy, result: &str, count: f64) {
    let began = Instant::now();
    loop {
        let metrics = proxy.metrics().await;
        if metrics.sum("tidegate_guard_probes_total", &[("guard", "g"), ("result", result)]) >= count {
            return;
        }
        assert!(began.elapsed() < LONG, "{result}: {}", metrics.text());
        sleep(Duration::from_millis(100)).await;
    }
}

async fn acted(proxy: &Proxy, class: &str, action: &str) {
    let labels = [("guard", "g"), ("class", class), ("action", action)];
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_guard_actions_total", &labels), 1.0, "{}", metrics.text());
    assert_eq!(actions(proxy).await, 1.0, "and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_spins_is_ended_and_started_and_its_story_is_told() {
    let stand = Stand::start().await;
    let old = stand.pid().unwrap();
    let before = "before: [/bin/sh, -c, 'echo of {pid}; echo on two lines']";
    let proxy = guarding(&[stand.guard(PROBE, &format!("{}, {before}", stand.again("")))]).await;
    probes(&proxy, "ok", 1.0).await;
    assert_eq!(status(&proxy).await["guards"][0]["state"], "healthy");
    stand.fault("spin").await;
    let told = incident(&proxy, "guard_acted").await;
    let why = told["why"].as_str().unwrap();
    assert!(
        why.contains(&format!("g (process {old}) answers nobody"))
            && why.contains("CPU") | why.contains("busy"),
        "{why}"
    );
    assert_eq!(told["detail"], format!("of {old}\non two lines\n"));
    let events = told["events"].to_string();
    assert_eq!(events.matches("no whole answer within 1s").count(), 3, "{events}");
    assert!(events.contains(&format!("SIGTERM to {old}")), "{events}");
    acted(&proxy, "spin", "terminate").await;
    assert!(!lives(old));
    let back = incident(&proxy, "guard_recovered").await;
    let new = stand.pid().unwrap();
    assert!(new != old && lives(new));
    assert!(back["why"].as_str().unwrap().contains(&format!("answers again, as process {new}")), "{back}");
    let now = &status(&proxy).await["guards"][0];
    assert_eq!((&now["state"], &now["pid"], &now["actions"]), (&"healthy".into(), &new.into(), &1.into()));
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_guard_up", &[("guard", "g")]), 1.0);
    assert_eq!(metrics.sum("tidegate_guard_process_found", &[]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_hear_sigterm_is_killed_after_the_grace() {
    let stand = Stand::deaf().await;
    let old = stand.pid().unwrap();
    let proxy = guarding(&[stand.guard(PROBE, &format!("grace: 2s, {}", stand.again("")))]).await;
    probes(&proxy, "ok", 1.0).await;
    stand.fault("spin").await;
    let told = incident(&proxy, "guard_acted").await;
    assert!(
        told["why"].as_str().unwrap().contains("SIGTERM did not end it within 2s, SIGKILL did"),
        "{told}"
    );
    acted(&proxy, "spin", "kill").await;
    assert!(!lives(old));
    incident(&proxy, "guard_recovered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_ever_is_blocked_and_so_are_odd_answers() {
    for fault in ["block", "sick", "endless"] {
        let stand = Stand::start().await;
        let old = stand.pid().unwrap();
        let proxy = guarding(&[stand.guard(PROBE, &stand.again(""))]).await;
        probes(&proxy, "ok", 1.0).await;
        stand.fault(fault).await;
        incident(&proxy, "guard_acted").await;
        acted(&proxy, "blocked", "terminate").await;
        assert!(!lives(old), "{fault}");
        incident(&proxy, "guard_recovered").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_busy_or_slow_and_answers_is_left_alone() {
    let (busy, slow) = (Stand::start().await, Stand::start().await);
    busy.fault("busy").await;
    slow.fault("slow2000").await;
    // Misses of one are enough, so that a single verdict too many is seen.
    let patient = "every: 3s, timeout: 3s, misses: 1";
    let named = slow.guard(patient, "").replace("name: g", "name: slow");
    let proxy = guarding(&[busy.guard("every: 1s, timeout: 1s, misses: 3", ""), named]).await;
    probes(&proxy, "ok", 8.0).await;
    let metrics = proxy.metrics().await;
    assert!(metrics.sum("tidegate_guard_probes_total", &[("guard", "slow"), ("result", "ok")]) >= 2.0);
    assert_eq!(metrics.sum("tidegate_guard_actions_total", &[]), 0.0);
    assert!(busy.pid().is_some_and(lives) && slow.pid().is_some_and(lives));
    let taken: f64 = std::fs::read_to_string(format!("/proc/{}/stat", busy.pid().unwrap()))
        .unwrap()
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(11)?.parse().ok())
        .unwrap();
    assert!(taken > 50.0, "it did use CPU: {taken} ticks");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_by_itself_is_started_where_that_is_the_guards_to_do() {
    let stand = Stand::start().await;
    let proxy = guarding(&[stand.guard(PROBE, &stand.again(""))]).await;
    probes(&proxy, "ok", 1.0).await;
    stand.fault("exit").await;
    let told = incident(&proxy, "guard_acted").await;
    assert!(told["why"].as_str().unwrap().starts_with("g is gone: "), "{told}");
    acted(&proxy, "gone", "restart").await;
    incident(&proxy, "guard_recovered").await;

    let stand = Stand::start().await;
    let proxy = guarding(&[stand.guard(PROBE, "")]).await;
    probes(&proxy, "ok", 1.0).await;
    stand.fault("exit").await;
    incident(&proxy, "guard_gone").await;
    probes(&proxy, "connect", 6.0).await;
    acted(&proxy, "gone", "wait").await;
}

/// The process that is guarded has ended, and another has got the id that its pid file has.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_only_has_the_id_is_left_alone() {
    let mut stand = Stand::start().await;
    stand.fault("exit").await;
    stand.child.wait().await.unwrap();
    let mut bystander = Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
    let pid = bystander.id().unwrap();
    std::fs::write(stand.pid_file(), pid.to_string()).unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(60);
    std::fs::File::options().write(true).open(stand.pid_file()).unwrap().set_modified(old).unwrap();
    let proxy = guarding(&[stand.guard(PROBE, "grace: 1s")]).await;
    incident(&proxy, "guard_gone").await;
    probes(&proxy, "connect", 6.0).await;
    acted(&proxy, "gone", "wait").await;
    assert!(lives(pid) && bystander.try_wait().unwrap().is_none());
    // The judge judged: the same process is ended where it is the one that the file means.
    std::fs::write(stand.pid_file(), pid.to_string()).unwrap();
    proxy.logged("guard_acted").await;
    stand.until("it is ended", || !lives(pid)).await;
    bystander.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_started_is_ended_with_it() {
    let stand = Stand::start().await;
    stand.fault("worker").await;
    stand.fault("worker").await;
    let main = stand.pid().unwrap();
    stand
        .until("it has two workers", || {
            children(main).iter().filter(|pid| line(**pid).contains("worker")).count() == 2
        })
        .await;
    let workers = children(main);
    let proxy = guarding(&[stand.guard(PROBE, "grace: 1s")]).await;
    probes(&proxy, "ok", 1.0).await;
    stand.fault("block").await;
    let told = incident(&proxy, "guard_acted").await;
    // The process itself heeds SIGTERM; its workers do not, and are orphans when their turn comes.
    acted(&proxy, "blocked", "kill").await;
    let why = told["why"].as_str().unwrap();
    assert!(workers.iter().all(|pid| why.contains(&pid.to_string()) && !lives(*pid)), "{why} {workers:?}");
    assert!(!lives(main));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_again_and_again_is_given_up() {
    let stand = Stand::start_as("exec \"$@\"", "2:spin").await;
    let more = format!("{}, backoff: {{first: 100ms, longest: 1s, give_up: 2}}", stand.again("1:spin"));
    let proxy = guarding(&[stand.guard(PROBE, &more)]).await;
    let told = incident(&proxy, "guard_gave_up").await;
    assert!(told["why"].as_str().unwrap().contains("after 2 actions within 600s"), "{told}");
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_guard_given_up", &[("guard", "g")]), 1.0);
    let asked = metrics.sum("tidegate_guard_probes_total", &[("guard", "g"), ("result", "timeout")]);
    probes(&proxy, "timeout", asked + 4.0).await;
    assert_eq!(actions(&proxy).await, 2.0, "it goes on asking, and does nothing");
    assert!(stand.pid().is_some_and(lives));
    assert_eq!(status(&proxy).await["guards"][0]["state"], "given_up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_acts_in_its_place() {
    let stand = Stand::start().await;
    let mark = stand.dir.path().join("mark");
    let more = format!("action: {{command: [/bin/sh, -c, 'echo {{pid}} >> {}']}}", mark.display());
    let proxy = guarding(&[stand.guard(PROBE, &more)]).await;
    probes(&proxy, "ok", 1.0).await;
    stand.fault("block").await;
    incident(&proxy, "guard_acted").await;
    acted(&proxy, "blocked", "command").await;
    let pid = stand.pid().unwrap();
    assert_eq!(std::fs::read_to_string(mark).unwrap(), format!("{pid}\n"));
    assert!(lives(pid), "the command did nothing to it, and nobody else did");
}

/// A key in a command or in a probe's query is in nothing that others read.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_guard_is_told_is_not_published() {
    const KEY: &str = "hunter2";
    let stand = Stand::start().await;
    let state = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let again = stand.again("").replace("']", &format!("', {KEY}]"));
    let more = format!("{again}, before: [/bin/sh, -c, 'echo looked', {KEY}]");
    let first = stand.guard(PROBE, &more).replace("/health'", &format!("/health?token={KEY}'"));
    let other = format!(
        "{{name: h, probe: {{url: 'http://{free}/h?token={KEY}', every: 1s, timeout: 1s, misses: 1}}, \
         action: {{command: [/bin/false, {KEY}]}}}}"
    );
    let config = yaml(&[first, other]);
    assert_eq!(config.matches(KEY).count(), 5);
    let proxy = Proxy::start_with(&config, &[("STATE_DIRECTORY", &state.path().display().to_string())]).await;
    probes(&proxy, "ok", 1.0).await;
    stand.fault("block").await;
    incident(&proxy, "guard_failed").await;
    incident(&proxy, "guard_recovered").await;
    let guards = status(&proxy).await["guards"].clone();
    for (at, program) in ["`/bin/sh`: it ended well", "`/bin/false`: it ended with 1"].iter().enumerate() {
        let last = guards[at]["last_action"].as_str().unwrap();
        assert!(last.contains(program), "it did act, and says with what: {last}");
    }
    let mut published = vec![("the log".to_owned(), proxy.log())];
    for path in ["/api/status", "/api/incidents", "/api/config", "/metrics", "/"] {
        published.push((path.to_owned(), ask(proxy.admin, &get(path, CLOSE), LONG).await.text()));
    }
    let file = state.path().join("incidents.jsonl");
    stand
        .until("it is written", || {
            std::fs::read_to_string(&file).is_ok_and(|text| text.contains("guard_recovered"))
        })
        .await;
    published.push(("the incidents' file".to_owned(), std::fs::read_to_string(&file).unwrap()));
    for (place, text) in published {
        assert!(!text.contains(KEY), "{place}: {text}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

/// A diagnosis takes its time, and what answers after it is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_answers_again_before_anything_is_done_is_left_alone() {
    let stand = Stand::start().await;
    let pid = stand.pid().unwrap();
    let proxy = guarding(&[stand.guard(PROBE, "before: [/bin/sh, -c, 'kill -CONT {pid}']")]).await;
    probes(&proxy, "ok", 1.0).await;
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).unwrap();
    proxy.logged("it answered before anything was done to it").await;
    probes(&proxy, "ok", 5.0).await;
    assert_eq!(actions(&proxy).await, 0.0);
    assert!(lives(pid));
}

/// Which process it is is asked once more before anything is done: the one that has missed may not be it any more.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_the_process_any_more_is_left_alone() {
    let stand = Stand::start().await;
    let old = stand.pid().unwrap();
    let proxy = guarding(&[stand.guard(PROBE, "")]).await;
    probes(&proxy, "ok", 1.0).await;
    stand.fault("block").await;
    let mut other = Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
    let new = other.id().unwrap();
    std::fs::write(stand.pid_file(), new.to_string()).unwrap();
    let told = incident(&proxy, "guard_acted").await;
    assert!(told["why"].as_str().unwrap().contains(&format!("process {new}")), "{told}");
    assert!(lives(old) && !lives(new));
    other.wait().await.unwrap();
    std::fs::write(stand.pid_file(), old.to_string()).unwrap();
}

/// One that was gone has come up while the last probe waited: it is not started a second time.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_come_up_meanwhile_is_not_started_again() {
    for _ in 0..5 {
        // Takes connections and says nothing: each probe takes its whole time.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (file, mark) = (dir.path().join("pid"), dir.path().join("mark"));
        let guard = format!(
            "{{name: g, pid_file: {}, probe: {{url: 'http://{}/', every: 3s, timeout: 3s, misses: 1}}, start_grace: 10m, \
             restart: [/bin/sh, -c, 'echo > {}']}}",
            file.display(),
            silent.local_addr().unwrap(),
            mark.display()
        );
        let proxy = guarding(&[guard]).await;
        let _first = silent.accept().await.unwrap();
        let mut other = Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
        std::fs::write(&file, other.id().unwrap().to_string()).unwrap();
        let labels = [("guard", "g"), ("result", "starved")];
        let over = proxy.metrics_when("the first probe is over", |metrics| {
            metrics.sum("tidegate_guard_probes_total", &[("guard", "g")]) >= 1.0
        });
        if over.await.sum("tidegate_guard_probes_total", &labels) >= 1.0 {
            // It said nothing, and the next round finds the process: not what is asked here.
            continue;
        }
        proxy.logged("has come up: nothing is done").await;
        probes(&proxy, "timeout", 2.0).await;
        assert_eq!(status(&proxy).await["guards"][0]["pid"], other.id().unwrap());
        assert!(!mark.exists() && other.try_wait().unwrap().is_none());
        assert_eq!(actions(&proxy).await, 0.0);
        return;
    }
    panic!("this machine has no CPU for a guard");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mode_observe_it_only_says_so() {
    let stand = Stand::start().await;
    let proxy = guarding(&[stand.guard(PROBE, "mode: observe")]).await;
    probes(&proxy, "ok", 1.0).await;
    stand.fault("spin").await;
    incident(&proxy, "guard_observed").await;
    probes(&proxy, "timeout", 6.0).await;
    acted(&proxy, "spin", "observe").await;
    assert!(stand.pid().is_some_and(lives));
}

/// Both are paused, as by a virtual machine that is moved: a probe in flight has timed out when they go on, and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_miss_while_this_process_could_not_run_does_not_count() {
    let stand = Stand::start().await;
    stand.fault("slow1500").await;
    let proxy = guarding(&[stand.guard("every: 2s, timeout: 2s, misses: 1", "")]).await;
    probes(&proxy, "ok", 1.0).await;
    let pid = stand.pid().unwrap();
    let both = |signal| {
        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
        proxy.signal(signal);
    };
    let began = Instant::now();
    loop {
        both(Signal::SIGSTOP);
        sleep(Duration::from_millis(2500)).await;
        both(Signal::SIGCONT);
        sleep(Duration::from_millis(700)).await;
        let metrics = proxy.metrics().await;
        assert_eq!(metrics.sum("tidegate_guard_actions_total", &[]), 0.0, "{}", proxy.log());
        if metrics.sum("tidegate_guard_probes_total", &[("guard", "g"), ("result", "starved")]) >= 2.0 {
            break;
        }
        assert!(began.elapsed() < LONG, "{}", metrics.text());
    }
    assert!(lives(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_who_is_guarded() {
    let (one, two) = (Stand::start().await, Stand::start().await);
    let second = two.guard(PROBE, "").replace("name: g", "name: h");
    let proxy = guarding(&[one.guard(PROBE, "")]).await;
    probes(&proxy, "ok", 1.0).await;
    proxy.rewrite(&yaml(&[second]));
    proxy.signal(Signal::SIGHUP);
    let up = |name: &'static str| {
        move |metrics: &tidegate_tests::Metrics| metrics.get("tidegate_guard_up", &[("guard", name)])
    };
    let (g, h) = (up("g"), up("h"));
    proxy.metrics_when("h for g", |metrics| g(metrics).is_none() && h(metrics) == Some(1.0)).await;
    let guards = &status(&proxy).await["guards"];
    assert_eq!((guards.as_array().map(Vec::len), &guards[0]["name"]), (Some(1), &"h".into()));
    // One that is wrong changes nothing.
    proxy.rewrite("tidegate: {guard: [{name: h}]}");
    proxy.signal(Signal::SIGHUP);
    proxy.logged("the new configuration is refused").await;
    assert_eq!(status(&proxy).await["guards"][0]["name"], "h");
    one.fault("block").await;
    probes_of(&proxy, "h", 3.0).await;
    assert_eq!(proxy.metrics().await.sum("tidegate_guard_actions_total", &[]), 0.0);
}

/// Waits until something is being done about the first guarded process.
async fn acting(admin: SocketAddr) {
    let began = Instant::now();
    loop {
        let now: Value = ask(admin, &get("/api/status", CLOSE), LONG).await.json();
        if now["guards"][0]["state"] == "acting" {
            return;
        }
        assert!(began.elapsed() < LONG, "{:#}", now["guards"]);
        sleep(Duration::from_millis(20)).await;
    }
}

/// A guard that is taken out while it acts, and put back: the new one waits, and its series are not those that go.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_comes_back_while_its_predecessor_acts_waits_for_it() {
    let stand = Stand::deaf().await;
    let old = stand.pid().unwrap();
    // The new one knows nothing of the restart: it gives the process the time of its misses to come up.
    let patient = "every: 1s, timeout: 1s, misses: 5";
    let guard = stand.guard(patient, &format!("grace: 10s, {}", stand.again("")));
    let proxy = guarding(std::slice::from_ref(&guard)).await;
    probes(&proxy, "ok", 1.0).await;
    stand.fault("block").await;
    acting(proxy.admin).await;
    proxy.rewrite(&yaml(&[]));
    proxy.signal(Signal::SIGHUP);
    proxy.logged("it is guarded no more").await;
    let guards = status(&proxy).await["guards"].clone();
    assert!(guards.as_array().is_none_or(Vec::is_empty), "{guards}");
    proxy.rewrite(&yaml(&[guard]));
    proxy.signal(Signal::SIGHUP);
    let began = Instant::now();
    while status(&proxy).await["guards"][0]["name"] != "g" {
        assert!(began.elapsed() < LONG, "{}", proxy.log());
        sleep(Duration::from_millis(20)).await;
    }
    assert!(lives(old), "the old one still acts");
    let told = incident(&proxy, "guard_acted").await;
    assert!(told["why"].as_str().unwrap().contains("SIGKILL did"), "{told}");
    probes_of(&proxy, "g", 3.0).await;
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.get("tidegate_guard_up", &[("guard", "g")]), Some(1.0), "{}", metrics.text());
    assert_eq!(actions(&proxy).await, 1.0, "{}", proxy.log());
    assert!(!lives(old) && stand.pid().is_some_and(lives));
}

async fn probes_of(proxy: &Proxy, name: &str, more: f64) {
    let labels = [("guard", name), ("result", "ok")];
    let now = proxy.metrics().await.sum("tidegate_guard_probes_total", &labels);
    proxy
        .metrics_when("more probes", |metrics| {
            metrics.sum("tidegate_guard_probes_total", &labels) >= now + more
        })
        .await;
}

/// systemd says which process it is.
#[tokio::test(flavor = "multi_thread")]
async fn the_main_process_of_a_unit_is_found() {
    let stand = Stand::start().await;
    let bin = tempfile::tempdir().unwrap();
    let file = bin.path().join("systemctl");
    let script = format!(
        "#!/bin/sh\ntest \"$*\" = 'show --property=LoadState --property=MainPID -- litellm.service' || exit 4\n\
         echo LoadState=loaded; echo MainPID=$(/bin/cat {})\n",
        stand.pid_file().display()
    );
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let guard = stand
        .guard(PROBE, &stand.again(""))
        .replace(&format!("pid_file: {}", stand.pid_file().display()), "unit: litellm.service");
    let path = bin.path().display().to_string();
    let proxy = Proxy::start_with(&yaml(&[guard]), &[("PATH", &path)]).await;
    probes(&proxy, "ok", 1.0).await;
    let old = stand.pid().unwrap();
    assert_eq!(status(&proxy).await["guards"][0]["pid"], old);
    stand.fault("block").await;
    incident(&proxy, "guard_acted").await;
    assert!(!lives(old));
    incident(&proxy, "guard_recovered").await;
}

/// Nothing can be said of a process that cannot be told from another, and nothing is done.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_processes_none_is_ended() {
    let (one, two) = (Stand::start().await, Stand::start().await);
    let guard =
        one.guard(PROBE, "").replace(&format!("pid_file: {}", one.pid_file().display()), "process: guarded");
    let proxy = guarding(&[guard]).await;
    probes(&proxy, "ok", 1.0).await;
    one.fault("block").await;
    let told = incident(&proxy, "guard_failed").await;
    assert!(told["why"].as_str().unwrap().contains("processes are `guarded`"), "{told}");
    assert!(one.pid().is_some_and(lives) && two.pid().is_some_and(lives));
    assert_eq!(proxy.metrics().await.sum("tidegate_guard_process_found", &[]), 0.0);
    let guard = &status(&proxy).await["guards"][0];
    assert!(guard["trouble"].as_str().unwrap().contains("say more of its command line"), "{guard}");
}

/// SIGTERM to Tidegate between a guard's SIGTERM and its `restart`: the process is not left ended and not started.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_done_is_done_before_the_end() {
    for is_alone in [false, true] {
        let stand = Stand::deaf().await;
        let old = stand.pid().unwrap();
        let guard = stand.guard(PROBE, &format!("grace: 3s, {}", stand.again("")));
        if is_alone {
            let mut alone = Alone::start(&stand, &guard).await;
            stand.fault("block").await;
            acting(alone.admin).await;
            alone.stop();
            assert!(alone.child.wait().await.unwrap().success());
        } else {
            let mut proxy = guarding(&[guard]).await;
            probes(&proxy, "ok", 1.0).await;
            stand.fault("block").await;
            acting(proxy.admin).await;
            proxy.signal(Signal::SIGTERM);
            assert!(proxy.ended(LONG).await.success(), "{}", proxy.log());
            assert!(proxy.log().contains("guard_acted"), "{}", proxy.log());
        }
        assert!(!lives(old));
        stand.until("it is started again", || stand.pid().is_some_and(|new| new != old && lives(new))).await;
    }
}

/// `tidegate guard`.
struct Alone {
    child: Child,
    admin: SocketAddr,
    file: PathBuf,
}

impl Alone {
    async fn start(stand: &Stand, guard: &str) -> Self {
        let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // The port that is guarded is the one on which this file's own models would be served.
        let yaml = format!(
            "model_list: [{{model_name: a, litellm_params: {{model: nobody/knows}}}}]\n\
             tidegate: {{listen: '127.0.0.1:{}', admin: '{admin}', guard: [{guard}]}}\n",
            stand.port
        );
        let file = stand.dir.path().join("config.yaml");
        std::fs::write(&file, yaml).unwrap();
        let mut command = Command::new(tidegate_tests::proxy::built().join("tidegate"));
        command.args(["guard", "-c"]).arg(&file).env_clear().stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().unwrap();
        stand.until("it answers", || std::net::TcpStream::connect(admin).is_ok()).await;
        Self { child, admin, file }
    }

    fn stop(&self) {
        kill(Pid::from_raw(self.child.id().unwrap().cast_signed()), Signal::SIGTERM).unwrap();
    }
}

/// `tidegate guard` serves no model: nothing but the admin port is bound, and the models of the file are not looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_guard_alone_stands_beside_the_proxy_that_it_watches() {
    let stand = Stand::start().await;
    let mut alone = Alone::start(&stand, &stand.guard(PROBE, &stand.again(""))).await;
    let admin = alone.admin;
    stand.fault("spin").await;
    let began = Instant::now();
    loop {
        let all: Value = ask(admin, &get("/api/incidents", CLOSE), LONG).await.json();
        if all["incidents"].to_string().contains("guard_recovered") {
            break;
        }
        assert!(began.elapsed() < LONG, "{all:#}");
        sleep(Duration::from_millis(100)).await;
    }
    for path in ["/", "/health/readiness", "/metrics", "/api/config"] {
        assert_eq!(ask(admin, &get(path, CLOSE), LONG).await.status, 200, "{path}");
    }
    alone.stop();
    assert!(alone.child.wait().await.unwrap().success());
    std::fs::write(&alone.file, "model_list: []\n").unwrap();
    let mut command = Command::new(tidegate_tests::proxy::built().join("tidegate"));
    let nothing = command.args(["guard", "-c"]).arg(&alone.file).output().await.unwrap();
    assert_eq!(nothing.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("nothing to guard"));
}
