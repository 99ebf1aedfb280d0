//! One upstream stream in a plugin's hands: opened once, closed once, never called after a panic.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_plugin_abi::{self as abi, Status, close, status};

use crate::answer;
use crate::error::PluginError;
use crate::events::Events;
use crate::hook::{Op, observed};
use crate::input::HeadIn;
use crate::provider::Inner;
use crate::wire::lend;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Leaked: not even closed, because its memory may be in any state.
    Poisoned,
    Closed,
}

/// A stream. One thread at a time; may move between threads. Dropping it closes it as cancelled.
pub struct Stream {
    ptr: *mut c_void,
    provider: Arc<Inner>,
    state: State,
}

// SAFETY: the contract lets a stream move between threads. It is not Sync: the pointer sees to that.
unsafe impl Send for Stream {}

impl Stream {
    pub(crate) fn open(provider: Arc<Inner>, head: &HeadIn<'_>) -> Result<Self, PluginError> {
        let raw = head.raw();
        let mut ptr = std::ptr::null_mut();
        let answer = observed(provider.instance.plugin().id(), Op::StreamOpen, || {
            // SAFETY: a checked function with its own instance; all that is lent outlives the call.
            unsafe { (provider.table.stream_open)(provider.instance.ptr(), &raw const raw, &raw mut ptr) }
        });
        match answer {
            status::OK => Ok(Self { ptr, provider, state: State::Open }),
            other => Err(answer::failure(provider.whence(Op::StreamOpen), other, None)),
        }
    }

    /// Whether a worker process translates it. The events of one upstream read then go there in one
    /// [`Stream::prefetch`], and [`Stream::event`] and [`Stream::end`] are called when [`Stream::poll_prefetched`] is
    /// ready. Inline they can be called at once.
    pub fn is_remote(&self) -> bool {
        false
    }

    /// Sends the worker the events that are about to be asked about, in this order: name, data, stray. `end`: and then
    /// [`Stream::end`]. One prefetch at a time. Inline it does nothing.
    pub fn prefetch<'a>(&mut self, _events: impl Iterator<Item = (&'a [u8], &'a [u8], bool)>, _end: bool) {}

    /// Ready when what was prefetched is answered, or will never be: the calls then give the answers or the error.
    pub fn poll_prefetched(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Gives the plugin one event. `stray`: the framing did not understand this text. `out` holds what this call
    /// wrote, and nothing after an error.
    pub fn event(
        &mut self,
        name: &[u8],
        data: &[u8],
        stray: bool,
        out: &mut Events,
    ) -> Result<Answer, PluginError> {
        let input = abi::EventInV1 {
            size: size_of::<abi::EventInV1>() as u32,
            flags: if stray { abi::event::STRAY } else { 0 },
            name: lend(name),
            data: lend(data),
        };
        let stream_event = self.provider.table.stream_event;
        let answer = self.call(Op::StreamEvent, out, |stream, out| {
            // SAFETY: a checked function with its own stream, which `&mut self` keeps to one thread; all that is
            // lent outlives the call.
            unsafe { stream_event(stream, &raw const input, out) }
        })?;
        let result = match answer {
            status::PASS if !out.is_empty() => Err(PluginError::BadAnswer(
                self.provider.whence(Op::StreamEvent),
                "it passed the event through and wrote others".to_owned(),
            )),
            status::PASS => Ok(Answer::Pass),
            status::OK => Ok(Answer::Done),
            status::E_UPSTREAM => Ok(Answer::Upstream),
            other => Err(answer::failure(self.provider.whence(Op::StreamEvent), other, None)),
        };
        result.inspect_err(|_| out.clear())
    }

    /// Tells the plugin that the upstream's body ended cleanly. Call it once, after the last event.
    pub fn end(&mut self, out: &mut Events) -> Result<End, PluginError> {
        let stream_end = self.provider.table.stream_end;
        let answer = self.call(Op::StreamEnd, out, |stream, out| {
            // SAFETY: as in `event`.
            unsafe { stream_end(stream, out) }
        })?;
        let result = match answer {
            status::OK => Ok(End::Done),
            status::E_TRUNCATED => Ok(End::Truncated),
            other => Err(answer::failure(self.provider.whence(Op::StreamEnd), other, None)),
        };
        result.inspect_err(|_| out.clear())
    }

    /// Closes it.
    pub fn close(mut self, why: Close) {
        self.finish(why);
    }

    /// A panic poisoned it: each further call answers [`PluginError::Poisoned`].
    pub fn is_poisoned(&self) -> bool {
        self.state == State::Poisoned
    }

    fn call(
        &mut self,
        op: Op,
        out: &mut Events,
        call: impl FnOnce(*mut c_void, *const abi::StreamOutV1) -> Status,
    ) -> Result<Status, PluginError> {
        if self.state != State::Open {
            out.clear();
            return Err(PluginError::Poisoned(self.provider.whence(op)));
        }
        let table = out.out();
        let answer = observed(self.provider.instance.plugin().id(), op, || call(self.ptr, &raw const table));
        if answer == status::E_PANIC {
            self.state = State::Poisoned;
        }
        answer::outranks(self.provider.whence(op), answer, out.taken_fault())
            .inspect_err(|_| out.clear())
            .map(|()| answer)
    }

    fn finish(&mut self, why: Close) {
        if self.state != State::Open {
            return;
        }
        self.state = State::Closed;
        observed(self.provider.instance.plugin().id(), Op::StreamClose, || {
            // SAFETY: the stream is open, and this is the one place that closes it.
            unsafe { (self.provider.table.stream_close)(self.ptr, why as u32) };
            status::OK
        });
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.finish(Close::Cancelled);
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream of {} ({:?})", self.provider.instance.plugin().name(), self.state)
    }
}
