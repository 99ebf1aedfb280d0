//! One proxy with some members in it: each is asked once to do what it does, and then to do nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tidegate_sim::{Sim, healthy_text};
use tidegate_tests::client::{ask, chat, get};
use tidegate_tests::zoo::{Inline, MEMBERS, Member, When, Zoo};
use tidegate_tests::{Answer, Conn, End, Metrics, Proxy, Setup, Terminal, Told, Unserved};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::watch::{self, Neighbours};
use crate::world::{LONG, sim};

/// Proxies at one time.
const AT_ONCE: usize = 3;

/// Members of one proxy that are asked at one time.
const ASKED_AT_ONCE: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Inline,
    Process,
}

/// What was seen of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// What the client got.
    pub(super) client: String,
    /// What a client of the same plugin got, whose answer had begun before.
    pub(super) beside: String,
    /// What a client of the same plugin got afterwards.
    pub(super) after: String,
    /// What the metrics say of the plugin.
    pub(super) metrics: String,
    /// The kinds of incidents about it.
    pub(super) incidents: String,
    /// What became of the proxy.
    pub(super) proxy: String,
}

/// Metrics and incidents.
pub(super) type Counted = (String, String);

/// Those of each member by name.
pub(super) type Published = BTreeMap<String, Counted>;

/// For a member that the page does not have.
static NOTHING: Counted = (String::new(), String::new());

/// When nothing is waited for: how long what is counted may take.
const SETTLED: Duration = Duration::from_secs(2);

/// Plays houses, a few at a time.
/// `published`: what the page says was counted, which is waited for.
pub(super) async fn play_all(
    zoo: &Zoo,
    mode: Mode,
    houses: Vec<Vec<&'static Member>>,
    published: Option<Arc<Published>>,
) -> Vec<super::Row> {
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = Vec::new();
    for members in houses {
        let folder = tempfile::tempdir().unwrap();
        for member in &members {
            zoo.put(member, folder.path(), false);
        }
        if !members.iter().any(|member| member.name == "well") {
            zoo.put(&MEMBERS[0], folder.path(), false);
        }
        let (seats, published) = (seats.clone(), published.clone());
        playing.push(tokio::spawn(async move {
            let _seat = seats.acquire().await.unwrap();
            play(mode, members, Arc::new(folder), published).await
        }));
    }
    let mut rows = Vec::new();
    for house in playing {
        rows.extend(house.await.unwrap());
    }
    rows
}

fn setup(mode: Mode, members: &[&Member], sim: &Sim, folder: &Path) -> Setup {
    let mut setup = Setup::of(sim);
    let at = format!("api_base: \"http://{}/v1\", api_key: sim-key", sim.addr());
    setup = setup.params("neighbour", &format!("model: well/calm, {at}"));
    let isolation = match mode {
        Mode::Inline => "inline",
        Mode::Process => "process",
    };
    let mut uses = BTreeSet::from(["well".to_owned()]);
    for member in members.iter().filter(|member| member.when != When::Checked) {
        uses.insert(member.plugin().to_owned());
        if member.is_policy() {
            setup = setup.model("bite", "openai", sim, "").model("calm", "openai", sim, "");
            if member.when == When::Picked {
                setup = setup.router("routing_strategy: least-busy");
                // Of one there is nothing to pick.
                setup = setup.model("bite", "openai", sim, "");
            }
        } else if member.when != When::Loaded {
            setup = setup.params(&group("bite", member), &format!("model: {}, {at}", member.model()));
            setup = setup.params(&group("calm", member), &format!("model: {}, {at}", member.calm_model()));
        }
    }
    // Up to its cap a debug build copies for long, and the buffer that grows needs more than the limit here in passing.
    let long = |name: &str| name.starts_with("writes-a-long");
    let room = |name: &str| match mode {
        Mode::Inline => "",
        Mode::Process if long(name) => ", memory: 512MiB, deadline: 5s",
        // Less than can be taken within the deadline.
        Mode::Process => ", memory: 64MiB",
    };
    let one = |name: &String| format!("{name}: {{isolation: {isolation}{}}}", room(name));
    let uses: Vec<String> = uses.iter().map(one).collect();
    setup
        .tidegate(&format!("plugins: {{dirs: [{}], use: {{{}}}}}", folder.display(), uses.join(", ")))
        .clock("drain: 1s")
        .tidegate("limits: {event: 1MiB}")
        .tidegate("watchdog: {thresholds: {r4: {cpu: 500ms, wall: 4s, demote: 1s}}, quarantine: {trial: 1h}}")
}

fn group(what: &str, member: &Member) -> String {
    if member.is_policy() { what.to_owned() } else { format!("{what}-{}", member.name) }
}

/// Every proxy may have as much: enough for it, and too little for a plugin that wants all.
const MEMORY: u64 = 384 << 20;

/// How long one that never starts is looked at.
const NEVER: Duration = Duration::from_secs(4);

