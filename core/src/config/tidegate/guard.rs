//! `tidegate.guard`: other processes to watch, what counts as hung, and what is done about it.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::parts::duration;
use super::strict::{choice, strict};
use crate::config::diagnose::Sink;
use crate::config::node::{Entry, Mapping, Node, Value};
use crate::config::read;

/// One entry: a process, the probe of its port, and what to do when that is missed again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Unique; the label of its metrics.
    pub name: String,
    /// The process. `None`: only where a command acts, which needs to know none.
    pub target: Option<Target>,
    /// How it is asked whether it serves.
    pub probe: Probe,
    /// What is done to one that does not.
    pub action: Action,
    /// Run first, while it still hangs: a diagnosis for the incident.
    pub before: Option<Run>,
    /// How long a new process may load before a miss counts.
    pub start_grace: Duration,
    /// Pauses between two actions, and when there have been enough.
    pub backoff: Backoff,
    /// Whether it acts, or only says what it would do.
    pub mode: GuardMode,
}

/// How the process is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The main process of a unit of systemd: the system's, or the user's own.
    Unit {
        /// With its suffix or without.
        name: String,
        /// `systemctl --user`.
        user: bool,
    },
    /// The process whose id is in this file; where `process` is given too, only if it is that one.
    PidFile(PathBuf, Option<String>),
    /// The one process with this name, and these arguments among its own.
    Process(String),
}

/// One GET of the serving port. `Debug` is for the admin port, and leaves the query out: it may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Probe {
    /// As written: `http://HOST:PORT/PATH`.
    pub url: Uri,
    /// The status of a healthy answer.
    pub status: u16,
    /// From connecting to the last byte of the body.
    pub timeout: Duration,
    /// From one probe's begin to the next one's.
    pub every: Duration,
    /// So many in a row are a verdict.
    pub misses: u32,
}

/// What is done to a process that does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// SIGTERM, and SIGKILL to what is left of it and its children after the grace.
    Terminate {
        /// Between the two.
        grace: Duration,
        /// Starts it again. `None`: its service manager does.
        restart: Option<Run>,
    },
    /// A command does all of it.
    Command(Run),
}

/// A program and its arguments. No shell reads them; `{pid}` in one is the process's id. `Debug` is for the admin port, and shows
/// the program alone: an argument may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Run {
    /// At least one.
    pub words: Vec<String>,
    /// Then it is killed.
    pub timeout: Duration,
}

impl Probe {
    /// The URL for whoever reads a log or a status: without its query, which may be a key.
    pub fn shown(&self) -> String {
        let mut url = self.url.to_string();
        url.truncate(url.find('?').unwrap_or(url.len()));
        url
    }
}

impl Run {
    /// The command for whoever reads a log or a status: the program alone, since an argument may be a key.
    pub fn shown(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("url", &self.shown())
            .field("status", &self.status)
            .field("timeout", &self.timeout)
            .field("every", &self.every)
            .field("misses", &self.misses)
            .finish()
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("program", &self.shown())
            .field("arguments", &self.words.len().saturating_sub(1))
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Pauses after an action, and when there have been enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first action within the window; twice as long after each further one.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// So many actions within the window, or after which it never answered; the next one is not taken.
    pub give_up: u32,
    /// What has been done longer ago than this does not count.
    pub window: Duration,
}

/// Whether a guard acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardMode {
    /// It acts.
    #[default]
    Enforce,
    /// It counts, and says what it would do.
    Observe,
}

impl Default for Backoff {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { first: seconds(10), longest: seconds(300), give_up: 5, window: seconds(600) }
    }
}

/// Defaults of an entry.
const TIMEOUT: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_secs(10);
const MISSES: u32 = 3;
const GRACE: Duration = Duration::from_secs(10);
/// litellm took over a minute to come up on a machine that did other things.
const START_GRACE: Duration = Duration::from_secs(120);
const DIAGNOSIS: Duration = Duration::from_secs(30);
const COMMAND: Duration = Duration::from_secs(60);

/// Each has a task, and series of its own.
const MOST: usize = 64;

const KEYS: &[&str] = &[
    "name",
    "unit",
    "user_unit",
    "pid_file",
    "process",
    "probe",
    "action",
    "grace",
    "restart",
    "before",
    "start_grace",
    "backoff",
    "mode",
];

pub(super) fn guards(sink: &mut Sink, node: &Node) -> Vec<Guard> {
    let items = read::list(sink, "guard", node);
    if items.len() > MOST {
        sink.error(&node.place, format!("`guard` takes at most {MOST} entries"));
    }
    let mut names = HashSet::new();
    items.iter().filter_map(|item| guard(sink, item, &mut names)).collect()
}

