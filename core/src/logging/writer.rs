//! Puts log lines on standard error from a thread of its own.
//!
//! A worker must wait for nothing, and standard error can make it wait for ever: a pipe that nobody reads, a file on a
//! full disk, a terminal that is stopped. So a line is handed over or dropped, and the thread alone waits.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for the thread: some seconds of a busy proxy's.
const QUEUE: usize = 4096;
/// The longest wait for the last lines at the end: who does not read by then has no use for them.
const LAST_LINES: Duration = Duration::from_millis(500);

static LOST: AtomicU64 = AtomicU64::new(0);
static QUEUED: OnceLock<SyncSender<Item>> = OnceLock::new();

enum Item {
    Line(Vec<u8>),
    /// Everything before this is written when the other side is dropped.
    Flush(#[expect(dead_code, reason = "what counts is that it is dropped")] SyncSender<()>),
}

/// Lines that nobody took in time, or that could not be written.
pub fn lost() -> u64 {
    LOST.load(Relaxed)
}

/// Waits, but not for long, until what was logged is written. Does nothing where no thread was started.
pub fn flush() {
    let Some(queue) = QUEUED.get() else { return };
    let (done, written) = sync_channel(0);
    if queue.try_send(Item::Flush(done)).is_ok() {
        // Nothing is ever sent: it ends with the drop, or with the time.
        let _ = written.recv_timeout(LAST_LINES);
    }
}

/// What the log is written to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue;

impl Queue {
    /// Starts the thread, once a process.
    pub(super) fn start() -> Self {
        QUEUED.get_or_init(|| {
            let (queue, lines) = sync_channel(QUEUE);
            let started =
                thread::Builder::new().name("tidegate-log".into()).spawn(move || write(&lines, io::stderr()));
            if started.is_err() {
                // The queue has no other end then, and every line is counted as lost.
                LOST.fetch_add(1, Relaxed);
            }
            queue
        });
        Self
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

/// `tracing_subscriber` writes each line with one call.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let taken = QUEUED.get().is_some_and(|queue| queue.try_send(Item::Line(line.to_vec())).is_ok());
        if !taken {
            LOST.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes until the other end is gone. What cannot be written is counted, and the next line tried all the same: a disk has
/// room again some day.
fn write(lines: &Receiver<Item>, mut to: impl Write) {
    while let Ok(item) = lines.recv() {
        if let Item::Line(line) = item
            && to.write_all(&line).is_err()
        {
            LOST.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails for the first line.
    struct Full(Vec<u8>, bool);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.1, false) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted_and_the_next_is_tried() {
        let before = lost();
        let (queue, lines) = sync_channel(4);
        let (done, written) = sync_channel(0);
        for item in [Item::Line(b"one\n".to_vec()), Item::Line(b"two\n".to_vec()), Item::Flush(done)] {
            queue.send(item).unwrap();
        }
        drop(queue);
        let mut full = Full(Vec::new(), true);
        write(&lines, &mut full);
        assert_eq!((full.0.as_slice(), lost() - before), (&b"two\n"[..], 1));
        assert!(written.recv().is_err(), "the one who waits is told by the drop");
    }
}
