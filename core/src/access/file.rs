//! The access log's own file. A thread of its own writes it: no request waits for a disk, and what that does not take, for
//! being full or slow, is counted and gone.

use std::fs::OpenOptions;
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use prometheus::IntCounter;

use crate::logging::{Batch, Lines, gathered, wait_for_all};

/// Lines that wait for the thread.
const WAITING: usize = 8_192;
/// Bytes that are written at once.
const TOGETHER: usize = 64 << 10;
/// The longest wait for the last lines at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Hands lines to the thread that writes them.
#[derive(Debug)]
pub struct File {
    queue: SyncSender<Item>,
    path: PathBuf,
    lost: IntCounter,
}

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// Whoever turns logs over has moved the file away.
    Reopen,
    /// Everything before this is written when the other side is dropped.
    Flush(#[expect(dead_code, reason = "what counts is that it is dropped")] SyncSender<()>),
}

impl File {
    /// Opens it, and starts the thread.
    ///
    /// # Errors
    /// One of the two cannot be had.
    pub(super) fn start(path: &Path, lost: IntCounter) -> Result<Self> {
        let file = open(path)?;
        let (queue, items) = sync_channel(WAITING);
        let (of_thread, losses) = (path.to_owned(), lost.clone());
        let work = move || Writer::new(Some(file), || open(&of_thread), &losses).write(&items);
        thread::Builder::new().name("tidegate-access".into()).spawn(work)?;
        Ok(Self { queue, path: path.to_owned(), lost })
    }

    pub(super) fn line(&self, line: Vec<u8>) {
        if self.queue.try_send(Item::Line(line)).is_err() {
            self.lost.inc();
        }
    }

    pub(super) fn reopen(&self) {
        if self.queue.try_send(Item::Reopen).is_err() {
            tracing::error!(file = %self.path.display(), "the access log is too far behind to be opened anew: try again");
        }
    }

    pub(super) fn flush(&self) {
        wait_for_all(&self.queue, Item::Flush, LAST_LINES);
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn open(path: &Path) -> Result<std::fs::File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// The thread's work.
struct Writer<'a, W, O> {
    /// `None`: the last opening failed, and each batch tries again.
    file: Option<Lines<W>>,
    open: O,
    batch: Batch,
    failing: bool,
    lost: &'a IntCounter,
}

impl<'a, W: Write, O: FnMut() -> Result<W>> Writer<'a, W, O> {
    fn new(file: Option<W>, open: O, lost: &'a IntCounter) -> Self {
        Self { file: file.map(Lines::new), open, batch: Batch::new(TOGETHER), failing: false, lost }
    }

    /// Writes until the other end is gone.
    fn write(&mut self, items: &Receiver<Item>) {
        for item in gathered(items) {
            match item {
                Some(Item::Line(line)) => {
                    if !self.batch.has_room(&line) {
                        self.put();
                    }
                    self.batch.push(&line);
                }
                Some(Item::Reopen) => {
                    // What the old one holds is whole: it has no buffer of ours.
                    self.put();
                    self.file = None;
                    self.is_open();
                }
                // Who waits is told when the item is dropped, after that.
                Some(Item::Flush(_)) | None => self.put(),
            }
        }
    }

    fn put(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if !self.is_open() {
            self.lost.inc_by(self.batch.clear());
            return;
        }
        let Some(file) = &mut self.file else { return };
        let (lost, error) = file.write(&mut self.batch);
        self.lost.inc_by(lost);
        match error {
            Some(error) => self.failed(&error),
            None => self.failing = false,
        }
    }

    fn is_open(&mut self) -> bool {
        if self.file.is_none() {
            match (self.open)() {
                Ok(file) => self.file = Some(Lines::new(file)),
                Err(error) => self.failed(&error),
            }
        }
        self.file.is_some()
    }

    /// Said once, until a write goes well.
    fn failed(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "the access log cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn lost() -> IntCounter {
        IntCounter::new("lost", "lost").unwrap()
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("access.jsonl"), dir.path().join("access.jsonl.1"));
        let log = File::start(&path, lost()).unwrap();
        log.line(b"one\n".to_vec());
        log.flush();
        std::fs::rename(&path, &old).unwrap();
        log.line(b"two\n".to_vec());
        log.reopen();
        log.line(b"three\n".to_vec());
        log.flush();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let error = File::start(&dir.path().join("no/such/folder"), lost()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn what_waits_in_a_full_queue_is_written_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.jsonl");
        let (queue, items) = sync_channel(1);
        let log = File { queue, path: path.clone(), lost: lost() };
        log.line(b"one\n".to_vec());
        let file = open(&path).unwrap();
        let writing = thread::spawn(move || {
            // Until it was found full.
            thread::park_timeout(Duration::from_millis(200));
            Writer::new(Some(file), || Err(ErrorKind::NotFound.into()), &lost()).write(&items);
        });
        log.flush();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
        drop(log);
        writing.join().unwrap();
    }

    /// Takes six bytes, and fails the rest of that write.
    struct Full(Vec<u8>, u32);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.1 += 1;
            match self.1 {
                1 => {
                    self.0.extend_from_slice(&bytes[..6]);
                    Ok(6)
                }
                2 => Err(ErrorKind::StorageFull.into()),
                _ => {
                    self.0.extend_from_slice(bytes);
                    Ok(bytes.len())
                }
            }
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_breaks_off_is_counted_and_spoils_no_other() {
        let lost = lost();
        let (queue, items) = sync_channel(4);
        for line in ["one\n", "two\n", "three\n"] {
            queue.send(Item::Line(line.into())).unwrap();
        }
        drop(queue);
        let mut full = Full(Vec::new(), 0);
        Writer::new(Some(&mut full), || Err(ErrorKind::NotFound.into()), &lost).write(&items);
        assert_eq!(full.0, b"one\ntw\nthree\n");
        assert_eq!(lost.get(), 1);
    }
}
