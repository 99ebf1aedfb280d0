//! A guard as it is seen from outside.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::config::{Guard, GuardMode};

/// Where a guarded process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has not been asked yet.
    Unknown,
    /// It answers.
    Healthy,
    /// It is new, and does not answer yet.
    Loading,
    /// It has missed, and not often enough.
    Missing,
    /// It has missed often enough.
    Hung,
    /// Something is being done about it.
    Acting,
    /// It has missed often enough, and nothing more is done.
    GivenUp,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Loading => "loading",
            Self::Missing => "missing",
            Self::Hung => "hung",
            Self::Acting => "acting",
            Self::GivenUp => "given_up",
        }
    }
}

/// What is known of one guard now.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) name: String,
    mode: GuardMode,
    url: String,
    state: State,
    since: SystemTime,
    /// What was found of the process where that is not one process.
    pub(super) trouble: Option<String>,
    pub(super) pid: Option<u32>,
    /// Cores.
    pub(super) cpu: f64,
    pub(super) misses: u32,
    /// Of the last probe.
    pub(super) answer: Option<(&'static str, f64)>,
    /// Within the window.
    pub(super) actions: u32,
    pub(super) last: Option<(SystemTime, String)>,
}

impl Shown {
    pub(super) fn new(guard: &Guard) -> Self {
        Self {
            name: guard.name.clone(),
            mode: guard.mode,
            url: guard.probe.shown(),
            state: State::Unknown,
            since: SystemTime::now(),
            trouble: None,
            pid: None,
            cpu: 0.0,
            misses: 0,
            answer: None,
            actions: 0,
            last: None,
        }
    }

    pub(super) fn become_(&mut self, state: State) {
        if self.state != state {
            (self.state, self.since) = (state, SystemTime::now());
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn to_json(&self) -> Value {
        let unix = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        json!({
            "name": self.name,
            "mode": match self.mode { GuardMode::Enforce => "enforce", GuardMode::Observe => "observe" },
            "probe": self.url,
            "state": self.state.word(),
            "since_unix_seconds": unix(self.since),
            "trouble": self.trouble,
            "pid": self.pid,
            "cpu_cores": self.cpu,
            "misses": self.misses,
            "answer": self.answer.map(|(word, _)| word),
            "answer_seconds": self.answer.map(|(_, seconds)| seconds),
            "actions": self.actions,
            "last_action": self.last.as_ref().map(|(_, what)| what),
            "last_action_unix_seconds": self.last.as_ref().map(|(at, _)| unix(*at)),
        })
    }
}