fn guard(sink: &mut Sink, node: &Node, names: &mut HashSet<String>) -> Option<Guard> {
    let Value::Mapping(mapping) = &node.value else {
        let message = format!("an entry of `guard` is a mapping with `name`, not {}", node.value.kind());
        sink.error(&node.place, message);
        return None;
    };
    let before = sink.errors.len();
    let (mut probe, mut backoff, mut run, mut mode) = (None, Backoff::default(), None, GuardMode::default());
    let (mut start_grace, mut acts, mut grace, mut restart) = (START_GRACE, None, None, None);
    let mut name = None;
    strict(sink, "guard", node, KEYS, |sink, key, entry| match key {
        "name" => name = named(sink, &entry.node, names),
        "probe" => probe = read_probe(sink, &entry.node),
        "action" => acts = action(sink, &entry.node),
        "grace" => grace = duration(sink, key, &entry.node),
        "restart" => restart = command(sink, key, &entry.node, COMMAND),
        "before" => run = command(sink, key, &entry.node, DIAGNOSIS),
        "start_grace" => start_grace = duration(sink, key, &entry.node).unwrap_or(START_GRACE),
        "backoff" => backoff = read_backoff(sink, &entry.node),
        "mode" => {
            let words = [("enforce", GuardMode::Enforce), ("observe", GuardMode::Observe)];
            mode = choice(sink, key, &entry.node, &words).unwrap_or_default();
        }
        // The ways to find a process are looked at together.
        _ => {}
    });
    for (key, what) in [("name", "what it is called"), ("probe", "the URL that it is asked at")] {
        if mapping.get(key).is_none_or(Node::is_null) {
            sink.error(&node.place, format!("this entry of `guard` has no `{key}`: {what}"));
        }
    }
    let target = target(sink, mapping);
    let action = match acts {
        Some(Acts::Command(run)) => {
            for key in ["grace", "restart"] {
                if let Some(entry) = mapping.entry(key) {
                    let message = format!("`{key}` belongs to `action: terminate`; here a command acts");
                    sink.error(&entry.key_place, message);
                }
            }
            Action::Command(run)
        }
        _ => Action::Terminate { grace: grace.unwrap_or(GRACE), restart },
    };
    if target.is_none() && matches!(action, Action::Terminate { .. }) && sink.errors.len() == before {
        sink.error_hint(
            &node.place,
            "this entry of `guard` does not say which process it is about",
            Some(
                "it takes `unit`, `user_unit`, `pid_file` or `process`; only a command that acts needs none"
                    .to_owned(),
            ),
        );
    }
    if sink.errors.len() > before {
        return None;
    }
    Some(Guard { name: name?, target, probe: probe?, action, before: run, start_grace, backoff, mode })
}

fn named(sink: &mut Sink, node: &Node, names: &mut HashSet<String>) -> Option<String> {
    let name = read::text(sink, "name", node)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        let message = "`name` is made of letters, digits, `-`, `_` and `.`, at most 64 of them";
        sink.error(&node.place, message);
        return None;
    }
    if !names.insert(name.clone()) {
        sink.error(&node.place, format!("there are two entries of `guard` named `{name}`"));
        return None;
    }
    Some(name)
}

fn target(sink: &mut Sink, mapping: &Mapping) -> Option<Target> {
    let mut one = |key: &str| {
        let entry = mapping.entry(key)?;
        let text = read::text(sink, key, &entry.node)?;
        let text = text.trim().to_owned();
        if text.is_empty() {
            sink.error(&entry.node.place, format!("`{key}` is empty"));
            return None;
        }
        Some((entry, text))
    };
    let (unit, user) = (one("unit"), one("user_unit"));
    let (file, process) = (one("pid_file"), one("process"));
    let mut ways: Vec<&Entry> =
        [&unit, &user, &file].into_iter().filter_map(|way| way.as_ref().map(|(entry, _)| *entry)).collect();
    // A name beside a pid file is one more thing that must be so.
    if file.is_none() {
        ways.extend(process.as_ref().map(|(entry, _)| *entry));
    }
    if let [first, second, ..] = ways[..] {
        let message =
            format!("`{}` and `{}` both say which process it is; one is enough", first.key, second.key);
        sink.error(&second.key_place, message);
        return None;
    }
    for (key, way) in [("unit", &unit), ("user_unit", &user)] {
        if let Some((entry, name)) = way
            && (name.starts_with('-') || name.chars().any(|c| c.is_whitespace() || c == '*' || c == '/'))
        {
            sink.error(
                &entry.node.place,
                format!("`{key}` takes the name of one unit, such as litellm.service"),
            );
        }
    }
    match (unit, user, file, process) {
        (Some((_, name)), ..) => Some(Target::Unit { name, user: false }),
        (_, Some((_, name)), ..) => Some(Target::Unit { name, user: true }),
        (_, _, Some((_, file)), process) => {
            Some(Target::PidFile(PathBuf::from(file), process.map(|(_, text)| text)))
        }
        (.., Some((_, text))) => Some(Target::Process(text)),
        _ => None,
    }
}

