//! What an incident says: the rule, the action, the stream with its counters.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::report::{Event, IncidentId, Kind, Report};

/// Why a stream was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rule {
    /// R0: the budget of attempts was spent. Enforced by the caller, only counted here.
    Attempts = 1,
    /// R1: too many consecutive polls without progress.
    NoProgress = 2,
    /// R2: too much CPU since the last progress.
    Cpu = 3,
    /// R4: one poll does not return.
    StuckPoll = 4,
    /// R5: no upstream bytes for too long. A timer of the caller, only counted here.
    Idle = 5,
    /// A person asked for its end: [`Watchdog::end`](crate::Watchdog::end).
    Operator = 6,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Self; 6] =
        [Self::Attempts, Self::NoProgress, Self::Cpu, Self::StuckPoll, Self::Idle, Self::Operator];

    /// The short name used in metric labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "R0",
            Self::NoProgress => "R1",
            Self::Cpu => "R2",
            Self::StuckPoll => "R4",
            Self::Idle => "R5",
            Self::Operator => "operator",
        }
    }

    /// Half a sentence for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Attempts => "budget of attempts spent",
            Self::NoProgress => "polled again and again without progress",
            Self::Cpu => "used CPU without progress",
            Self::StuckPoll => "one poll does not return",
            Self::Idle => "no upstream bytes",
            Self::Operator => "ended by an operator",
        }
    }

    pub(crate) fn from_u8(value: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| *rule as u8 == value)
    }
}

/// What was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Action {
    /// Only counted: the rule is the caller's, or no stream could be named.
    Counted = 0,
    /// The lower threshold was passed.
    Warned = 1,
    /// Would have been aborted in [`Mode::Enforce`](crate::Mode::Enforce).
    Observed = 2,
    /// Told to end itself at its next poll.
    Aborted = 3,
    /// Told the same, and its client socket was shut because its poll does not return.
    Shut = 4,
    /// Left alone because the global brake was on.
    Braked = 5,
}

impl Action {
    /// Every action, in order.
    pub const ALL: [Self; 6] =
        [Self::Counted, Self::Warned, Self::Observed, Self::Aborted, Self::Shut, Self::Braked];

    /// The name used in metric labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Warned => "warned",
            Self::Observed => "observed",
            Self::Aborted => "aborted",
            Self::Shut => "shut",
            Self::Braked => "braked",
        }
    }
}

/// Where a stream is in its life, as its owner says. Entering [`Phase::Connecting`] spends an attempt and so counts as
/// progress; no other change does, or a loop between two phases would look busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Phase {
    /// The client's request is being read.
    #[default]
    Reading = 0,
    /// A policy is being asked.
    Deciding = 1,
    /// An attempt was spent and is on its way to the upstream.
    Connecting = 2,
    /// The request is sent, no content came yet.
    Waiting = 3,
    /// Content flows to the client.
    Streaming = 4,
    /// A pause before the next attempt.
    Backoff = 5,
    /// The terminal is being written.
    Ending = 6,
}

impl Phase {
    const ALL: [Self; 7] = [
        Self::Reading,
        Self::Deciding,
        Self::Connecting,
        Self::Waiting,
        Self::Streaming,
        Self::Backoff,
        Self::Ending,
    ];

    /// The name used in `/api/streams` and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Deciding => "deciding",
            Self::Connecting => "connecting",
            Self::Waiting => "waiting",
            Self::Streaming => "streaming",
            Self::Backoff => "backoff",
            Self::Ending => "ending",
        }
    }

    pub(crate) fn from_u8(value: u8) -> Self {
        Self::ALL.get(value as usize).copied().unwrap_or_default()
    }
}

/// What a stream is called, for people. Opaque to the watchdog.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// The model group it was asked for.
    pub group: Arc<str>,
    /// Who asked for it.
    pub client: Arc<str>,
    /// What the request is called elsewhere, in logs say; empty: nothing.
    pub request: Arc<str>,
    /// The trace that it is part of.
    pub trace: Option<Arc<str>>,
}

/// A live stream as the watchdog sees it. Read without stopping the stream, so the numbers may be an instant apart.
#[derive(Debug, Clone)]
pub struct StreamInfo {
    /// Unique among the live streams.
    pub id: u64,
    /// As given to [`Watchdog::open`](crate::Watchdog::open).
    pub labels: Labels,
    /// As last told by [`Probe::deployment`](crate::Probe::deployment).
    pub deployment: Option<Arc<str>>,
    /// As last told by [`Probe::phase`](crate::Probe::phase).
    pub phase: Phase,
    /// Finished polls.
    pub polls: u64,
    /// Consecutive finished polls up to now that moved nothing.
    pub no_progress: u32,
    /// Time inside finished polls.
    pub busy: Duration,
    /// As told by [`Probe::progress`](crate::Probe::progress).
    pub bytes: u64,
    /// Calls of [`Probe::progress`](crate::Probe::progress).
    pub chunks: u32,
    /// Since it was opened.
    pub age: Duration,
    /// Since the poll that last made progress ended, or since it was opened.
    pub since_progress: Duration,
    /// The plugin that a worker is calling for it right now.
    pub plugin: Option<Arc<str>>,
    /// The verdict on it, if there is one.
    pub verdict: Option<Rule>,
}