async fn play(
    mode: Mode,
    members: Vec<&'static Member>,
    folder: Arc<TempDir>,
    published: Option<Arc<Published>>,
) -> Vec<super::Row> {
    let sim = sim().await;
    watch::prepare(&sim);
    let config = setup(mode, &members, &sim, folder.path()).yaml();
    let never = mode == Mode::Inline && members[0].inline == Inline::NeverStarts;
    let limit = if never { NEVER } else { LONG };
    let started = Proxy::try_start(&config, &[("TIDEGATE_WORKERS", "12")], Some(MEMORY), limit).await;
    let proxy = match started {
        Ok(proxy) => Arc::new(proxy),
        Err(unserved) => {
            assert_eq!(members.len(), 1, "none of them is to keep the proxy from serving: {unserved:?}");
            return vec![(members[0], not_served(unserved))];
        }
    };
    let neighbours = Neighbours::of(&proxy, &["openai", "neighbour"]);
    let turns = Arc::new(Semaphore::new(ASKED_AT_ONCE));
    let mut asked = Vec::new();
    for member in members {
        let (proxy, turns, folder, published) =
            (proxy.clone(), turns.clone(), folder.clone(), published.clone());
        asked.push(tokio::spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            let published = published.as_ref().map(|rows| rows.get(member.name).unwrap_or(&NOTHING));
            (member, one(mode, &proxy, member, folder.path(), published).await)
        }));
    }
    let mut rows = Vec::new();
    for one in asked {
        rows.push(one.await.unwrap());
    }
    let mut proxy = Arc::into_inner(proxy).unwrap();
    let end = match (mode, rows[0].0.inline) {
        (Mode::Inline, Inline::Dies) => {
            let end = end_of(&mut proxy).await;
            match neighbours.end().await {
                Ok(_) => format!("WRONG: neighbours were served, {end}"),
                Err(_) => end,
            }
        }
        _ => {
            let neighbours = neighbours.end().await;
            proxy.signal(Signal::SIGTERM);
            let end = end_of(&mut proxy).await;
            match neighbours {
                Ok(whole) if whole > 1 && end == "exit status: 0" => "serves".to_owned(),
                Ok(whole) => format!("WRONG: {whole} answers to neighbours, {end}"),
                Err(why) => format!("WRONG: a neighbour noticed: {why}, {end}"),
            }
        }
    };
    for (_, seen) in &mut rows {
        seen.proxy.clone_from(&end);
    }
    rows
}

async fn end_of(proxy: &mut Proxy) -> String {
    match timeout(Duration::from_secs(20), proxy.ended(LONG)).await {
        Ok(status) => ended(status),
        Err(_) => "WRONG: it runs on".to_owned(),
    }
}

fn ended(status: ExitStatus) -> String {
    let signal = status.signal().and_then(|signal| Signal::try_from(signal).ok());
    signal.map_or_else(|| status.to_string(), |signal| format!("killed by {signal}"))
}

fn not_served(unserved: Unserved) -> Seen {
    let proxy = match unserved.ended {
        None => "never serves".to_owned(),
        Some(status) if status.code() == Some(78) => {
            let said = unserved.log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            format!("refuses to start: {said}")
        }
        Some(status) => format!("{} at its start", ended(status)),
    };
    Seen { proxy, ..Seen::default() }
}

