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
use super::reader::{Batch, Client, Ending, Reader, Spent, Step, Tokens};
use crate::failure::Failure;
use crate::framing::Framer;
use crate::upstream::{self, BodyError};

/// Reads taken in one poll before other tasks get their turn.
const READS_PER_POLL: usize = 32;

/// Bytes after which a piece is handed on though more could be read.
const GATHER: usize = 16 * 1024;

/// The stream of one attempt.
pub struct Source {
    body: upstream::Body,
    framer: Framer,
    reader: Reader,
    ending: Option<Ending>,
    received: u64,
    over: bool,
}

impl Source {
    /// The stream of `body`. `translator` turns its events into the client's; without one they are the client's already.
    /// `limit`: bytes that may come in a row without any content.
    pub fn new(
        body: upstream::Body,
        framer: Framer,
        head: Head,
        client: Client,
        translator: Option<Stream>,
        limit: usize,
    ) -> Self {
        let reader = Reader::new(head, client, translator, limit);
        Self { body, framer, reader, ending: None, received: 0, over: false }
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
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                waiting = true;
                break;
            };
            let batch = self.read(frame);
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

    fn read(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) -> Batch {
        match frame {
            Some(Ok(frame)) => {
                let Ok(chunk) = frame.into_data() else { return Batch::default() };
                self.received += chunk.len() as u64;
                self.reader.took(chunk.len());
                match self.framer.push(chunk) {
                    Ok(block) => self.reader.read(&block, false),
                    Err(_) => Batch::failed(Failure::malformed("an event is longer than the limit")),
                }
            }
            Some(Err(error)) => {
                let mut batch = self.reader.read(&self.framer.finish(), true);
                batch.ending.get_or_insert_with(|| Ending::Failed(Failure::body(&error)));
                batch
            }
            None => {
                self.over = true;
                let batch = self.reader.read(&self.framer.finish(), true);
                self.reader.conclude(batch)
            }
        }
    }

    /// The upstream does not end though its answer is complete: ends it here.
    pub fn poll_concluded(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.ending.is_some() {
            return self.poll_ending(cx);
        }
        let batch = self.reader.conclude(Batch::default());
        let mut gathered = Gathered::default();
        gathered.add(batch.bytes, batch.content);
        self.ending = batch.ending;
        gathered.step().map_or_else(|| self.poll_ending(cx), Poll::Ready)
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
    pub fn tokens(&self) -> Tokens {
        self.reader.tokens()
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
