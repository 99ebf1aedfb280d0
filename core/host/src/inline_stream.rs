//! A stream of a plugin that runs in this process: opened once, closed once, never called after a panic.

use std::ffi::c_void;
use std::sync::Arc;

use tidegate_plugin_abi::{self as abi, Status, status};

use crate::answer;
use crate::error::PluginError;
use crate::events::Events;
use crate::hook::{Op, observed};
use crate::input::HeadIn;
use crate::plugin::Plugin;
use crate::provider::Inner;
use crate::stream::{Answer, Close, End, passed_and_wrote};
use crate::wire::lend;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Leaked: not even closed, because its memory may be in any state.
    Poisoned,
    Closed,
}

/// See [`crate::Stream`].
#[derive(Debug)]
pub(crate) struct InlineStream {
    ptr: *mut c_void,
    provider: Arc<Inner>,
    state: State,
}

// SAFETY: the contract lets a stream move between threads. It is not Sync: the pointer sees to that.
unsafe impl Send for InlineStream {}

impl InlineStream {
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

    pub(crate) fn event(
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
            status::PASS if !out.is_empty() => Err(passed_and_wrote(self.provider.whence(Op::StreamEvent))),
            status::PASS => Ok(Answer::Pass),
            status::OK => Ok(Answer::Done),
            status::E_UPSTREAM => Ok(Answer::Upstream),
            other => Err(answer::failure(self.provider.whence(Op::StreamEvent), other, None)),
        };
        result.inspect_err(|_| out.clear())
    }

    pub(crate) fn end(&mut self, out: &mut Events) -> Result<End, PluginError> {
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

    pub(crate) fn plugin(&self) -> &Arc<Plugin> {
        self.provider.instance.plugin()
    }

    pub(crate) fn is_poisoned(&self) -> bool {
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

    pub(crate) fn finish(&mut self, why: Close) {
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

impl Drop for InlineStream {
    fn drop(&mut self) {
        self.finish(Close::Cancelled);
    }
}