async fn one(mode: Mode, proxy: &Proxy, member: &Member, folder: &Path, published: Option<&Counted>) -> Seen {
    if matches!(member.when, When::Checked | When::Loaded) {
        return Seen { client: refused(proxy, member, folder), ..Seen::default() };
    }
    let (scenario, stream) = match member.when {
        When::Whole => ("fast", false),
        When::Failed | When::Decided => ("http-429", true),
        _ => (watch::ASKED, true),
    };
    let mut seen = Seen::default();
    let calm = group("calm", member);
    let mut beside = Conn::open(proxy.data).await.unwrap();
    beside.send(&chat(&calm, watch::NEIGHBOUR, true)).await.unwrap();
    assert!(beside.read_until(LONG, |answer| !answer.body.is_empty()).await, "{} is well", member.name);
    let answer = ask(proxy.data, &chat(&group("bite", member), scenario, stream), LONG).await;
    seen.client = words(&answer, stream, member);
    seen.beside = words(&beside.answer(LONG).await, true, member);
    if mode == Mode::Inline && member.inline == Inline::Dies {
        return seen;
    }
    if mode == Mode::Inline && member.inline == Inline::LosesThread {
        quarantined(proxy, member.plugin()).await;
    }
    let answer = ask(proxy.data, &chat(&calm, watch::ASKED, true), LONG).await;
    seen.after = words(&answer, true, member);
    // What is counted may be so only once the client has its answer.
    let until = Instant::now() + if published.is_some() { LONG } else { SETTLED };
    loop {
        seen.metrics = counted(&proxy.metrics().await, member);
        seen.incidents = incidents(proxy, member.plugin()).await;
        let same = published.is_some_and(|row| row.0 == seen.metrics && row.1 == seen.incidents);
        if same || Instant::now() > until {
            return seen;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the watchdog has put a plugin into quarantine; the row shows where it never did.
async fn quarantined(proxy: &Proxy, plugin: &str) {
    let labels = [("kind", "plugin"), ("name", plugin)];
    let until = Instant::now() + Duration::from_secs(20);
    while proxy.metrics().await.get("tidegate_quarantined", &labels) != Some(1.0) && Instant::now() < until {
        sleep(Duration::from_millis(50)).await;
    }
}

/// What the log says of a file that was not loaded.
fn refused(proxy: &Proxy, member: &Member, folder: &Path) -> String {
    let file = format!("lib{}{} is refused: ", member.name.replace('-', "_"), std::env::consts::DLL_SUFFIX);
    let log = proxy.log();
    let line = log.lines().find(|line| line.contains(&file));
    let line = line.unwrap_or_else(|| panic!("nothing is said of {}:\n{log}", member.name));
    let line: Value = serde_json::from_str(line).unwrap();
    let (_, why) = line["message"].as_str().unwrap().split_once("is refused: ").unwrap();
    why.replace(&format!("{}/", folder.display()), "").replace(std::env::consts::ARCH, "ours")
}

/// The word for a whole answer.
pub(super) const ALL: &str = "all of it";

/// What a client would say of its answer.
pub(super) fn words(answer: &Answer, stream: bool, member: &Member) -> String {
    match Told::of(answer, stream) {
        Ok(told) => match told.terminal {
            Terminal::Done if told.text == watch::TEXT || told.text == healthy_text() => ALL.to_owned(),
            Terminal::Done if watch::is_whole(&told) => ALL.to_owned(),
            Terminal::Done => format!("{:?}", told.text),
            Terminal::Error(status) if told.committed => {
                format!("text, error {status}: {}", short(&told.message, member))
            }
            Terminal::Error(status) => format!("HTTP {status}: {}", short(&told.message, member)),
        },
        Err(_) if matches!(answer.end, End::Fin | End::Rst) => match answer.status {
            0 => "cut off".to_owned(),
            _ => "text, cut off".to_owned(),
        },
        Err(why) => why,
    }
}

/// The message without what the page has already, and without end.
fn short(message: &str, member: &Member) -> String {
    let message = message.split_once(", asked to ").map_or(message, |(_, what)| what);
    // Of a frame with several calls, the first is named.
    let message = message.split_once(", did not answer: ").map_or(message, |(_, what)| what);
    let message = message.replace(&format!("-{}\"", member.name), "\"");
    match message.char_indices().nth(100) {
        Some((at, _)) => format!("{}...", &message[..at]),
        None => message,
    }
}

/// What the metrics say of a member: how the attempt ended, and the families that are about plugins. In a proxy that
/// members share, two of the Rust ones are one plugin; each is asked for a deployment of its own.
fn counted(metrics: &Metrics, member: &Member) -> String {
    let plugin = member.plugin();
    let mut words = Vec::new();
    for outcome in ["unknown", "server", "transport", "timeout", "truncated", "malformed", "aborted"] {
        let labels = [("deployment", &*member.model()), ("outcome", outcome)];
        if metrics.get("tidegate_attempts_total", &labels).unwrap_or(0.0) > 0.0 {
            words.push(format!("attempt {outcome}"));
        }
    }
    for reason in ["deadline", "signal", "exit", "memory", "protocol", "start"] {
        let labels = [("plugin", plugin), ("reason", reason)];
        if metrics.get("tidegate_plugin_worker_ends_total", &labels).unwrap_or(0.0) > 0.0 {
            words.push(format!("worker {reason}"));
        }
    }
    for (family, labels, word) in [
        ("tidegate_plugin_errors_total", &[("plugin", plugin), ("kind", "panic")][..], "panic"),
        ("tidegate_plugin_errors_total", &[("plugin", plugin), ("kind", "error")], "error"),
        ("tidegate_watchdog_plugin_stuck_total", &[("plugin", plugin)], "stuck"),
        ("tidegate_quarantined", &[("kind", "plugin"), ("name", plugin)], "quarantined"),
    ] {
        if metrics.get(family, labels).unwrap_or(0.0) > 0.0 {
            words.push(word.to_owned());
        }
    }
    words.join(", ")
}

async fn incidents(proxy: &Proxy, plugin: &str) -> String {
    let answer = ask(proxy.admin, &get("/api/incidents", ""), LONG).await;
    let list = answer.json()["incidents"].as_array().cloned().unwrap_or_default();
    let about = list.iter().filter(|one| one.to_string().contains(&format!("\"{plugin}\"")));
    let kinds: BTreeSet<&str> = about.filter_map(|one: &Value| one["kind"].as_str()).collect();
    kinds.into_iter().collect::<Vec<_>>().join(", ")
}
