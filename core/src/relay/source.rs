//! One upstream answer as a stream of client bytes: framed, inspected, and translated where the dialects differ.
//!
//! It has exactly two good answers at the upstream's end, done and truncated, and never invents the first: a stream
//! is done when the client's dialect says so of what was sent, whatever a plugin claims.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Frame};
use tidegate_host::Stream;

use super::classify::Head;
use super::reader::{Batch, Client, Ending, Reader, Spent, Step};
use super::translator::Translator;
use crate::dialects::Usage;
use crate::failure::Failure;
use crate::framing::{Block, Framer, Kept};
use crate::upstream::{self, BodyError};

/// Reads taken in one poll before other tasks get their turn.
const READS_PER_POLL: usize = 32;

/// Bytes after which a piece is handed on though more could be read.
const GATHER: usize = 16 * 1024;

/// The stream of one attempt.
pub struct Source<T = Stream> {
    body: upstream::Body,
    framer: Framer,
    reader: Reader<T>,
    /// Boxed: a stream that is translated here, or not at all, must not be larger for it.
    away: Option<Box<Away>>,
    ending: Option<Ending>,
    received: u64,
    answered: bool,
    over: bool,
}

/// A block that a worker process has been asked about. Nothing more is read until it has answered.
struct Away {
    block: Kept,
    then: Then,
}

/// What follows a block.
enum Then {
    /// More of the body.
    More,
    /// Nothing: the body broke off.
    Failed(Failure),
    /// The end of the answer.
    Conclude,
}

impl<T: Translator> Source<T> {
    /// The stream of `body`. `translator` turns its events into the client's; without one they are the client's already.
    /// `limit`: bytes that may come in a row without any content.
    pub fn new(
        body: upstream::Body,
        framer: Framer,
        head: Head,
        client: Client,
        translator: Option<T>,
        limit: usize,
    ) -> Self {
        let reader = Reader::new(head, client, translator, limit);
        Self { body, framer, reader, away: None, ending: None, received: 0, answered: false, over: false }
    }

    /// The next step. After [`Step::Done`] or [`Step::Failed`] it must not be polled again.
    ///
    /// Reads that are there at once are given out as one: an upstream often sends many events in one segment, each in a
    /// chunk of its own, and every piece that is handed on costs a chunk towards the client.
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let mut gathered = Gathered::default();
        let mut waiting = false;
        for _ in 0..READS_PER_POLL {
            if self.ending.is_some() || gathered.len() >= GATHER {
                break;
            }
            if self.away.is_some() && self.reader.poll_prefetched(cx).is_pending() {
                waiting = true;
                break;
            }
            let batch = if let Some(away) = self.away.take() {
                self.answered = true;
                read(&mut self.reader, &away.block.block(), away.then)
            } else if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
                self.take(frame)
            } else {
                waiting = true;
                break;
            };
            gathered.add(batch.bytes, batch.content);
            self.ending = batch.ending;
        }
        if let Some(step) = gathered.step() {
            return Poll::Ready(step);
        }
        if self.ending.is_some() {
            return self.poll_ending(cx);
        }
        if !waiting {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The end, once it is known what it is. Nothing is read meanwhile.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let step = match &mut self.ending {
            Some(Ending::Upstream(naming)) => Step::Failed(ready!(naming.as_mut().poll(cx))),
            Some(Ending::Failed(failure)) => Step::Failed(failure.clone()),
            Some(Ending::Done) | None => Step::Done,
        };
        self.ending = None;
        Poll::Ready(step)
    }

    fn take(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) -> Batch {
        let (block, then) = match frame {
            Some(Ok(frame)) => {
                let Ok(chunk) = frame.into_data() else { return Batch::default() };
                self.received += chunk.len() as u64;
                self.reader.took(chunk.len());
                match self.framer.push(chunk) {
                    Ok(block) => (block, Then::More),
                    Err(_) => return Batch::failed(Failure::malformed("an event is longer than the limit")),
                }
            }
            // Where the body's end is the only end, a provider's connection that breaks behind a whole answer is one too.
            Some(Err(_)) if self.reader.settled() => {
                self.over = true;
                (self.framer.finish(), Then::Conclude)
            }
            Some(Err(error)) => (self.framer.finish(), Then::Failed(Failure::body(&error))),
            None => {
                self.over = true;
                (self.framer.finish(), Then::Conclude)
            }
        };
        if self.reader.prefetch(&block, matches!(then, Then::Conclude)) {
            self.away = Some(Box::new(Away { block: block.keep(), then }));
            return Batch::default();
        }
        read(&mut self.reader, &block, then)
    }

    /// The upstream does not end though its answer is complete: ends it here, once a worker that was asked about the last
    /// of it has answered.
    pub fn poll_concluded(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.ending.is_none() && self.away.is_none() {
            let nothing = Kept::default();
            self.reader.prefetch(&nothing.block(), true);
            self.away = Some(Box::new(Away { block: nothing, then: Then::Conclude }));
        }
        self.poll_step(cx)
    }

    /// Reads on until the upstream's own end, so that its connection can be used again.
    pub fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS_PER_POLL {
            if self.over {
                return Poll::Ready(());
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => self.over = true,
            }
        }
        Poll::Ready(())
    }

    /// Bytes that came since the last call.
    pub fn take_received(&mut self) -> u64 {
        std::mem::take(&mut self.received)
    }

    /// Whether a worker's answer has been read since the last call.
    pub fn take_answered(&mut self) -> bool {
        std::mem::take(&mut self.answered)
    }

    /// Whether the normal end stood in what was given out last. The stream is complete from then on, not only at the next
    /// poll: nothing that happens in between may add another terminal.
    pub fn take_done(&mut self) -> bool {
        let done = matches!(self.ending, Some(Ending::Done));
        if done {
            self.ending = None;
        }
        done
    }

    /// The counts that its plugin noted so far: some providers tell them before the end.
    pub fn noted(&self) -> Usage {
        self.reader.noted()
    }

    /// Whether a plugin turns the events into the client's.
    pub fn is_translated(&self) -> bool {
        self.reader.is_translated()
    }

    /// Every choice's end was seen: nothing is missing but the upstream's own end.
    pub fn finished(&self) -> bool {
        self.reader.finished()
    }

    /// What it has cost so far.
    pub fn spent(&self) -> Spent {
        self.reader.spent()
    }

    /// Says how the stream ended to the plugin that translates it. Dropped without, it was cancelled.
    pub fn close(self, failed: bool) {
        self.reader.close(failed);
    }
}

fn read<T: Translator>(reader: &mut Reader<T>, block: &Block<'_>, then: Then) -> Batch {
    let mut batch = reader.read(block, !matches!(then, Then::More));
    match then {
        Then::More => batch,
        Then::Failed(failure) => {
            batch.ending.get_or_insert(Ending::Failed(failure));
            batch
        }
        Then::Conclude => reader.conclude(batch),
    }
}

/// What several reads gave. One alone is not copied.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    more: Vec<u8>,
    content: bool,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len().max(self.more.len())
    }

    fn add(&mut self, bytes: Bytes, content: bool) {
        self.content |= content;
        if self.first.is_empty() {
            self.first = bytes;
        } else if !bytes.is_empty() {
            if self.more.is_empty() {
                self.more.extend_from_slice(&self.first);
            }
            self.more.extend_from_slice(&bytes);
        }
    }

    fn step(self) -> Option<Step> {
        let bytes = if self.more.is_empty() { self.first } else { self.more.into() };
        (!bytes.is_empty()).then_some(Step::Data { bytes, content: self.content })
    }
}
