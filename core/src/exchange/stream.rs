//! A committed stream: from its first content to its one terminal.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use tidegate_engine::{Command, Event, Terminal};
use tidegate_watchdog::{Phase, Probe};

use super::attempt::OpenStream;
use super::continuation::{self, Track};
use super::keep_alive::KeepAlive;
use super::{Exchange, outlet};
use crate::dialects::Voice;
use crate::failure::Failure;
use crate::metrics::Ending;
use crate::relay::live::Live;
use crate::relay::reader::Step;

/// The body of a stream's response. Each of its frames is whole events.
pub struct Streaming {
    place: Place,
    keep_alive: Option<Box<KeepAlive>>,
}

/// Where the stream is.
enum Place {
    /// Here.
    Relaying(Box<Committed>),
    /// It broke off: with the policy, and perhaps in the call that is to continue it.
    Broken { probe: Probe, call: Pin<Box<dyn Future<Output = Box<Committed>> + Send>> },
    /// Between the two: never at the end of a poll.
    Moving,
}

/// A stream whose client has had content.
pub(super) struct Committed {
    pub(super) exchange: Exchange,
    pub(super) track: Track,
    voice: Voice,
    live: Option<Box<Live>>,
    first: Option<Bytes>,
    /// When the client was last given content.
    given: Option<Instant>,
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

/// What a poll of a committed stream gives.
enum Next {
    /// Bytes for the client; `None` at the end.
    Give(Option<Bytes>),
    /// It broke off.
    Broken(Failure),
}

impl Streaming {
    pub(super) fn new(mut exchange: Exchange, opened: OpenStream) -> Self {
        let comment = exchange.request.dialect.keep_alive();
        let keep_alive = KeepAlive::every(exchange.group.keep_alive, comment).map(Box::new);
        // Before the track, which may give the request's body back.
        let voice = exchange.voice(opened.wire);
        let track = exchange.track();
        let mut stream = Box::new(Committed {
            exchange,
            track: Track::Off,
            voice,
            live: None,
            first: None,
            given: None,
            state: State::Relaying,
        });
        stream.resume(opened, track);
        Self { place: Place::Relaying(stream), keep_alive }
    }

    /// The next bytes for the client; `None` at the end.
    pub(super) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        outlet::asked();
        let probe = match &self.place {
            Place::Relaying(stream) => stream.exchange.probe.clone(),
            Place::Broken { probe, .. } => probe.clone(),
            Place::Moving => return Poll::Ready(None),
        };
        let bytes = probe.poll(|| self.poll_place(cx));
        let bytes = if self.keep_alive.is_some() { self.kept_alive(cx, bytes) } else { bytes };
        if matches!(bytes, Poll::Ready(Some(_))) {
            outlet::given();
        }
        bytes
    }

    /// A comment in the place of a long silence; it is no progress of the stream's.
    fn kept_alive(&mut self, cx: &mut Context<'_>, bytes: Poll<Option<Bytes>>) -> Poll<Option<Bytes>> {
        let Some(keep_alive) = &mut self.keep_alive else { return bytes };
        let open = match &self.place {
            Place::Relaying(stream) => stream.state == State::Relaying,
            Place::Broken { .. } => true,
            Place::Moving => false,
        };
        match bytes {
            Poll::Pending if open => keep_alive.poll(cx).map(Some),
            Poll::Ready(Some(_)) => {
                keep_alive.sent();
                bytes
            }
            bytes => bytes,
        }
    }

    fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // Ends: the engine continues a stream at most once, and what was not continued gives its terminal.
        loop {
            match &mut self.place {
                Place::Relaying(stream) => match ready!(stream.poll_next(cx)) {
                    Next::Give(bytes) => return Poll::Ready(bytes),
                    Next::Broken(failure) => self.depart(failure),
                },
                Place::Broken { call, .. } => {
                    self.place = Place::Relaying(ready!(call.as_mut().poll(cx)));
                }
                Place::Moving => return Poll::Ready(None),
            }
        }
    }

    fn depart(&mut self, failure: Failure) {
        if let Place::Relaying(stream) = std::mem::replace(&mut self.place, Place::Moving) {
            let probe = stream.exchange.probe.clone();
            self.place = Place::Broken { probe, call: Box::pin(broken(stream, failure)) };
        }
    }
}

/// What becomes of a stream whose attempt failed: it goes on with another target, or has its terminal to give.
async fn broken(mut stream: Box<Committed>, failure: Failure) -> Box<Committed> {
    match stream.fail(failure).await {
        Some(target) => continuation::run(stream, target).await,
        None => stream,
    }
}

