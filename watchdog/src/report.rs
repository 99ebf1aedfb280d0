//! Incidents of every kind: what they are called, how one is told apart from another, and those that are no verdict on
//! a stream.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What an incident is about. The set is closed; [`Kind::Owner`] leaves room for what only the owner can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A stream was judged; see [`Verdict`](crate::Verdict).
    StreamVerdict,
    /// A plugin is no longer asked for some time.
    PluginQuarantined,
    /// A deployment is no longer asked for some time.
    DeploymentQuarantined,
    /// A trial went well: the quarantine is over.
    QuarantineLifted,
    /// A stuck thread runs only when nothing else wants to.
    ThreadDemoted,
    /// More than half of a runtime's workers are stuck: another runtime takes over.
    RuntimeReplaced,
    /// No rung of the ladder is left.
    GaveUp,
    /// A kind of the owner's own, by its fixed name.
    Owner(&'static str),
}

impl Kind {
    /// The name used in JSON and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StreamVerdict => "stream_verdict",
            Self::PluginQuarantined => "plugin_quarantined",
            Self::DeploymentQuarantined => "deployment_quarantined",
            Self::QuarantineLifted => "quarantine_lifted",
            Self::ThreadDemoted => "thread_demoted",
            Self::RuntimeReplaced => "runtime_replaced",
            Self::GaveUp => "gave_up",
            Self::Owner(name) => name,
        }
    }
}

/// Names one incident: when the watchdog that saw it started, and a number that rises by one. Written `START-NUMBER`,
/// the start in hexadecimal seconds of the Unix clock, so that it means the same incident after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId {
    /// Seconds of the Unix clock.
    pub start: u64,
    /// From 1.
    pub number: u64,
}

impl IncidentId {
    pub(crate) fn start_now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.start, self.number)
    }
}

/// One thing that happened, and when. A name of the program's own and a label at most: no text of a request or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// How long before the incident.
    pub before: Duration,
    /// What.
    pub what: String,
}

/// What the owner has to say that is no verdict on a stream. See [`Watchdog::report`](crate::Watchdog::report).
#[derive(Debug, Clone)]
pub struct Report {
    pub(crate) kind: Kind,
    pub(crate) sentence: String,
    pub(crate) group: Option<Arc<str>>,
    pub(crate) deployment: Option<Arc<str>>,
    pub(crate) plugin: Option<Arc<str>>,
    pub(crate) client: Option<Arc<str>>,
    pub(crate) request: Option<Arc<str>>,
    pub(crate) trace: Option<Arc<str>>,
    pub(crate) counters: Vec<(&'static str, u64)>,
    pub(crate) events: Vec<Event>,
    pub(crate) detail: Option<String>,
}

/// More events than this are not kept; the first ones go.
const MAX_EVENTS: usize = 64;

/// Bytes of a detail that are kept: the ring holds hundreds of incidents.
const MAX_DETAIL: usize = 16 << 10;

impl Report {
    /// Of this kind, in a sentence for people.
    pub fn new(kind: Kind, sentence: impl Into<String>) -> Self {
        Self {
            kind,
            sentence: sentence.into(),
            group: None,
            deployment: None,
            plugin: None,
            client: None,
            request: None,
            trace: None,
            counters: Vec::new(),
            events: Vec::new(),
            detail: None,
        }
    }

    /// The model group it is about.
    #[must_use]
    pub fn group(mut self, name: impl Into<Arc<str>>) -> Self {
        self.group = Some(name.into());
        self
    }

    /// The deployment it is about.
    #[must_use]
    pub fn deployment(mut self, name: impl Into<Arc<str>>) -> Self {
        self.deployment = Some(name.into());
        self
    }

    /// The plugin it is about.
    #[must_use]
    pub fn plugin(mut self, name: impl Into<Arc<str>>) -> Self {
        self.plugin = Some(name.into());
        self
    }

    /// The client it is about.
    #[must_use]
    pub fn client(mut self, who: impl Into<Arc<str>>) -> Self {
        self.client = Some(who.into());
        self
    }

    /// The request that showed it, and its trace.
    #[must_use]
    pub fn request(mut self, name: impl Into<Arc<str>>, trace: Option<Arc<str>>) -> Self {
        self.request = Some(name.into());
        self.trace = trace;
        self
    }

    /// A number that belongs to it.
    #[must_use]
    pub fn counter(mut self, name: &'static str, value: u64) -> Self {
        self.counters.push((name, value));
        self
    }

    /// A longer text that belongs to it, such as what a diagnosis wrote: its first 16 KiB.
    #[must_use]
    pub fn detail(mut self, mut text: String) -> Self {
        text.truncate(text.floor_char_boundary(MAX_DETAIL));
        self.detail = (!text.is_empty()).then_some(text);
        self
    }

    /// Something that led to it, so long before now; the earliest first.
    #[must_use]
    pub fn event(mut self, before: Duration, what: impl Into<String>) -> Self {
        if self.events.len() == MAX_EVENTS {
            self.events.remove(0);
        }
        self.events.push(Event { before, what: what.into() });
        self
    }
}
