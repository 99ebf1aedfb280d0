//! One upstream stream in a plugin's hands, wherever the plugin runs.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_plugin_abi::close;

use crate::error::{PluginError, Whence};
use crate::events::Events;
use crate::inline_stream::InlineStream;
use crate::plugin::Plugin;
use crate::worker::RemoteStream;

/// A plugin's answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Forward the event as it is; nothing was written.
    Pass,
    /// The event is dealt with; what was written, if anything, takes its place.
    Done,
    /// It is the provider's error form: classify it, with [`crate::Phase::Stream`]. Events written before stay.
    Upstream,
}

/// A plugin's answer at the end of the upstream's body; there is no third.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The terminal marker was seen. A last event may have been written.
    Done,
    /// It was not.
    Truncated,
}

/// Why a stream is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Close {
    /// It came to its end.
    End = close::END,
    /// The client went, or the host gave it up.
    Cancelled = close::CANCELLED,
    /// The upstream or the plugin failed.
    Failed = close::FAILED,
}

pub(crate) fn passed_and_wrote(whence: Whence) -> PluginError {
    PluginError::BadAnswer(whence, "it passed the event through and wrote others".to_owned())
}

/// A stream. One thread at a time; may move between threads. Dropping it closes it as cancelled.
pub struct Stream(Side);

pub(crate) enum Side {
    Here(InlineStream),
    Worker(RemoteStream),
}

impl Stream {
    pub(crate) fn new(side: Side) -> Self {
        Self(side)
    }

    /// Whether a worker process translates it. The events of one upstream read then go there in one
    /// [`Stream::prefetch`], and [`Stream::event`] and [`Stream::end`] are called when [`Stream::poll_prefetched`] is
    /// ready. Inline they can be called at once.
    pub fn is_remote(&self) -> bool {
        matches!(self.0, Side::Worker(_))
    }

    /// Sends the worker the events that are about to be asked about, in this order: name, data, stray. `end`: and then
    /// [`Stream::end`]. One prefetch at a time. Inline it does nothing.
    pub fn prefetch<'a>(&mut self, events: impl Iterator<Item = (&'a [u8], &'a [u8], bool)>, end: bool) {
        if let Side::Worker(stream) = &mut self.0 {
            stream.prefetch(events, end);
        }
    }

    /// Ready when what was prefetched is answered, or will never be: the calls then give the answers or the error.
    pub fn poll_prefetched(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Side::Here(_) => Poll::Ready(()),
            Side::Worker(stream) => stream.poll_prefetched(cx),
        }
    }

    /// Gives the plugin one event. `stray`: the framing did not understand this text. `out` holds what this call
    /// wrote, and nothing after an error.
    ///
    /// Of a worker, an event that was not prefetched blocks the thread until it is answered: that is for tools alone.
    pub fn event(
        &mut self,
        name: &[u8],
        data: &[u8],
        stray: bool,
        out: &mut Events,
    ) -> Result<Answer, PluginError> {
        match &mut self.0 {
            Side::Here(stream) => stream.event(name, data, stray, out),
            Side::Worker(stream) => stream.event(name, data, stray, out),
        }
    }

    /// Tells the plugin that the upstream's body ended cleanly. Call it once, after the last event.
    pub fn end(&mut self, out: &mut Events) -> Result<End, PluginError> {
        match &mut self.0 {
            Side::Here(stream) => stream.end(out),
            Side::Worker(stream) => stream.end(out),
        }
    }

    /// Closes it. Never waits.
    pub fn close(mut self, why: Close) {
        match &mut self.0 {
            Side::Here(stream) => stream.finish(why),
            Side::Worker(stream) => stream.finish(why),
        }
    }

    /// A panic poisoned it: each further call answers [`PluginError::Poisoned`].
    pub fn is_poisoned(&self) -> bool {
        match &self.0 {
            Side::Here(stream) => stream.is_poisoned(),
            Side::Worker(stream) => stream.is_poisoned(),
        }
    }

    fn plugin(&self) -> &Arc<Plugin> {
        match &self.0 {
            Side::Here(stream) => stream.plugin(),
            Side::Worker(stream) => stream.plugin(),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whither = if self.is_remote() { "worker" } else { "inline" };
        write!(f, "Stream of {} ({whither})", self.plugin().name())
    }
}
