//! The rungs of the watchdog's ladder after the abort, on the real process: quarantine, another runtime, exit 70, and what
//! systemd is told.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tidegate_sim::{Script, Settings, Sim, healthy_text};
use tidegate_tests::client::{ask, chat, chat_with, get};
use tidegate_tests::{Conn, DropIn, End, Proxy, Setup, Terminal, Told};

use crate::world::{LONG, fetch, sim};

const TWO: [(&str, &str); 1] = [("TIDEGATE_WORKERS", "2")];

/// A stream whose poll does not return after its first content.
async fn stick(proxy: &Proxy, model: &str, fault: &str) -> Conn {
    let mut conn = Conn::open(proxy.data).await.unwrap();
    let header = format!("x-tidegate-fault: {fault}\r\n");
    conn.send(&chat_with(&header, model, "stall-mid", true)).await.unwrap();
    conn
}

/// As many as are needed until so many threads are lost, one after the other, so that each finds a worker.
async fn lose(proxy: &Proxy, threads: f64) -> Vec<Conn> {
    let mut stuck = Vec::new();
    for lost in 1..=threads as u32 {
        stuck.push(stick(proxy, "openai", "stuck").await);
        let lost = f64::from(lost);
        proxy.metrics_when("a lost thread", |m| m.sum("tidegate_threads_lost", &[]) >= lost).await;
    }
    stuck
}

async fn healthy(proxy: &Proxy) {
    let answer = fetch(proxy, "gemini", "fast", true).await;
    assert_eq!(Told::of(&answer, true).unwrap().text, healthy_text());
}

async fn incidents(proxy: &Proxy) -> Vec<Value> {
    let answer = ask(proxy.admin, &get("/api/incidents", ""), LONG).await;
    answer.json()["incidents"].as_array().unwrap().clone()
}

