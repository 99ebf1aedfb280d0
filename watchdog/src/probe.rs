//! What a stream holds: it marks polls and progress, and carries the verdict to the stream.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::incident::{Phase, Rule};
use crate::journal::Note;
use crate::record::{Record, StreamRef};
use crate::report::IncidentId;
use crate::shared::Shared;
use crate::ticks::Ticks;
use crate::worker::WorkerSlot;

/// The watch on one stream, from [`Watchdog::open`](crate::Watchdog::open) until the last clone is dropped.
///
/// Clones are for the inner parts of the same task (the relay tells progress, the outer future polls). Two tasks must not
/// use one probe at a time: nothing breaks, but counts get lost.
#[derive(Clone)]
pub struct Probe(Option<Arc<Inner>>);

struct Inner {
    records: Arc<[Record]>,
    index: u32,
    /// `None` when the slab was full: then the record is a private one that nobody samples.
    stream: Option<StreamRef>,
    ticks: Ticks,
    shared: Arc<Shared>,
}

impl Inner {
    #[inline]
    fn record(&self) -> &Record {
        &self.records[self.index as usize]
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(stream) = self.stream {
            self.shared.slab.close(stream);
        }
    }
}

impl Probe {
    /// A probe that does nothing, for [`Mode::Off`](crate::Mode::Off).
    pub(crate) fn off() -> Self {
        Self(None)
    }

    pub(crate) fn new(shared: Arc<Shared>, stream: Option<StreamRef>) -> Self {
        let (records, index) = match stream {
            Some(stream) => (shared.slab.records(), stream.index),
            None => (Arc::from([Record::default()]), 0),
        };
        Self(Some(Arc::new(Inner { records, index, stream, ticks: shared.ticks.clone(), shared })))
    }

    /// Runs one poll of the stream. Two clock reads and about ten plain stores. A probe polled inside another's poll
    /// counts for itself, but the worker stays with the outer one, which is what holds it.
    #[inline]
    pub fn poll<R>(&self, f: impl FnOnce() -> R) -> R {
        let Some(inner) = &self.0 else { return f() };
        let _polling = Polling::begin(inner);
        f()
    }

    /// Upstream bytes were accepted for the client: written to its socket or into its bounded buffer. No keep-alive is.
    /// Takes effect when the current poll ends.
    #[inline]
    pub fn progress(&self, bytes: u64) {
        if let Some(inner) = &self.0 {
            inner.record().progress(bytes);
        }
    }

    /// Bytes moved that bring the client nothing new: a piece of its request read or sent on, an upstream's keep-alive,
    /// a piece of a full buffer written to a slow client. It ends a streak of polls (R1), not the count of CPU (R2).
    /// Other limits bound all of these; without this word a large upload or a patient upstream would look like a spin.
    #[inline]
    pub fn moved(&self) {
        if let Some(inner) = &self.0 {
            inner.record().mark_moved();
        }
    }

    /// The stream enters a phase. See [`Phase`] for which one counts as progress.
    pub fn phase(&self, phase: Phase) {
        if let Some(inner) = &self.0 {
            inner.record().set_phase(phase);
            if phase == Phase::Connecting {
                inner.record().mark_progress();
            }
        }
    }

    /// The deployment that serves it from now on.
    pub fn deployment(&self, name: Arc<str>) {
        if let Some(inner) = &self.0
            && let Some(stream) = inner.stream
        {
            inner.shared.slab.with_live(stream, |live| live.cold.deployment = Some(name));
        }
    }

    /// Something happened that an incident should tell: words of the program's own, a number (0: none) with its unit, a
    /// label. Takes a lock: for what happens per attempt, not per piece.
    pub fn note(&self, what: &'static str, number: u32, unit: &'static str, label: Option<Arc<str>>) {
        if let Some(inner) = &self.0
            && let Some(stream) = inner.stream
        {
            let note = Note { at: inner.ticks.now(), what, number, unit, label };
            inner.shared.slab.with_live(stream, |live| live.cold.journal.push(note));
        }
    }

    /// The verdict: when there is one, the stream must end itself with its terminal error. One relaxed load.
    #[inline]
    pub fn verdict(&self) -> Option<Rule> {
        self.0.as_ref()?.record().verdict()
    }

    /// The id under which [`Watchdog::streams`](crate::Watchdog::streams) and incidents know it. `None` when it is not
    /// watched, because the watchdog is off or its slab was full.
    pub fn id(&self) -> Option<u64> {
        self.0.as_ref()?.stream.map(StreamRef::pack)
    }
}

/// A stream's totals, for what is said of it at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lived {
    /// As [`Probe::id`].
    pub id: Option<u64>,
    /// Finished polls.
    pub polls: u64,
    /// Time inside finished polls.
    pub busy: Duration,
    /// Pieces for the client.
    pub chunks: u32,
    /// The verdict on it.
    pub verdict: Option<Rule>,
    /// That verdict's incident.
    pub incident: Option<IncidentId>,
}

impl Probe {
    /// Its totals so far; all zero where nothing is watched. Takes a lock: for a stream's end.
    pub fn lived(&self) -> Lived {
        let Some(inner) = &self.0 else { return Lived::default() };
        let record = inner.record().snapshot();
        let condemned = |stream| inner.shared.slab.with_live(stream, |live| live.cold.condemned).flatten();
        Lived {
            id: self.id(),
            polls: record.polls,
            busy: Duration::from_nanos(inner.ticks.nanos(record.busy)),
            chunks: record.chunks,
            verdict: record.verdict,
            incident: record.verdict.and_then(|_| inner.stream.and_then(condemned)),
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("id", &self.id()).field("verdict", &self.verdict()).finish()
    }
}

/// Ends the poll also when it panics.
struct Polling<'a> {
    inner: &'a Inner,
    worker: Option<&'static WorkerSlot>,
    start: u64,
}

impl<'a> Polling<'a> {
    #[inline]
    fn begin(inner: &'a Inner) -> Self {
        let start = inner.ticks.now();
        let worker = WorkerSlot::for_poll(inner.shared.workers.owner());
        if let Some(worker) = worker {
            worker.begin(inner.stream.map_or(0, StreamRef::pack), start);
        }
        Self { inner, worker, start }
    }
}

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        let now = self.inner.ticks.now();
        let ticks = now.saturating_sub(self.start);
        let moved = self.inner.record().polled(now, ticks);
        if let Some(worker) = self.worker {
            worker.end(ticks, self.inner.ticks.nanos(ticks) / 1_000, moved);
        }
    }
}
