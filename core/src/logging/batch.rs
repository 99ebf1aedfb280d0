//! Lines on their way from a queue: many with one write, and no wake for each.
//!
//! A thread that sleeps in its queue costs whoever hands over a line a wake, and the machine a change of threads and a write
//! for every line. So once it has written, it looks again only after a pause, and sleeps where nothing came by then: a line
//! after silence is written at once, and of many each waits for no longer than the pause.

use std::io::{Error, ErrorKind, Result, Write};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

/// Between two looks into a queue that has something every time.
const PAUSE: Duration = Duration::from_millis(5);

/// What is in the queue, until its other end is gone; `None` where nothing more is in it now: time to write.
pub(crate) fn gathered<T>(queue: &Receiver<T>) -> impl Iterator<Item = Option<T>> {
    enum Since {
        Given,
        Written,
        Paused,
    }
    let mut since = Since::Paused;
    std::iter::from_fn(move || {
        // Thrice at most: what was given is written, then comes the pause, then the sleep.
        loop {
            let item = match (queue.try_recv(), &since) {
                (Ok(item), _) => Some(item),
                (Err(_), Since::Given) => {
                    since = Since::Written;
                    return Some(None);
                }
                (Err(TryRecvError::Disconnected), _) => None,
                (Err(TryRecvError::Empty), Since::Written) => {
                    thread::park_timeout(PAUSE);
                    since = Since::Paused;
                    continue;
                }
                (Err(TryRecvError::Empty), Since::Paused) => queue.recv().ok(),
            };
            since = Since::Given;
            return item.map(Some);
        }
    })
}

/// Lines that are written together.
pub(crate) struct Batch {
    most: usize,
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Batch {
    /// Of `most` bytes, unless one line is longer.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, bytes: Vec::new(), ends: Vec::new() }
    }

    /// Whether `line` can be written together with what is there.
    pub(crate) fn has_room(&self, line: &[u8]) -> bool {
        self.is_empty() || self.bytes.len() + line.len() <= self.most
    }

    pub(crate) fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets its lines, and says how many they were.
    pub(crate) fn clear(&mut self) -> u64 {
        let lines = self.ends.len() as u64;
        // One long line must not be held for ever.
        self.bytes.clear();
        self.bytes.shrink_to(self.most);
        self.ends.clear();
        lines
    }
}

/// What lines are written to.
pub(crate) struct Lines<W> {
    to: W,
    /// A line broke off: what comes next begins on a line of its own.
    broken: bool,
}

impl<W: Write> Lines<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, broken: false }
    }

    /// Writes the batch, and empties it. A line that cannot be written is lost, and the next one tried all the same: a disk
    /// has room again some day. Says how many were lost, and why the last was.
    pub(crate) fn write(&mut self, batch: &mut Batch) -> (u64, Option<Error>) {
        let (mut at, mut lost, mut error) = (0, 0, None);
        // Each turn but the last loses a line.
        while at < batch.bytes.len() {
            let (written, result) = self.put(&batch.bytes[at..]);
            let Err(failed) = result else { break };
            let reached = at + written;
            let line = batch.ends.partition_point(|end| *end <= reached);
            let begin = line.checked_sub(1).map_or(0, |before| batch.ends[before]);
            self.broken |= reached > begin;
            at = batch.ends[line];
            lost += 1;
            error = Some(failed);
        }
        batch.clear();
        (lost, error)
    }

    /// How far it came.
    fn put(&mut self, bytes: &[u8]) -> (usize, Result<()>) {
        if self.broken {
            if let Err(error) = self.to.write_all(b"\n") {
                return (0, Err(error));
            }
            self.broken = false;
        }
        let mut written = 0;
        while written < bytes.len() {
            match self.to.write(&bytes[written..]) {
                Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// Takes so many bytes with each write; `None`: it fails.
    struct Scripted {
        taken: Vec<u8>,
        script: Vec<Option<usize>>,
        writes: usize,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let turn = self.script.get(self.writes).copied().unwrap_or(Some(usize::MAX));
            self.writes += 1;
            let count = turn.ok_or(ErrorKind::StorageFull)?.min(bytes.len());
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn written(script: &[Option<usize>]) -> (String, u64, usize) {
        let mut batch = Batch::new(64);
        for line in ["one\n", "two\n", "three\n"] {
            assert!(batch.has_room(line.as_bytes()));
            batch.push(line.as_bytes());
        }
        let mut lines = Lines::new(Scripted { taken: Vec::new(), script: script.to_vec(), writes: 0 });
        let (lost, error) = lines.write(&mut batch);
        assert_eq!((lost > 0, batch.is_empty()), (error.is_some(), true));
        (String::from_utf8(lines.to.taken).unwrap(), lost, lines.to.writes)
    }

    #[test]
    fn many_lines_are_one_write() {
        assert_eq!(written(&[]), ("one\ntwo\nthree\n".into(), 0, 1));
        assert_eq!(written(&[Some(5), Some(1)]), ("one\ntwo\nthree\n".into(), 0, 3));
    }

    #[test]
    fn a_line_that_breaks_off_is_lost_and_spoils_no_other() {
        for (script, text, lost) in [
            (&[Some(6), None][..], "one\ntw\nthree\n", 1),
            // Nothing of the line was written, so that there is nothing to end.
            (&[Some(4), None], "one\nthree\n", 1),
            (&[None], "two\nthree\n", 1),
            // Nor can the broken line be ended.
            (&[Some(2), None, None], "on\nthree\n", 2),
            (&[None, None, None], "", 3),
            (&[Some(13), None], "one\ntwo\nthree", 1),
            (&[Some(0)], "two\nthree\n", 1),
        ] {
            let (found, its, _) = written(script);
            assert_eq!((found.as_str(), its), (text, lost), "{script:?}");
        }
    }

    #[test]
    fn a_batch_takes_what_it_has_room_for_and_always_one() {
        let mut batch = Batch::new(8);
        assert!(batch.has_room(&[b'x'; 20]));
        batch.push(b"seven..");
        assert!(batch.has_room(b"\n") && !batch.has_room(b"x\n"));
        assert_eq!((batch.clear(), batch.has_room(b"x\n")), (1, true));
    }

    #[test]
    fn what_is_there_is_given_before_it_is_time_to_write() {
        let (queue, items) = sync_channel(4);
        for item in 0..3 {
            queue.send(item).unwrap();
        }
        drop(queue);
        let all: Vec<_> = gathered(&items).collect();
        assert_eq!(all, [Some(0), Some(1), Some(2), None]);
    }

    #[test]
    fn a_line_after_silence_is_given_at_once_and_those_after_it_together() {
        let (queue, items) = sync_channel(4);
        let reading = thread::spawn(move || gathered(&items).collect::<Vec<_>>());
        // Asleep by then, or about to be: it makes no difference to what it gives.
        thread::park_timeout(PAUSE * 4);
        queue.send(1).unwrap();
        thread::park_timeout(PAUSE * 20);
        drop(queue);
        assert_eq!(reading.join().unwrap(), [Some(1), None]);
    }
}