fn kinds(incidents: &[Value]) -> Vec<&str> {
    incidents.iter().filter_map(|incident| incident["kind"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_workers_are_stuck_another_runtime_serves_and_sigterm_ends_it() {
    let sim = sim().await;
    let mut proxy = Proxy::start_with(&Setup::of(&sim).clock("drain: 1s").yaml(), &TWO).await;
    healthy(&proxy).await;
    let stuck = lose(&proxy, 2.0).await;
    proxy.logged("another runtime has taken over").await;
    for _ in 0..10 {
        healthy(&proxy).await;
    }
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_watchdog_takeovers_total", &[]), 1.0);
    assert_eq!(metrics.sum("tidegate_threads_lost", &[]), 2.0);
    for mut conn in stuck {
        assert!(matches!(conn.answer(LONG).await.end, End::Fin | End::Rst), "its client was left waiting");
    }
    // The threads are demoted once they have used enough CPU.
    proxy.metrics_when("demoted", |m| m.sum("tidegate_threads_demoted", &[]) == 2.0).await;
    let seen = incidents(&proxy).await;
    assert!(
        kinds(&seen).contains(&"runtime_replaced") && kinds(&seen).contains(&"thread_demoted"),
        "{seen:?}"
    );
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_second_runtime_is_stuck_too_it_ends_with_70_and_a_dump() {
    let (sim, state) = (sim().await, tempfile::tempdir().unwrap());
    let env = [TWO[0], ("STATE_DIRECTORY", state.path().to_str().unwrap())];
    let mut proxy = Proxy::start_with(&Setup::of(&sim).yaml(), &env).await;
    let mut stuck = lose(&proxy, 2.0).await;
    proxy.logged("another runtime has taken over").await;
    stuck.push(stick(&proxy, "vertex", "stuck").await);
    proxy.metrics_when("a third", |m| m.sum("tidegate_threads_lost", &[]) >= 3.0).await;
    healthy(&proxy).await;
    stuck.push(stick(&proxy, "vertex", "stuck").await);
    assert_eq!(proxy.ended(Duration::from_secs(60)).await.code(), Some(70));
    let log = proxy.log();
    assert!(log.contains("gave_up") && log.contains("worker 0 (thread "), "no dump:\n{log}");
    // What is in memory is gone, and systemd's folder has it.
    let file = state.path().join("incidents.jsonl");
    let (ok, list) = run(&["incidents", "--file", file.to_str().unwrap()]);
    assert!(
        ok && list.contains("runtime_replaced") && list.lines().last().unwrap().contains("gave_up"),
        "{list}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_returns_late_costs_its_stream_and_no_thread() {
    let sim = sim().await;
    // The thread is not demoted before that, so that it need not be raised again.
    let setup = Setup::of(&sim).tidegate("watchdog: {thresholds: {r4: {demote: 60s}}}");
    let proxy = Proxy::start_with(&setup.yaml(), &TWO).await;
    let mut conn = stick(&proxy, "openai", "stuck=4s").await;
    let answer = conn.answer(LONG).await;
    assert!(matches!(answer.end, End::Fin | End::Rst), "{:?}", answer.end);
    proxy.metrics_when("it is back", |m| m.sum("tidegate_threads_lost", &[]) == 0.0).await;
    healthy(&proxy).await;
    let metrics = proxy.metrics_when("gone", |m| m.sum("tidegate_active_streams", &[]) == 0.0).await;
    assert_eq!(metrics.sum("tidegate_watchdog_takeovers_total", &[]), 0.0);
    // Where others use the machine, any poll may be late for a moment.
    proxy.metrics_when("no worker is stuck", |m| m.sum("tidegate_workers_stuck", &[]) == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_plugin_is_quarantined_until_a_trial_goes_well() {
    let drop_in = DropIn::build();
    let sim = Sim::start(Settings { pace: Duration::from_millis(50), ..Settings::default() }).await.unwrap();
    let token = |token: &str| format!("data: {{\"token\":\"{token}\"}}\n\n");
    sim.script(
        "spin",
        Script::sse().write(token("a")).pause(Duration::from_millis(300)).write(token("spin")),
    );
    sim.script("well", Script::sse().write(token("a")).write("data: {\"token\":\"b\",\"end\":true}\n\n"));
    let config = Setup::of(&sim)
        .params("mine", &format!("model: outside/m, api_base: \"http://{}/v1\", api_key: k", sim.addr()))
        .tidegate(&format!(
            "plugins: {{dirs: [{}], use: {{outside: {{isolation: inline}}}}}}",
            drop_in.path().display()
        ))
        .tidegate("watchdog: {quarantine: {trial: 3s}}");
    let proxy = Proxy::start_with(&config.yaml(), &TWO).await;
    let before = ask(proxy.data, &chat("mine", "well", true), LONG).await;
    assert_eq!(before.status, 200, "{}", before.text());

    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("mine", "spin", true)).await.unwrap();
    assert!(matches!(conn.answer(LONG).await.end, End::Fin | End::Rst));
    let is = |now: f64| {
        move |m: &tidegate_tests::Metrics| {
            m.sum("tidegate_quarantined", &[("kind", "plugin"), ("name", "outside")]) == now
        }
    };
    proxy.metrics_when("a quarantined plugin", is(1.0)).await;
    let refused = ask(proxy.data, &chat("mine", "well", true), LONG).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(
        refused.text().contains("quarantined") && refused.header("retry-after").is_some(),
        "{}",
        refused.text()
    );
    healthy(&proxy).await;

    tokio::time::sleep(Duration::from_secs(3)).await;
    let trial = ask(proxy.data, &chat("mine", "well", true), LONG).await;
    assert_eq!(trial.status, 200, "{}", trial.text());
    let metrics = proxy.metrics_when("a plugin that is asked again", is(0.0)).await;
    assert_eq!(metrics.sum("tidegate_quarantines_total", &[("name", "outside")]), 1.0);
    let seen = incidents(&proxy).await;
    assert_eq!(
        kinds(&seen).into_iter().filter(|kind| *kind != "thread_demoted").collect::<Vec<_>>(),
        ["stream_verdict", "plugin_quarantined", "quarantine_lifted"],
        "{seen:?}"
    );
    let one =
        ask(proxy.admin, &get(&format!("/api/incidents/{}", seen[0]["id"].as_str().unwrap()), ""), LONG)
            .await;
    assert!(one.status == 200 && one.text().contains("\"R4\""), "{}", one.text());
}

/// What systemd hears, until it has heard `wanted` or nothing more within `limit`.
fn heard(socket: &UnixDatagram, wanted: &str, limit: Duration) -> bool {
    socket.set_read_timeout(Some(limit)).unwrap();
    let mut seen = [0; 64];
    while let Ok(length) = socket.recv(&mut seen) {
        if &seen[..length] == wanted.as_bytes() {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_pinged_only_while_workers_advance() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let sim = sim().await;
    // Nothing is taken over: it is the pings that are to stop.
    let setup = Setup::of(&sim).clock("drain: 1s").tidegate("watchdog: {mode: observe}");
    let env =
        [("TIDEGATE_WORKERS", "2"), ("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "400000")];
    let mut proxy = Proxy::start_with(&setup.yaml(), &env).await;
    assert!(heard(&socket, "READY=1", LONG));
    assert!(heard(&socket, "WATCHDOG=1", LONG) && heard(&socket, "WATCHDOG=1", LONG));
    let _one = lose(&proxy, 1.0).await;
    assert!(
        heard(&socket, "WATCHDOG=1", LONG) && heard(&socket, "WATCHDOG=1", LONG),
        "one worker is stuck and the other advances"
    );
    let _two = stick(&proxy, "openai", "stuck").await;
    proxy.metrics_when("both stuck", |m| m.sum("tidegate_threads_lost", &[]) == 2.0).await;
    // What was sent before is read first.
    while heard(&socket, "WATCHDOG=1", Duration::from_millis(600)) {}
    assert!(!heard(&socket, "WATCHDOG=1", Duration::from_secs(3)), "it pings though no worker advances");
    proxy.signal(Signal::SIGTERM);
    assert!(heard(&socket, "STOPPING=1", LONG), "a stuck process still hears SIGTERM");
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_runaways_quarantine_their_deployment_and_its_fallback_answers() {
    let sim = sim().await;
    let setup = Setup::of(&sim).router("fallbacks: [{openai: [gemini]}]");
    let proxy = Proxy::start_with(&setup.yaml(), &TWO).await;
    for _ in 0..3 {
        let told = Told::of(&stick(&proxy, "openai", "spin-wake").await.answer(LONG).await, true).unwrap();
        assert!(matches!(told.terminal, Terminal::Error(500)), "{}", told.message);
    }
    proxy
        .metrics_when("a quarantined deployment", |m| {
            m.sum("tidegate_quarantined", &[("kind", "deployment"), ("name", "openai/sim")]) == 1.0
        })
        .await;
    let answer = fetch(&proxy, "openai", "fast", true).await;
    assert_eq!(Told::of(&answer, true).unwrap().text, healthy_text(), "{}", answer.text());
    assert_eq!(proxy.metrics().await.sum("tidegate_quarantined", &[]), 1.0);
    // Nobody would ever try one that a reload has taken out.
    proxy.rewrite(&Setup::default().model("gemini", "gemini", &sim, "").yaml());
    proxy.signal(Signal::SIGHUP);
    proxy.metrics_when("nothing in quarantine", |m| m.sum("tidegate_quarantined", &[]) == 0.0).await;
}

/// Runs the built `tidegate` with these arguments.
fn run(args: &[&str]) -> (bool, String) {
    let output =
        std::process::Command::new(tidegate_tests::proxy::built().join("tidegate")).args(args).output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_listed_and_drawn_from_the_port_and_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("incidents.jsonl");
    let sim = sim().await;
    let setup = Setup::of(&sim).tidegate(&format!("watchdog: {{incidents: {{file: {}}}}}", file.display()));
    let proxy = Proxy::start_with(&setup.yaml(), &TWO).await;
    let told = Told::of(&stick(&proxy, "openai", "spin-wake").await.answer(LONG).await, true).unwrap();
    assert!(matches!(told.terminal, Terminal::Error(500)), "{}", told.message);
    let id = incidents(&proxy).await[0]["id"].as_str().unwrap().to_owned();

    let admin = proxy.admin.to_string();
    let (ok, list) = run(&["incidents", "--admin", &admin]);
    assert!(ok && list.contains(&id) && list.contains("R1 aborted"), "{list}");
    let (ok, shown) = run(&["incidents", "show", &id, "--admin", &admin]);
    for part in ["attempt 1 openai/sim", "first content", "polls +", "verdict R1, aborted"] {
        assert!(ok && shown.contains(part), "no {part}:\n{shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80) && !shown.contains('\u{1b}'), "{shown}");
    // The prompt names the scenario; it must be in none of this.
    let (_, json) = run(&["incidents", "--json", "--admin", &admin]);
    for secret in ["stall-mid", "sim-key"] {
        assert!(!json.contains(secret), "{secret} is in:\n{json}");
    }
    drop(proxy);
    let (ok, from_file) = run(&["incidents", "show", &id, "--file", file.to_str().unwrap()]);
    assert_eq!((ok, from_file), (true, shown));
    let (ok, none) = run(&["incidents", "show", "0-0", "--file", file.to_str().unwrap()]);
    assert!(!ok && none.contains("there is no incident 0-0"), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_policy_is_quarantined_and_clients_are_told_the_upstreams_own_error() {
    let drop_in = DropIn::stuck_policy();
    let sim = sim().await;
    // In a process of its own it would end at its deadline, and no thread would be lost.
    let plugins = format!(
        "plugins: {{dirs: [{}], use: {{fallback: {{isolation: inline}}}}}}",
        drop_in.path().display()
    );
    let proxy = Proxy::start_with(&Setup::of(&sim).tidegate(&plugins).yaml(), &TWO).await;
    // It answers about other groups.
    assert_eq!(fetch(&proxy, "gemini", "429-first", true).await.status, 429);
    let stuck = fetch(&proxy, "openai", "429-first", true).await;
    assert!(matches!(stuck.end, End::Fin | End::Rst) && stuck.status == 0, "{:?}", stuck.end);
    proxy
        .metrics_when("a quarantined policy", |m| {
            m.sum("tidegate_quarantined", &[("kind", "plugin"), ("name", "fallback")]) == 1.0
        })
        .await;
    for model in ["openai", "gemini"] {
        let answer = fetch(&proxy, model, "429-first", true).await;
        assert_eq!(answer.status, 429, "{model}: {}", answer.text());
    }
    healthy(&proxy).await;
    assert_eq!(proxy.metrics().await.sum("tidegate_threads_lost", &[]), 1.0, "it was asked again");
}