fn read_probe(sink: &mut Sink, node: &Node) -> Option<Probe> {
    let mut found = None;
    let (mut status, mut timeout, mut every, mut misses) = (200, TIMEOUT, EVERY, MISSES);
    if !matches!(node.value, Value::Mapping(_)) {
        found = url(sink, "probe", node);
    } else {
        let keys = ["url", "status", "timeout", "every", "misses"];
        strict(sink, "probe", node, &keys, |sink, key, entry| match key {
            "url" => found = url(sink, key, &entry.node),
            "status" => {
                status = read::count(sink, key, &entry.node).unwrap_or(status);
                if !(100..=599).contains(&status) {
                    sink.error(&entry.node.place, "`status` is an HTTP status, such as 200");
                }
            }
            "misses" => {
                misses = read::count(sink, key, &entry.node).unwrap_or(misses);
                if misses == 0 {
                    sink.error(&entry.node.place, "`misses` must be at least 1");
                }
            }
            "timeout" => timeout = longer(sink, key, entry).unwrap_or(timeout),
            _ => every = longer(sink, key, entry).unwrap_or(every),
        });
        if found.is_none() && read::mapping(sink, "probe", node).is_some_and(|map| map.get("url").is_none()) {
            sink.error(&node.place, "`probe` has no `url`");
        }
    }
    if timeout > every {
        sink.error(
            &node.place,
            "`timeout` must not be longer than `every`: a probe ends before the next begins",
        );
    }
    Some(Probe { url: found?, status, timeout, every, misses })
}

fn longer(sink: &mut Sink, key: &str, entry: &Entry) -> Option<Duration> {
    let value = duration(sink, key, &entry.node)?;
    if value < Duration::from_millis(50) {
        sink.error(&entry.node.place, format!("`{key}` must be at least 50ms"));
        return None;
    }
    Some(value)
}

fn url(sink: &mut Sink, key: &str, node: &Node) -> Option<Uri> {
    let text = read::text(sink, key, node)?;
    let hint = || Some("such as http://127.0.0.1:4000/health/liveliness".to_owned());
    let Some(url) = text.parse::<Uri>().ok().filter(|url| url.host().is_some_and(|host| !host.is_empty()))
    else {
        sink.error_hint(&node.place, format!("`{key}` takes the URL of its serving port"), hint());
        return None;
    };
    if url.scheme_str() != Some("http") {
        sink.error_hint(&node.place, "a guard asks over plain HTTP alone, on the port that serves", hint());
        return None;
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        sink.error_hint(&node.place, "no name and password can stand in this URL", hint());
        return None;
    }
    Some(url)
}

enum Acts {
    Terminate,
    Command(Run),
}

fn action(sink: &mut Sink, node: &Node) -> Option<Acts> {
    if matches!(node.value, Value::Mapping(_) | Value::Sequence(_)) {
        return command(sink, "action", node, COMMAND).map(Acts::Command);
    }
    if read::text(sink, "action", node)?.as_str() == "terminate" {
        return Some(Acts::Terminate);
    }
    sink.error_hint(
        &node.place,
        "`action` is `terminate`, or a command as a list of words",
        Some("such as {command: [systemctl, restart, litellm.service]}".to_owned()),
    );
    None
}

/// A list of words, or a mapping with them as `command`, and a `timeout`.
fn command(sink: &mut Sink, key: &str, node: &Node, timeout: Duration) -> Option<Run> {
    let (mut words, mut limit, before) = (None, timeout, sink.errors.len());
    match &node.value {
        Value::Mapping(_) => {
            strict(sink, key, node, &["command", "timeout"], |sink, name, entry| match name {
                "command" => words = Some((read::texts(sink, name, &entry.node), entry.node.place.clone())),
                _ => limit = longer(sink, name, entry).unwrap_or(limit),
            });
        }
        _ => words = Some((read::texts(sink, key, node), node.place.clone())),
    }
    let (words, place) = words.unwrap_or_else(|| (Vec::new(), node.place.clone()));
    if sink.errors.len() > before {
        return None;
    }
    if words.first().is_none_or(|program| program.trim().is_empty()) {
        sink.error_hint(
            &place,
            format!("`{key}` has no command"),
            Some("a list of words, the program first; no shell reads them".to_owned()),
        );
        return None;
    }
    Some(Run { words, timeout: limit })
}

fn read_backoff(sink: &mut Sink, node: &Node) -> Backoff {
    let mut backoff = Backoff::default();
    strict(sink, "backoff", node, &["first", "longest", "give_up", "window"], |sink, key, entry| {
        if key == "give_up" {
            backoff.give_up = read::count(sink, key, &entry.node).unwrap_or(backoff.give_up);
            if backoff.give_up == 0 {
                sink.error(&entry.node.place, "`give_up` must be at least 1; `mode: observe` never acts");
            }
            return;
        }
        let value = longer(sink, key, entry);
        let slot = match key {
            "first" => &mut backoff.first,
            "longest" => &mut backoff.longest,
            _ => &mut backoff.window,
        };
        *slot = value.unwrap_or(*slot);
    });
    if backoff.first > backoff.longest {
        sink.error(&node.place, "`first` must not be longer than `longest`");
    }
    backoff
}
