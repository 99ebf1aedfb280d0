//! The line of calls before one worker: what was sent and is not answered, and what has to be told to the next worker
//! before it can take over. No IO: bytes to write and answers that came are arguments and results.
//!
//! A worker answers in order, so the head of the line is the call that it is at. When it ends, that call fails; those
//! behind it are sent again. Instances and streams are made again when the next call needs them: an instance from its
//! configuration, a stream from its input, and its answers must then be what they were.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::protocol::frame::{Head, MAX_FRAME, frame};
use super::protocol::{Garbled, Put, Tag, answer};
use super::replay::Kept;
use super::slot::{Answered, Failed, Slot};
use crate::hook::Op;

/// What may stand in line: calls, and bytes of their frames.
const MAX_CALLS: usize = 4096;
const MAX_BYTES: usize = MAX_FRAME;

/// How often a call is sent again because a worker ended while it stood in line.
const MAX_TRIES: u32 = 3;

/// What an answer may be long, beside bodies and events: a few texts for people.
pub(crate) const SMALL: usize = 64 * 1024;

/// An instance, as the next worker has to create it.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) id: u64,
    pub(crate) tag: Tag,
    pub(crate) text: String,
}

impl Config {
    pub(crate) fn put(&self, put: &mut Put) {
        put.u64(self.id).bytes(self.text.as_bytes());
    }
}

/// What a call is for, beside its frame.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// The plugin is loaded.
    Hello,
    /// An instance is created: the first time, or again before a call of it.
    Create(Arc<Config>),
    Destroy(u64),
    /// A call of an instance.
    Call(Arc<Config>),
    /// A stream is opened.
    Open(Arc<Config>, u64),
    /// A stream is given events.
    Events(u64),
    Close(u64),
    /// A stream's old input is given to a new worker; `true`: the last of it.
    Replay(u64, bool),
}

/// A call on its way.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) tag: Tag,
    pub(crate) what: What,
    pub(crate) frame: Arc<Vec<u8>>,
    /// Bytes that its answer may have.
    pub(crate) cap: usize,
    pub(crate) slot: Option<Arc<Slot>>,
    tries: u32,
    /// Its place in all that was ever in line.
    number: u64,
}

impl Call {
    pub(crate) fn new(id: u64, tag: Tag, what: What, frame: Arc<Vec<u8>>, cap: usize) -> Self {
        Self { id, tag, what, frame, cap, slot: None, tries: 0, number: 0 }
    }

    pub(crate) fn answered_in(mut self, slot: Arc<Slot>) -> Self {
        self.slot = Some(slot);
        self
    }

    /// Nobody waits for its answer any more.
    fn is_abandoned(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| Arc::strong_count(slot) == 1)
    }

    fn stream(&self) -> Option<u64> {
        match self.what {
            What::Open(_, stream) | What::Events(stream) | What::Replay(stream, _) => Some(stream),
            _ => None,
        }
    }

    fn instance(&self) -> Option<u64> {
        match &self.what {
            What::Create(config) | What::Call(config) | What::Open(config, _) => Some(config.id),
            _ => None,
        }
    }
}

/// Whose doing it is that a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// It ended by itself: of the call that it was at.
    Head,
    /// It was killed for the call with this place.
    Call(u64),
    /// Of none that stands in line.
    Nobody,
}

/// Who is to be woken, outside every lock.
pub(crate) type Wakers = Vec<Waker>;

/// What came of a worker's end.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) op: Option<Op>,
    pub(crate) failed: u32,
    pub(crate) replayed: u32,
    pub(crate) wakers: Wakers,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Line {
    /// The number of the worker that is there, or will be next.
    generation: u64,
    /// A worker is there.
    up: bool,
    /// There will be none for long.
    away: bool,
    sent: VecDeque<Call>,
    /// Of `sent`, how many are written as a whole; and of the next one, how many bytes.
    written: usize,
    part: usize,
    /// What waits for a worker.
    waiting: VecDeque<Call>,
    bytes: usize,
    /// What this worker has: instances, and streams with the input that they had.
    instances: HashSet<u64>,
    streams: HashMap<u64, Kept>,
    replay: usize,
    number: u64,
}

