//! Puts log lines on standard error from a thread of its own.
//!
//! A worker must wait for nothing, and standard error can make it wait for ever: a pipe that nobody reads, a file on a
//! full disk, a terminal that is stopped. So a line is handed over or dropped, and the thread alone waits.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::batch::{Batch, Lines, gathered};

/// Lines that wait for the thread: some seconds of a busy proxy's.
const QUEUE: usize = 4096;
/// Bytes that are written at once: a pipe takes no more without letting another writer's come between (pipe(7)), and at a
/// restart two processes write to one.
const TOGETHER: usize = 4096;
/// The longest wait for the last lines at the end: who does not read by then has no use for them.
const LAST_LINES: Duration = Duration::from_millis(500);
/// A pause before a full queue is tried again.
const ROOM: Duration = Duration::from_millis(5);

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
    if let Some(queue) = QUEUED.get() {
        wait_for_all(queue, Item::Flush, LAST_LINES);
    }
}

/// Waits, but no longer than `most`, until the thread behind a queue has dropped what `item` is made of: all that was queued
/// before is written then. A full queue is one that has much to write, and is tried again until it has room.
pub(crate) fn wait_for_all<T>(queue: &SyncSender<T>, item: impl FnOnce(SyncSender<()>) -> T, most: Duration) {
    let until = Instant::now() + most;
    let (done, written) = sync_channel(0);
    let mut item = item(done);
    while let Err(unsent) = queue.try_send(item) {
        let TrySendError::Full(back) = unsent else { return };
        if Instant::now() >= until {
            return;
        }
        item = back;
        // Nothing is ever sent, and the other end is in the item: it ends with the time.
        let _ = written.recv_timeout(ROOM);
    }
    // It ends with the drop, or with the time.
    let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
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

    /// Hands a line over, or counts it as lost.
    pub(super) fn line(self, line: Vec<u8>) {
        let taken = QUEUED.get().is_some_and(|queue| queue.try_send(Item::Line(line)).is_ok());
        if !taken {
            LOST.fetch_add(1, Relaxed);
        }
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
        self.line(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes until the other end is gone. What cannot be written is counted.
fn write(lines: &Receiver<Item>, to: impl Write) {
    let (mut to, mut batch) = (Lines::new(to), Batch::new(TOGETHER));
    let mut put = |batch: &mut Batch| {
        let (lost, _) = to.write(batch);
        LOST.fetch_add(lost, Relaxed);
    };
    for item in gathered(lines) {
        match item {
            Some(Item::Line(line)) => {
                if !batch.has_room(&line) {
                    put(&mut batch);
                }
                batch.push(&line);
            }
            // Who waits is told when the item is dropped, after that.
            Some(Item::Flush(_)) | None => put(&mut batch),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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

    struct Counts(Arc<AtomicU64>);

    impl Write for Counts {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.fetch_add(bytes.len() as u64, Relaxed);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_is_waited_for() {
        let (queue, lines) = sync_channel(1);
        queue.send(Item::Line(b"last\n".to_vec())).unwrap();
        let bytes = Arc::new(AtomicU64::new(0));
        let to = Counts(bytes.clone());
        let writing = thread::spawn(move || {
            // Until it was found full.
            thread::park_timeout(Duration::from_millis(200));
            write(&lines, to);
        });
        wait_for_all(&queue, Item::Flush, Duration::from_secs(60));
        assert_eq!(bytes.load(Relaxed), 5);
        drop(queue);
        writing.join().unwrap();
    }

    #[test]
    fn a_queue_that_stays_full_is_left() {
        let (queue, lines) = sync_channel(1);
        queue.send(Item::Line(b"last\n".to_vec())).unwrap();
        wait_for_all(&queue, Item::Flush, Duration::from_millis(20));
        drop(lines);
        // Nor is one whose other end is gone.
        wait_for_all(&queue, Item::Flush, Duration::from_secs(3600));
    }
}
