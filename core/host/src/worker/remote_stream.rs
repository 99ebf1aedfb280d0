//! A stream that a worker translates: the events of one upstream read go to it together, and the answers wait here until
//! the core asks for them one by one.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::line::What;
use super::protocol::events::{self, Event, Next};
use super::protocol::{Tag, Take};
use super::remote::{Remote, breach, no_answer};
use super::shard::Shard;
use super::slot::{Answered, Failed, Waiting, wait};
use crate::error::{PluginError, Whence};
use crate::events::Events;
use crate::hook::{Op, Outcome, told};
use crate::plugin::Plugin;
use crate::stream::{Answer, Close, End};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Asked for; not answered yet, or not opened at all.
    Opening,
    Open,
    Poisoned,
    Closed,
}

/// Events that the worker is at.
struct Flight {
    waiting: Waiting,
    events: u32,
    end: bool,
}

/// What stands ready.
#[derive(Default)]
enum Ready {
    #[default]
    Nothing,
    /// Answers, read up to a place.
    Answers(Vec<u8>, usize),
    /// There will be none.
    Failed(Failed),
}

/// See the module.
pub(crate) struct RemoteStream {
    remote: Arc<Remote>,
    shard: Arc<Shard>,
    id: u64,
    state: State,
    flight: Option<Flight>,
    ready: Ready,
}

impl RemoteStream {
    pub(crate) fn new(remote: Arc<Remote>, shard: Arc<Shard>, id: u64) -> Self {
        Self { remote, shard, id, state: State::Opening, flight: None, ready: Ready::Nothing }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    pub(crate) fn plugin(&self) -> &Arc<Plugin> {
        self.remote.plugin()
    }

    /// The worker has opened it.
    pub(crate) fn opened(mut self) -> Self {
        self.state = State::Open;
        self
    }

    /// The worker did not open it: nothing is to be closed.
    pub(crate) fn never_opened(&mut self) {
        self.state = State::Closed;
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.state == State::Poisoned
    }

    /// See [`crate::Stream::prefetch`].
    pub(crate) fn prefetch<'e>(&mut self, events: impl Iterator<Item = Event<'e>>, end: bool) {
        if self.state != State::Open || matches!(self.ready, Ready::Failed(_)) {
            return;
        }
        let mut count = 0;
        let waiting = self.shard.call(Tag::Events, What::Events(self.id), events::LONGEST, |put| {
            count = events::put_asked(put, self.id, events, end);
        });
        (self.flight, self.ready) = (Some(Flight { waiting, events: count, end }), Ready::Nothing);
    }

    /// See [`crate::Stream::poll_prefetched`].
    pub(crate) fn poll_prefetched(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(flight) = &self.flight else { return Poll::Ready(()) };
        let Poll::Ready(answered) = flight.waiting.0.poll(cx) else { return Poll::Pending };
        self.land(answered);
        Poll::Ready(())
    }

    /// Takes the answers of what was in flight, if they can be read.
    fn land(&mut self, answered: Answered) {
        let Some(Flight { events, end, .. }) = self.flight.take() else { return };
        let (event, at_end) = (self.whence(Op::StreamEvent), self.whence(Op::StreamEnd));
        self.ready = match answered {
            Err(failed) => Ready::Failed(failed),
            Ok((payload, generation)) => match events::check(&payload, event, at_end, events, end) {
                Ok(()) => Ready::Answers(payload, 0),
                Err(garbled) => match breach(&self.shard, event, generation, garbled) {
                    PluginError::Ended { how, .. } => Ready::Failed(Failed::Ended(how)),
                    _ => Ready::Failed(Failed::Away),
                },
            },
        };
    }

    fn whence(&self, op: Op) -> Whence {
        self.plugin().whence(op)
    }

    /// See [`crate::Stream::event`].
    pub(crate) fn event(
        &mut self,
        name: &[u8],
        data: &[u8],
        stray: bool,
        out: &mut Events,
    ) -> Result<Answer, PluginError> {
        out.clear();
        self.usable(Op::StreamEvent)?;
        if !self.has_ready(|next| next == events::EVENT) {
            self.prefetch([(name, data, stray)].into_iter(), false);
            self.wait();
        }
        match self.next(Op::StreamEvent, out)? {
            Next::Event((_, answer), _) => answer,
            // The plugin noted that nothing follows.
            Next::End(_) => Ok(Answer::Done),
        }
    }

    /// See [`crate::Stream::end`].
    pub(crate) fn end(&mut self, out: &mut Events) -> Result<End, PluginError> {
        out.clear();
        self.usable(Op::StreamEnd)?;
        if !self.has_ready(|next| next == events::END) {
            self.prefetch(std::iter::empty(), true);
            self.wait();
        }
        match self.next(Op::StreamEnd, out)? {
            Next::End((_, end)) => end,
            Next::Event(..) => Ok(End::Truncated),
        }
    }

    fn usable(&mut self, op: Op) -> Result<(), PluginError> {
        self.wait();
        match (self.state, &self.ready) {
            (State::Open, Ready::Failed(failed)) => {
                told(self.plugin().id(), op, Outcome::Error);
                Err(no_answer(self.whence(op), failed.clone()))
            }
            (State::Open, _) => Ok(()),
            _ => Err(PluginError::Poisoned(self.whence(op))),
        }
    }

    /// Blocks until nothing is in flight; at once where the caller has polled for that.
    fn wait(&mut self) {
        if let Some(flight) = &self.flight {
            let answered = wait(Waiting(flight.waiting.0.clone()));
            self.land(answered);
        }
    }

    fn has_ready(&self, wanted: impl Fn(u8) -> bool) -> bool {
        matches!(&self.ready, Ready::Answers(payload, at) if payload.get(*at).copied().is_some_and(wanted))
    }

    /// The next answer that stands ready.
    fn next(&mut self, op: Op, out: &mut Events) -> Result<Next, PluginError> {
        self.usable(op)?;
        let (event, end) = (self.whence(Op::StreamEvent), self.whence(Op::StreamEnd));
        let Ready::Answers(payload, at) = &mut self.ready else {
            return Err(PluginError::Away(self.whence(op)));
        };
        let mut take = Take(&payload[*at..]);
        // It was checked when it came.
        let Ok(next) = events::take_next(&mut take, event, end, Some(out)) else {
            return Err(PluginError::Away(self.whence(op)));
        };
        *at = payload.len() - take.0.len();
        let (outcome, panicked) = match &next {
            Next::Event((outcome, answer), _) => (*outcome, matches!(answer, Err(PluginError::Panic(_)))),
            Next::End((outcome, end)) => (*outcome, matches!(end, Err(PluginError::Panic(_)))),
        };
        if panicked {
            self.state = State::Poisoned;
        }
        told(self.plugin().id(), op, outcome);
        Ok(next)
    }

    /// Closes it, at most once.
    pub(crate) fn finish(&mut self, why: Close) {
        if self.state == State::Closed {
            return;
        }
        // A poisoned one is closed by nobody: the worker forgets it as well.
        let told_of = self.state == State::Open;
        self.state = State::Closed;
        let id = self.id;
        self.shard.tell(Tag::Close, What::Close(id), |put| {
            put.u64(id).u32(why as u32);
        });
        if told_of {
            told(self.plugin().id(), Op::StreamClose, Outcome::Ok);
        }
    }
}

impl Drop for RemoteStream {
    fn drop(&mut self) {
        self.finish(Close::Cancelled);
    }
}

impl fmt::Debug for RemoteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream {} of {} ({:?})", self.id, self.plugin().name(), self.state)
    }
}