impl Line {
    /// `replay`: bytes of input that are kept for each stream.
    pub(crate) fn new(replay: usize) -> Self {
        Self {
            generation: 0,
            up: false,
            away: false,
            sent: VecDeque::new(),
            written: 0,
            part: 0,
            waiting: VecDeque::new(),
            bytes: 0,
            instances: HashSet::new(),
            streams: HashMap::new(),
            replay,
            number: 0,
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// How much there is to do, for choosing among lines.
    pub(crate) fn load(&self) -> usize {
        self.sent.len() + self.waiting.len() + self.streams.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// A worker is there; `hello` is the first that it is told. What waited goes to it.
    pub(crate) fn begin(&mut self, hello: Call) -> Wakers {
        (self.up, self.away) = (true, false);
        let mut wakers = Wakers::new();
        self.push(hello);
        for call in std::mem::take(&mut self.waiting) {
            self.bytes = self.bytes.saturating_sub(call.frame.len());
            if !call.is_abandoned() {
                self.send(call, &mut wakers);
            }
        }
        wakers
    }

    /// Takes a call. Where the line is too long, or the stream is lost, it is answered at once.
    pub(crate) fn add(&mut self, call: Call) -> Wakers {
        let mut wakers = Wakers::new();
        // What closes and destroys is no more than what was opened and created, and must not get lost.
        let bounded = call.slot.is_some();
        let full = self.sent.len() + self.waiting.len() >= MAX_CALLS
            || self.bytes.saturating_add(call.frame.len()) > MAX_BYTES;
        match bounded {
            true if call.frame.len() > MAX_FRAME => fail(&call, Failed::Long, &mut wakers),
            true if full || self.away => fail(&call, Failed::Away, &mut wakers),
            _ => self.send(call, &mut wakers),
        }
        wakers
    }

    /// Sends a call, after what the worker has to know first; or lets it wait for one.
    fn send(&mut self, call: Call, wakers: &mut Wakers) {
        if let What::Close(stream) | What::Events(stream) = call.what
            && let Some(kept) = self.streams.get(&stream)
        {
            let moved = kept.generation != self.generation;
            if moved && matches!(call.what, What::Close(_)) {
                // It went with its worker.
                self.streams.remove(&stream);
                return;
            }
            let lost = if moved { kept.can_move().err() } else { kept.lost() };
            if let Some(how) = lost.filter(|_| matches!(call.what, What::Events(_))) {
                return fail(&call, Failed::Ended(how), wakers);
            }
        }
        if !self.up {
            if let What::Destroy(_) = call.what {
                return;
            }
            self.bytes += call.frame.len();
            return self.waiting.push_back(call);
        }
        match &call.what {
            What::Hello | What::Close(_) | What::Replay(..) => {}
            What::Create(config) => drop(self.instances.insert(config.id)),
            What::Destroy(instance) => {
                if !self.instances.remove(instance) {
                    return;
                }
            }
            What::Call(config) | What::Open(config, _) => self.create(&config.clone()),
            What::Events(stream) => self.move_here(*stream),
        }
        self.push(call);
    }

    fn create(&mut self, config: &Arc<Config>) {
        if self.instances.insert(config.id) {
            let frame = Arc::new(frame(config.id, config.tag, |put| config.put(put)));
            self.push(Call::new(config.id, config.tag, What::Create(config.clone()), frame, SMALL));
        }
    }

    /// Gives the worker a stream that another one had.
    fn move_here(&mut self, stream: u64) {
        let Some(kept) = self.streams.get_mut(&stream).filter(|kept| kept.generation != self.generation)
        else {
            return;
        };
        let (config, input) = (kept.config.clone(), kept.begin_again(self.generation));
        self.create(&config);
        let last = input.len();
        for (at, (id, tag, frame, cap)) in (1..).zip(input) {
            self.push(Call::new(id, tag, What::Replay(stream, at == last), frame, cap));
        }
    }

    fn push(&mut self, mut call: Call) {
        self.number += 1;
        call.number = self.number;
        self.bytes += call.frame.len();
        self.sent.push_back(call);
    }

    /// The next bytes to write.
    pub(crate) fn to_write(&self) -> Option<&[u8]> {
        self.sent.get(self.written).map(|call| &call.frame[self.part..])
    }

    /// So many of [`Line::to_write`] were written.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.part += bytes;
        if self.sent.get(self.written).is_some_and(|call| self.part >= call.frame.len()) {
            (self.written, self.part) = (self.written + 1, 0);
        }
    }

    /// The call that the worker is at: its place in all that was sent, and what it is about.
    pub(crate) fn head(&self) -> Option<(u64, Tag)> {
        self.sent.front().map(|call| (call.number, call.tag))
    }

    /// Whether an answer with this head may come now.
    pub(crate) fn expects(&self, head: &Head) -> Result<(), Garbled> {
        match self.sent.front() {
            Some(call) if self.written == 0 || (call.id, call.tag) != (head.id, head.tag) => {
                Err(Garbled("it answers what was not asked"))
            }
            Some(call) if head.len > call.cap => Err(Garbled("its answer is longer than any may be")),
            Some(_) => Ok(()),
            None => Err(Garbled("it answers without having been asked")),
        }
    }

    /// The worker answered the head of the line. Answers who is to be woken, and what the call was.
    pub(crate) fn answer(&mut self, payload: Vec<u8>) -> Result<(Option<Waker>, What), Garbled> {
        let Some(call) = self.sent.pop_front() else {
            return Err(Garbled("it answers without having been asked"));
        };
        self.written = self.written.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(call.frame.len());
        let mut lost = None;
        match &call.what {
            What::Create(config) if !answer::is_ok(&payload) => {
                self.instances.remove(&config.id);
            }
            What::Open(config, stream) if answer::is_ok(&payload) => {
                let kept = Kept::new(config.clone(), self.generation, &call, &payload, self.replay);
                self.streams.insert(*stream, kept);
            }
            What::Close(stream) => drop(self.streams.remove(stream)),
            What::Events(stream) => {
                if let Some(kept) = self.streams.get_mut(stream) {
                    lost = kept.lost();
                    if lost.is_none() {
                        kept.fed(&call, &payload, self.replay);
                    }
                }
            }
            What::Replay(stream, last) => {
                if let Some(kept) = self.streams.get_mut(stream) {
                    kept.repeated(&payload, *last);
                }
            }
            _ => {}
        }
        let answered: Answered = match lost {
            Some(how) => Err(Failed::Ended(how)),
            None => Ok((payload, self.generation)),
        };
        let waker = call.slot.as_ref().and_then(|slot| slot.fill(answered));
        Ok((waker, call.what))
    }

    /// The worker ended. `how`: a clause whose subject is the worker.
    pub(crate) fn end(&mut self, blame: Blame, how: &str) -> Settled {
        // What the worker has not got whole it was not at.
        let begun = std::mem::take(&mut self.written) > 0;
        (self.up, self.part) = (false, 0);
        self.instances.clear();
        let mut settled = Settled::default();
        let mut calls = std::mem::take(&mut self.sent);
        self.bytes = self.bytes.saturating_sub(calls.iter().map(|call| call.frame.len()).sum());
        let at_fault = begun
            && calls.front().is_some_and(|call| match blame {
                Blame::Head => true,
                Blame::Call(number) => number == call.number,
                Blame::Nobody => false,
            });
        let (mut stream, mut instance) = (None, None);
        if let Some(call) = calls.pop_front_if(|call| at_fault && !matches!(call.what, What::Hello)) {
            settled.op = call.tag.op();
            stream = call.stream();
            // The call behind it is what the instance was created for.
            instance = call.instance().filter(|_| matches!(call.what, What::Create(_)));
            settled.fail(&call, how);
            self.closed(&call);
            if let Some(kept) = stream.and_then(|stream| self.streams.get_mut(&stream)) {
                kept.lose(how);
            }
        }
        // A stream that was to be closed went with its worker, if that had it.
        let opened = |call: &Call| if let What::Open(_, stream) = call.what { Some(stream) } else { None };
        let opening: Vec<u64> = calls.iter().filter_map(opened).collect();
        calls.retain(|call| match call.what {
            What::Close(stream) if !opening.contains(&stream) => !self.closed(call),
            _ => true,
        });
        let moved = |kept: &&Kept| kept.generation == self.generation && kept.can_move().is_ok();
        settled.replayed = self.streams.values().filter(moved).count() as u32;
        self.generation += 1;
        for mut call in calls {
            call.tries += 1;
            let of_the_guilty = call.stream().is_some_and(|s| stream == Some(s))
                || call.instance().is_some_and(|i| instance == Some(i));
            match call.what {
                // Whoever needs them makes them anew.
                What::Replay(..) => {}
                What::Create(_) if call.slot.is_none() => {}
                What::Hello => settled.fail(&call, how),
                _ if of_the_guilty || call.tries >= MAX_TRIES => settled.fail(&call, how),
                _ => self.send(call, &mut settled.wakers),
            }
        }
        settled
    }

    /// Whether the call was a stream's last: nothing of the stream is needed any more.
    fn closed(&mut self, call: &Call) -> bool {
        let What::Close(stream) = call.what else { return false };
        self.streams.remove(&stream);
        true
    }

    /// There will be no worker for long: what waits for one fails.
    pub(crate) fn give_up(&mut self) -> Wakers {
        self.away = true;
        let mut wakers = Wakers::new();
        for call in std::mem::take(&mut self.waiting) {
            self.bytes = self.bytes.saturating_sub(call.frame.len());
            match call.what {
                What::Close(stream) => drop(self.streams.remove(&stream)),
                _ => fail(&call, Failed::Away, &mut wakers),
            }
        }
        wakers
    }
}

impl Settled {
    fn fail(&mut self, call: &Call, how: &str) {
        self.failed += u32::from(call.slot.is_some());
        fail(call, Failed::Ended(how.to_owned()), &mut self.wakers);
    }
}

fn fail(call: &Call, why: Failed, wakers: &mut Wakers) {
    wakers.extend(call.slot.as_ref().and_then(|slot| slot.fill(Err(why))));
}

/// How long one call may take of a worker's CPU time.
pub(crate) fn deadline(tag: Tag, per_frame: Duration) -> Duration {
    /// Loading a library runs its constructors, and reads it from the disk.
    const START: Duration = Duration::from_secs(2);
    if tag == Tag::Hello { START.max(per_frame) } else { per_frame }
}

#[cfg(test)]
mod tests;
