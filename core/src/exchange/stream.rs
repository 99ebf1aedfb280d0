//! A committed stream: from its first content to its one terminal.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tidegate_engine::{Command, Event, Terminal};
use tidegate_watchdog::Phase;

use super::attempt::OpenStream;
use super::{Exchange, outlet};
use crate::failure::Failure;
use crate::metrics::Ending;
use crate::relay::live::Live;
use crate::relay::source::Step;

/// The body of a stream's response. Each of its frames is whole events.
pub struct Streaming {
    exchange: Exchange,
    live: Option<Box<Live>>,
    first: Option<Bytes>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Relaying,
    /// The normal end has been given out.
    Ended,
    /// Nothing more comes.
    Over,
}

impl Streaming {
    pub(super) fn new(mut exchange: Exchange, opened: OpenStream) -> Self {
        let OpenStream { live, first, ended } = opened;
        exchange.release();
        exchange.probe.phase(Phase::Streaming);
        let mut stream = Self { exchange, live: Some(live), first: Some(first), state: State::Relaying };
        if ended {
            stream.complete();
        }
        stream
    }

    /// The next bytes for the client; `None` at the end.
    pub(super) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        outlet::asked();
        let probe = self.exchange.probe.clone();
        let bytes = probe.poll(|| self.poll_inner(cx));
        if matches!(bytes, Poll::Ready(Some(_))) {
            outlet::given();
        }
        bytes
    }

    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Poll::Ready(Some(self.pass(first)));
        }
        if self.state == State::Relaying
            && let Some(rule) = self.exchange.probe.verdict()
        {
            let failure = self.exchange.abort(Failure::aborted(rule.as_str()));
            return Poll::Ready(Some(self.terminal(&failure)));
        }
        if self.state == State::Relaying && self.exchange.gateway.is_cut() {
            let failure = self.exchange.abort(Failure::shutdown());
            return Poll::Ready(Some(self.terminal(&failure)));
        }
        let Some(live) = &mut self.live else { return Poll::Ready(None) };
        match self.state {
            State::Relaying => {
                #[cfg(feature = "fault-hooks")]
                if self.exchange.caller.fault.takes(cx) {
                    return Poll::Pending;
                }
                let moved = live.poll_step(cx);
                if moved.received > 0 {
                    self.exchange.probe.moved();
                }
                match ready!(moved.step) {
                    Step::Data { bytes, .. } => {
                        if live.take_done() {
                            self.complete();
                        }
                        Poll::Ready(Some(self.pass(bytes)))
                    }
                    Step::Done => {
                        self.complete();
                        self.poll_inner(cx)
                    }
                    Step::Failed(failure) => Poll::Ready(Some(self.fail(failure))),
                }
            }
            State::Ended => {
                ready!(live.poll_drained(cx));
                self.close(false);
                Poll::Ready(None)
            }
            State::Over => Poll::Ready(None),
        }
    }

    fn pass(&mut self, bytes: Bytes) -> Bytes {
        self.exchange.bytes_to_client += bytes.len() as u64;
        self.exchange.probe.progress(bytes.len() as u64);
        bytes
    }

    fn complete(&mut self) {
        self.exchange.succeed();
        self.exchange.engine.step(Event::Ended);
        self.exchange.finish(200, Ending::Complete);
        self.exchange.probe.phase(Phase::Ending);
        self.state = State::Ended;
    }

    /// The attempt failed after content: the policy may order a cooldown, the client gets the failure.
    fn fail(&mut self, failure: Failure) -> Bytes {
        let command = match self.exchange.fail(failure) {
            Command::AskPolicy => self.exchange.ask(),
            command => command,
        };
        let told = match command {
            Command::Finish(Terminal::Error(reason)) => self.exchange.explain(reason),
            // The engine knows no other way out of a committed stream's failure.
            _ => Failure::out_of_order(),
        };
        self.terminal(&told)
    }

    /// The one terminal event of a stream that failed. No normal end follows it.
    fn terminal(&mut self, failure: &Failure) -> Bytes {
        self.exchange.finish(200, Ending::StreamError);
        self.exchange.probe.phase(Phase::Ending);
        self.close(true);
        let event = self.exchange.request.dialect.error_event(failure);
        self.exchange.probe.progress(event.len() as u64);
        event.into()
    }

    fn close(&mut self, failed: bool) {
        self.state = State::Over;
        if let Some(live) = self.live.take() {
            live.close(failed);
        }
    }
}