/// The poll behind an R4 verdict or warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollTimes {
    /// Number of the worker.
    pub worker: usize,
    /// How long it has been watched in this poll, pauses of the whole process left out.
    pub wall: Duration,
    /// CPU its thread used meanwhile.
    pub cpu: Duration,
}

/// What a stream was judged for, and what was done.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Why.
    pub rule: Rule,
    /// What was done.
    pub action: Action,
    /// About which stream. `None` when a worker is stuck with something that has no record.
    pub stream: Option<StreamInfo>,
    /// The stuck poll, for R4.
    pub poll: Option<PollTimes>,
}

/// One look of the sampler at a stream that is near a threshold. Totals since the stream was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// How long before the incident.
    pub before: Duration,
    /// Finished polls.
    pub polls: u64,
    /// Consecutive finished polls that moved nothing.
    pub no_progress: u32,
    /// Time inside finished polls.
    pub busy: Duration,
    /// CPU of the worker's thread while it was seen with this stream, since the last progress.
    pub cpu: Duration,
    /// Bytes for the client.
    pub bytes: u64,
    /// Pieces of them.
    pub chunks: u32,
}

/// One verdict, warning or report.
#[derive(Debug, Clone)]
pub struct Incident {
    /// Its name. Warnings are not kept and have number 0.
    pub id: IncidentId,
    /// When.
    pub at: SystemTime,
    /// What it is about.
    pub kind: Kind,
    /// What happened, for people.
    pub sentence: String,
    /// The model group.
    pub group: Option<Arc<str>>,
    /// The deployment.
    pub deployment: Option<Arc<str>>,
    /// The plugin that was being called.
    pub plugin: Option<Arc<str>>,
    /// Who asked, as in [`Labels::client`].
    pub client: Option<Arc<str>>,
    /// The request, as in [`Labels::request`].
    pub request: Option<Arc<str>>,
    /// Its trace.
    pub trace: Option<Arc<str>>,
    /// The verdict, for [`Kind::StreamVerdict`].
    pub verdict: Option<Verdict>,
    /// Numbers that belong to it.
    pub counters: Vec<(&'static str, u64)>,
    /// What led to it, the earliest first.
    pub events: Vec<Event>,
    /// What the sampler saw in the last seconds, the earliest first.
    pub samples: Vec<Sample>,
    /// A longer text that belongs to it.
    pub detail: Option<String>,
}

impl Incident {
    pub(crate) fn reported(report: Report) -> Self {
        let Report {
            kind,
            sentence,
            group,
            deployment,
            plugin,
            client,
            request,
            trace,
            counters,
            events,
            detail,
        } = report;
        Self {
            id: IncidentId { start: 0, number: 0 },
            at: SystemTime::now(),
            kind,
            sentence,
            group,
            deployment,
            plugin,
            client,
            request,
            trace,
            verdict: None,
            counters,
            events,
            samples: Vec::new(),
            detail,
        }
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(verdict) = &self.verdict else {
            write!(f, "{}: {}", self.kind.as_str(), self.sentence)?;
            let labels = [
                ("group", &self.group),
                ("deployment", &self.deployment),
                ("plugin", &self.plugin),
                ("client", &self.client),
            ];
            for (name, value) in labels {
                if let Some(value) = value {
                    write!(f, " {name}={value}")?;
                }
            }
            return self.counters.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"));
        };
        let (rule, action) = (verdict.rule, verdict.action);
        write!(f, "{} {}: {}", rule.as_str(), action.as_str(), rule.describe())?;
        if let Some(poll) = &verdict.poll {
            write!(f, " (worker {}, {:?} wall, {:?} cpu)", poll.worker, poll.wall, poll.cpu)?;
        }
        if let Some(plugin) = &self.plugin {
            write!(f, ", in plugin {plugin}")?;
        }
        match &verdict.stream {
            None => f.write_str(", no stream known"),
            Some(s) => {
                write!(f, ", stream {} group={} client={}", s.id, s.labels.group, s.labels.client)?;
                if let Some(deployment) = &s.deployment {
                    write!(f, " deployment={deployment}")?;
                }
                write!(
                    f,
                    " phase={} polls={} without_progress={} busy={:?} bytes={} since_progress={:?}",
                    s.phase.as_str(),
                    s.polls,
                    s.no_progress,
                    s.busy,
                    s.bytes,
                    s.since_progress,
                )
            }
        }
    }
}