impl Committed {
    /// Relays what has opened: the first stream of the request, or its continuation.
    pub(super) fn resume(&mut self, opened: OpenStream, track: Track) {
        let OpenStream { live, first, ended, .. } = opened;
        self.track = track;
        self.exchange.probe.phase(Phase::Streaming);
        self.live = live;
        self.first = Some(self.voice.take(self.track.take(first)));
        if ended {
            self.complete();
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            // A terminal that waits there has been counted.
            let first = if self.state == State::Over { first } else { self.pass(first) };
            return Poll::Ready(Next::Give(Some(first)));
        }
        if self.state == State::Relaying
            && let Some(rule) = self.exchange.probe.verdict()
        {
            self.spend(false);
            let failure = self.exchange.abort(Failure::aborted(rule));
            return Poll::Ready(Next::Give(Some(self.terminal(&failure))));
        }
        if self.state == State::Relaying && self.exchange.gateway.is_cut() {
            self.spend(false);
            let failure = self.exchange.abort(Failure::shutdown());
            return Poll::Ready(Next::Give(Some(self.terminal(&failure))));
        }
        if self.state == State::Ended
            && let Some(last) = self.voice.end()
        {
            return Poll::Ready(Next::Give(Some(self.pass(last))));
        }
        let Some(live) = &mut self.live else { return Poll::Ready(Next::Give(None)) };
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
                        let bytes = self.voice.take(self.track.take(bytes));
                        if bytes.is_empty() {
                            // Nothing that the client's dialect has a word for, or a continuation that may be repeating
                            // what the client has: the next poll is another's turn.
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        Poll::Ready(Next::Give(Some(self.pass(bytes))))
                    }
                    Step::Done => {
                        self.complete();
                        self.poll_next(cx)
                    }
                    Step::Failed(failure) => Poll::Ready(Next::Broken(failure)),
                }
            }
            State::Ended => {
                ready!(live.poll_drained(cx));
                self.close(false);
                Poll::Ready(Next::Give(None))
            }
            State::Over => Poll::Ready(Next::Give(None)),
        }
    }

    fn pass(&mut self, bytes: Bytes) -> Bytes {
        self.exchange.bytes_to_client += bytes.len() as u64;
        self.exchange.probe.progress(bytes.len() as u64);
        let now = Instant::now();
        if let Some(before) = self.given.replace(now) {
            self.exchange.group.series.gap.observe((now - before).as_secs_f64());
        }
        bytes
    }

    fn complete(&mut self) {
        self.spend(true);
        self.exchange.succeed();
        self.exchange.engine.step(Event::Ended);
        self.exchange.finish(200, Ending::Complete);
        self.exchange.probe.phase(Phase::Ending);
        self.state = State::Ended;
    }

    /// The attempt failed after content: the policy may order a cooldown, and name who goes on where the group wants
    /// that; else the client gets the failure.
    async fn fail(&mut self, failure: Failure) -> Option<u16> {
        if let (Track::Recording(transcript), Some(live)) = (&mut self.track, &self.live) {
            transcript.counted(live.noted());
        }
        self.spend(false);
        self.exchange.weigh(&self.track);
        let command = match self.exchange.fail(failure) {
            Command::AskPolicy => {
                let stops = self.exchange.stops();
                stops.before(pin!(self.exchange.ask())).await
            }
            command => Ok(command),
        };
        let told = match command {
            Ok(Command::Attempt { target }) => {
                if let Some(live) = self.live.take() {
                    live.close(true);
                }
                return Some(target);
            }
            Ok(Command::Finish(Terminal::Error(reason))) => self.exchange.explain(reason),
            // The engine knows no other way out of a committed stream's failure.
            Ok(_) => Failure::out_of_order(),
            Err(stopped) => self.exchange.abort(stopped),
        };
        self.exchange.count_refused();
        self.terminate(&told);
        None
    }

    /// The continuation failed before it said anything: the client is told what broke its answer off.
    pub(super) async fn give_up(&mut self, failure: Failure) {
        if self.fail(failure).await.is_some() {
            // The engine continues a stream once.
            self.terminate(&Failure::out_of_order());
        }
    }

    /// The one terminal is the next that the client gets.
    pub(super) fn terminate(&mut self, failure: &Failure) {
        self.first = Some(self.terminal(failure));
    }

    /// The one terminal event of a stream that failed. No normal end follows it.
    fn terminal(&mut self, failure: &Failure) -> Bytes {
        self.exchange.visit.facts.error = Some(failure.kind());
        self.exchange.finish(200, Ending::StreamError);
        self.exchange.probe.phase(Phase::Ending);
        self.close(true);
        let event = self.voice.error(failure);
        self.exchange.bytes_to_client += event.len() as u64;
        self.exchange.probe.progress(event.len() as u64);
        event
    }

    /// At whichever end the answer comes to; the first time counts.
    fn spend(&mut self, whole: bool) {
        if let Some(live) = &self.live {
            self.exchange.spend(live.spent(), whole);
        }
    }

    fn close(&mut self, failed: bool) {
        self.state = State::Over;
        if let Some(live) = self.live.take() {
            live.close(failed);
        }
    }
}

impl Drop for Committed {
    /// The client left: what it had has been paid for.
    fn drop(&mut self) {
        if self.state == State::Relaying {
            self.spend(false);
        }
    }
}
