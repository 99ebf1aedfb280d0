//! `tidegate.watchdog`: how the watchdog acts, who is quarantined when, and where incidents are written.

use std::path::PathBuf;
use std::time::Duration;

use super::parts::{duration, size};
use super::strict::{choice, strict};
use crate::config::diagnose::Sink;
use crate::config::node::Node;
use crate::config::read;

/// How the watchdog acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watchdog {
    /// Whether it acts at all.
    pub mode: WatchdogMode,
    /// `thresholds.r1.polls`: polls in a row without progress.
    pub r1_polls: Option<u32>,
    /// `thresholds.r1.age`: how old such a streak must be.
    pub r1_age: Option<Duration>,
    /// `thresholds.r2.cpu`: CPU time since the last progress.
    pub r2_cpu: Option<Duration>,
    /// `thresholds.r4.cpu`: CPU time in one poll.
    pub r4_cpu: Option<Duration>,
    /// `thresholds.r4.wall`: time in one poll that burns no CPU.
    pub r4_wall: Option<Duration>,
    /// `thresholds.r4.demote`: CPU time in one poll before its thread is demoted.
    pub r4_demote: Option<Duration>,
    /// `thresholds.r4p.after`: time in one poll before another worker is woken.
    pub r4p_after: Option<Duration>,
    /// When plugins and deployments are quarantined.
    pub quarantine: Quarantine,
    /// Where incidents are written.
    pub incidents: Incidents,
}

/// When plugins and deployments are quarantined. `None`: the watchdog's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// Streams aborted within the window.
    pub after: Option<u32>,
    /// The window.
    pub window: Option<Duration>,
    /// The pause before one request tries it again.
    pub trial: Option<Duration>,
}

/// The incidents' file: JSON, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incidents {
    /// The file. `None`: `incidents.jsonl` in `STATE_DIRECTORY`, if systemd gives one; else none.
    pub file: Option<PathBuf>,
    /// Bytes, past which the file is put aside and another begun.
    pub max_size: u64,
    /// How many are kept that were put aside.
    pub keep: u32,
}

/// Whether the watchdog acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchdogMode {
    /// It aborts what breaks a rule.
    #[default]
    Enforce,
    /// It counts and warns.
    Observe,
    /// It does not run.
    Off,
}

impl Default for Incidents {
    fn default() -> Self {
        Self { file: None, max_size: 10 << 20, keep: 5 }
    }
}

const KEYS: &[&str] = &["mode", "thresholds", "quarantine", "incidents"];

pub(super) fn watchdog(sink: &mut Sink, node: &Node) -> Watchdog {
    let mut watchdog = Watchdog::default();
    strict(sink, "watchdog", node, KEYS, |sink, key, entry| {
        match key {
            "thresholds" => return thresholds(sink, &entry.node, &mut watchdog),
            "quarantine" => return quarantine(sink, &entry.node, &mut watchdog.quarantine),
            "incidents" => return incidents(sink, &entry.node, &mut watchdog.incidents),
            _ => {}
        }
        let words = [
            ("enforce", WatchdogMode::Enforce),
            ("observe", WatchdogMode::Observe),
            ("off", WatchdogMode::Off),
        ];
        watchdog.mode = choice(sink, key, &entry.node, &words).unwrap_or_default();
    });
    watchdog
}

fn thresholds(sink: &mut Sink, node: &Node, watchdog: &mut Watchdog) {
    const RULES: &[(&str, &[&str])] = &[
        ("r1", &["polls", "age"]),
        ("r2", &["cpu"]),
        ("r4", &["cpu", "wall", "demote"]),
        ("r4p", &["after"]),
    ];
    let names: Vec<&str> = RULES.iter().map(|(rule, _)| *rule).collect();
    strict(sink, "thresholds", node, &names, |sink, rule, entry| {
        let keys = RULES.iter().find(|(name, _)| *name == rule).map_or(&[][..], |(_, keys)| keys);
        strict(sink, rule, &entry.node, keys, |sink, key, entry| {
            if (rule, key) == ("r1", "polls") {
                watchdog.r1_polls = read::count(sink, key, &entry.node);
                if watchdog.r1_polls == Some(0) {
                    sink.error(&entry.node.place, "`polls` must be at least 1");
                }
                return;
            }
            let value = duration(sink, key, &entry.node);
            if value == Some(Duration::ZERO) {
                sink.error(&entry.node.place, format!("`{key}` must be longer than 0s"));
            }
            match (rule, key) {
                ("r1", _) => watchdog.r1_age = value,
                ("r2", _) => watchdog.r2_cpu = value,
                ("r4", "cpu") => watchdog.r4_cpu = value,
                ("r4", "demote") => watchdog.r4_demote = value,
                ("r4", _) => watchdog.r4_wall = value,
                _ => watchdog.r4p_after = value,
            }
        });
    });
}

fn quarantine(sink: &mut Sink, node: &Node, quarantine: &mut Quarantine) {
    strict(sink, "quarantine", node, &["after", "window", "trial"], |sink, key, entry| {
        if key == "after" {
            quarantine.after = read::count(sink, key, &entry.node);
            if quarantine.after == Some(0) {
                sink.error(&entry.node.place, "`after` must be at least 1");
            }
            return;
        }
        let value = duration(sink, key, &entry.node);
        if value == Some(Duration::ZERO) {
            sink.error(&entry.node.place, format!("`{key}` must be longer than 0s"));
        }
        *(if key == "window" { &mut quarantine.window } else { &mut quarantine.trial }) = value;
    });
}

fn incidents(sink: &mut Sink, node: &Node, incidents: &mut Incidents) {
    strict(sink, "incidents", node, &["file", "max_size", "keep"], |sink, key, entry| match key {
        "file" => {
            incidents.file = read::text(sink, key, &entry.node).map(PathBuf::from);
            if incidents.file.as_ref().is_some_and(|file| file.file_name().is_none()) {
                sink.error(&entry.node.place, "`file` takes the path of a file");
            }
        }
        "max_size" => incidents.max_size = size(sink, key, &entry.node).unwrap_or(incidents.max_size),
        _ => incidents.keep = read::count(sink, key, &entry.node).unwrap_or(incidents.keep),
    });
}
