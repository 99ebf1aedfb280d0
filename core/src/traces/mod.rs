//! Traces: one span for each request and one for each upstream call in it, in the client's own trace where it has one.
//!
//! Nothing is made while a request runs but a few notes, and those only if it is recorded; its spans are made at its end
//! and handed to a thread that sends them (`export`), or dropped and counted. No span holds a text of a request, an answer
//! or an error, or a key.

mod context;
#[cfg(feature = "otlp")]
mod export;
mod notes;
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing is handed over"))]
mod queue;
mod sampler;
mod settings;
mod span;
mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::HeaderMap;
use parking_lot::Mutex;

pub use context::Context;
pub use notes::{Call, Note};
pub use queue::{Counts, Queue};
pub use sampler::Sampler;
pub use settings::Settings;
pub use span::{Fact, Happened, Kind, Span, Value};

use crate::access::{End, Visit};
use context::span_id;
use notes::Notes;

/// What all requests share.
#[derive(Debug)]
pub struct Traces {
    sampler: Sampler,
    /// A provider is told of which trace its call is part.
    propagate: bool,
    /// Where spans go. `None`: there are no traces.
    queue: Option<Arc<Queue>>,
}

impl Traces {
    /// None are made; a client's own trace is passed on, if `propagate` says so.
    pub fn off(propagate: bool) -> Self {
        Self { sampler: Sampler::default(), propagate, queue: None }
    }

    /// Starts the thread that sends them.
    ///
    /// # Errors
    /// There can be no more threads, or the machine's root certificates cannot be read.
    #[cfg(feature = "otlp")]
    pub fn start(settings: Settings, counts: Counts) -> std::io::Result<Self> {
        let (sampler, propagate) = (settings.sampler, settings.propagate);
        let queue = export::start(settings, counts)?;
        Ok(Self { sampler, propagate, queue: Some(queue) })
    }

    /// Waits, but not for long, until what was recorded is sent.
    pub fn flush(&self) {
        if let Some(queue) = &self.queue {
            queue.flush();
        }
    }

    /// A request begins.
    pub fn begin(&self, headers: &HeaderMap) -> Trace {
        let caller = Context::of(headers);
        let Some(queue) = &self.queue else {
            return Trace { caller, own: None, propagate: self.propagate };
        };
        let mut context = match &caller {
            Some(caller) => Context { span: span_id(), ..caller.clone() },
            None => Context::begin(false),
        };
        let sampled = self.sampler.takes(context.trace, caller.as_ref());
        context.flags = context.flags & !context::SAMPLED | u8::from(sampled);
        let notes = sampled.then(|| (queue.clone(), Mutex::default()));
        let own = Own { context, call: AtomicU64::new(0), notes };
        Trace { caller, own: Some(Box::new(own)), propagate: self.propagate }
    }
}

/// One request's part in a trace.
#[derive(Debug)]
pub struct Trace {
    caller: Option<Context>,
    /// `None`: there are no traces here.
    own: Option<Box<Own>>,
    propagate: bool,
}

#[derive(Debug)]
struct Own {
    context: Context,
    /// The span of the upstream call in flight.
    call: AtomicU64,
    /// `None`: it is not recorded.
    notes: Option<(Arc<Queue>, Mutex<Notes>)>,
}

impl Trace {
    /// The trace, in its usual form.
    pub fn trace_id(&self) -> Option<String> {
        let context = self.own.as_ref().map(|own| &own.context).or(self.caller.as_ref())?;
        Some(format!("{:032x}", context.trace))
    }

    /// The request's own span, if it is recorded.
    pub fn span_id(&self) -> Option<String> {
        self.is_recorded()
            .then(|| self.own.as_ref().map(|own| format!("{:016x}", own.context.span)))
            .flatten()
    }

    /// Whether notes are kept.
    pub fn is_recorded(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.notes.is_some())
    }

    /// Something happens. `note` is made only for a request that is recorded.
    pub fn note(&self, note: impl FnOnce() -> Note) {
        let Some(own) = &self.own else { return };
        if let Some((_, notes)) = &own.notes {
            notes.lock().take(note());
        }
    }

    /// An upstream call begins: it has a span of its own.
    pub fn call(&self, note: impl FnOnce(u64) -> Note) {
        let Some(own) = &self.own else { return };
        let id = span_id();
        own.call.store(id, Relaxed);
        self.note(|| note(id));
    }

    /// Tells a provider of which trace the call in flight is part: ours, or the client's where there are none here. Nothing
    /// else of the client's goes with it.
    pub fn put(&self, headers: &mut HeaderMap) {
        if !self.propagate {
            return;
        }
        match (&self.own, &self.caller) {
            (Some(own), _) => own.context.put(own.call.load(Relaxed), headers),
            (None, Some(caller)) => caller.put(caller.span, headers),
            (None, None) => {}
        }
    }

    /// Makes the spans of a request that has ended, and hands them over.
    pub(crate) fn finish(&self, visit: &Visit, end: End) {
        let Some(own) = &self.own else { return };
        if let Some((queue, notes)) = &own.notes {
            let notes = std::mem::take(&mut *notes.lock());
            queue.push(words::spans(&own.context, self.caller.as_ref(), notes, visit, end));
        }
    }
}
