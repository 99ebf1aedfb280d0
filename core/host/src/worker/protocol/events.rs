//! The events of one upstream read, and the plugin's answers to them.

use tidegate_plugin_abi::note;

use super::answer::{self, Told};
use super::{Garbled, Put, Take};
use crate::error::{PluginError, Whence};
use crate::events::Events;
use crate::hook::Outcome;
use crate::sinks::Fault;
use crate::stream::{Answer, End};

/// What the answers to the events of one upstream read may come to, in bytes, beside the last of them.
pub(crate) const MAX_ANSWERS: usize = 32 << 20;

/// The longest answer to them: that, the last event's, and that of the stream's end. Each of these two is what one call may
/// write ([`Events::default`]), and what is told beside it.
pub(crate) const LONGEST: usize = MAX_ANSWERS + 2 * (17 << 20);

/// An event of an upstream: its name, its data, and whether the framing did not understand it.
pub(crate) type Event<'a> = (&'a [u8], &'a [u8], bool);

/// Writes what is asked: the events, and whether the stream ends after them. Answers how many events there are.
pub(crate) fn put_asked<'e>(
    put: &mut Put,
    stream: u64,
    events: impl Iterator<Item = Event<'e>>,
    end: bool,
) -> u32 {
    put.u64(stream).flag(end);
    let (count, mut events_put) = (put.gap(), 0);
    for (name, data, stray) in events {
        put.bytes(name).bytes(data).flag(stray);
        events_put += 1;
    }
    put.fill(count, events_put);
    events_put
}

/// What is asked of a stream.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) stream: u64,
    pub(crate) end: bool,
    pub(crate) events: Vec<Event<'a>>,
}

pub(crate) fn take_asked(payload: &[u8]) -> Result<Asked<'_>, Garbled> {
    let mut take = Take(payload);
    let (stream, end, count) = (take.u64()?, take.flag()?, take.count(9)?);
    let mut events = Vec::with_capacity(count);
    for _ in 0..count {
        events.push((take.bytes()?, take.bytes()?, take.flag()?));
    }
    take.end()?;
    Ok(Asked { stream, end, events })
}

/// What each answer begins with.
pub(crate) const EVENT: u8 = 0;
pub(crate) const END: u8 = 1;

/// Writes the answer to one event, and what it wrote.
pub(crate) fn put_event(put: &mut Put, outcome: Outcome, result: Result<Answer, PluginError>, out: &Events) {
    put.u8(EVENT);
    answer::put(put, outcome, result, |put, answer| {
        put.u8(match answer {
            Answer::Pass => 0,
            Answer::Done => 1,
            Answer::Upstream => 2,
        });
        put_written(put, out);
    });
}

/// Writes the answer at the end, and what it wrote.
pub(crate) fn put_end(put: &mut Put, outcome: Outcome, result: Result<End, PluginError>, out: &Events) {
    put.u8(END);
    answer::put(put, outcome, result, |put, end| {
        put.flag(end == End::Done);
        put_written(put, out);
    });
}

/// Writes that there is no such stream. `end`: the end alone was asked about.
pub(crate) fn put_gone(put: &mut Put, end: bool, how: &str) {
    put.u8(if end { END } else { EVENT });
    answer::put_gone(put, how);
}

fn put_written(put: &mut Put, out: &Events) {
    put.u32(out.len() as u32);
    for (name, data) in out.iter() {
        put.bytes(name).bytes(data);
    }
    put.u32(out.notes().len() as u32);
    for (note, value) in out.notes() {
        put.u32(note.number()).u64(*value);
    }
}

/// Reads what a call wrote, into `out` where there is one. The inner error is what `out` refused; the flag, whether it
/// noted that nothing follows.
fn take_written(
    take: &mut Take<'_>,
    mut out: Option<&mut Events>,
) -> Result<(Result<(), Fault>, bool), Garbled> {
    let (mut written, mut done) = (Ok(()), false);
    for _ in 0..take.count(8)? {
        let (name, data) = (take.bytes()?, take.bytes()?);
        if let (Some(out), Ok(())) = (out.as_deref_mut(), written) {
            written = out.put(name, data);
        }
    }
    for _ in 0..take.count(12)? {
        let (kind, value) = (take.u32()?, take.u64()?);
        done |= kind == note::DONE;
        if let (Some(out), Ok(())) = (out.as_deref_mut(), written) {
            written = out.put_note(kind, value);
        }
    }
    Ok((written, done))
}

/// The next answer: to an event, or at the end.
pub(crate) enum Next {
    /// `true`: it noted that nothing follows.
    Event(Told<Answer>, bool),
    End(Told<End>),
}

/// Reads the next answer; what the call wrote goes into `out`, which is empty where the answer is an error.
/// `whence` tells where an answer of that kind comes from.
pub(crate) fn take_next(
    take: &mut Take<'_>,
    event: Whence,
    end: Whence,
    mut out: Option<&mut Events>,
) -> Result<Next, Garbled> {
    if let Some(out) = out.as_deref_mut() {
        out.clear();
    }
    let (kind, mut done) = (take.u8()?, false);
    let whence = match kind {
        EVENT => event,
        END => end,
        _ => return Err(Garbled("an answer is neither to an event nor at the end")),
    };
    let (outcome, result) = answer::take(take, whence, |take| {
        let value = take.u8()?;
        if value > 2 || (kind == END && value > 1) {
            return Err(Garbled("a stream's call is answered in no way that is known"));
        }
        let (written, noted) = take_written(take, out.as_deref_mut())?;
        done = noted;
        let passed_and_wrote =
            kind == EVENT && value == 0 && out.as_deref().is_some_and(|out| !out.is_empty());
        Ok(crate::answer::outranks(whence, 0, written.err()).and_then(|()| match passed_and_wrote {
            true => Err(crate::stream::passed_and_wrote(whence)),
            false => Ok(value),
        }))
    })?;
    if let (Some(out), Err(_)) = (out, &result) {
        out.clear();
    }
    Ok(match kind {
        EVENT => {
            let answer = result.map(|value| match value {
                0 => Answer::Pass,
                1 => Answer::Done,
                _ => Answer::Upstream,
            });
            Next::Event((outcome, answer), done)
        }
        _ => Next::End((outcome, result.map(|done| if done == 1 { End::Done } else { End::Truncated }))),
    })
}

/// Checks the answers to `asked` events (`end`: and at the end) without keeping anything. Fewer answers than events are
/// right only where the last one ends the matter.
pub(crate) fn check(
    payload: &[u8],
    event: Whence,
    end: Whence,
    asked: u32,
    at_end: bool,
) -> Result<(), Garbled> {
    const MISCOUNTED: Garbled = Garbled("there are not as many answers as events");
    let (mut take, mut events) = (Take(payload), 0);
    let (mut failed, mut done, mut ended) = (false, false, false);
    while !take.0.is_empty() {
        match take_next(&mut take, event, end, None)? {
            Next::Event((_, answer), noted) if !(failed || done || ended) => {
                events += 1;
                failed = !matches!(answer, Ok(Answer::Pass | Answer::Done));
                done = noted && !failed;
            }
            Next::End(_) if !(failed || ended) => ended = true,
            _ => return Err(MISCOUNTED),
        }
    }
    let all = if failed || done { events <= asked } else { events == asked };
    let told = ended == (!failed && (done || at_end));
    if all && told { Ok(()) } else { Err(MISCOUNTED) }
}
