//! The incidents' file: JSON, one incident a line, in files of a bounded size and number.
//!
//! A thread of its own writes it. What cannot be written, for a full disk or a slow one, is counted and stays in the
//! ring.

use std::fs::{File, OpenOptions, rename};
use std::io::{Error, Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use prometheus::IntCounter;

use crate::config::Incidents;

/// Incidents that wait to be written.
const WAITING: usize = 1_024;

/// Hands incidents to the thread that writes them.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: SyncSender<Message>,
    lost: IntCounter,
}

#[derive(Debug)]
enum Message {
    Line(String),
    /// Answer when everything before is written.
    Flush(SyncSender<()>),
}

impl Writer {
    /// Starts the thread where the settings or systemd name a file. `lost` counts what could not be written.
    ///
    /// # Errors
    /// There can be no more threads, or the file cannot be opened.
    pub fn start(settings: &Incidents, lost: IntCounter) -> Result<Option<Self>> {
        let Some(path) = path(settings, std::env::var_os("STATE_DIRECTORY").as_deref()) else {
            return Ok(None);
        };
        let mut log = Log::new(path, settings.max_size, settings.keep);
        log.open().map_err(|error| Error::new(error.kind(), format!("{}: {error}", log.path.display())))?;
        let (queue, messages) = sync_channel(WAITING);
        let writer = Self { queue, lost: lost.clone() };
        std::thread::Builder::new()
            .name("tidegate-incidents".into())
            .spawn(move || write(log, &messages, &lost))?;
        Ok(Some(writer))
    }

    /// Hands over a line. Does not wait.
    pub fn line(&self, line: String) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.lost.inc();
        }
    }

    /// Waits until what was handed over is written, at most so long.
    pub fn flush(&self, limit: Duration) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // At the limit the rest is lost.
            let _ = written.recv_timeout(limit);
        }
    }
}

fn write(mut log: Log, messages: &Receiver<Message>, lost: &IntCounter) {
    let mut failing = false;
    for message in messages {
        let line = match message {
            Message::Line(line) => line,
            Message::Flush(done) => {
                // Who asked may have stopped waiting.
                let _ = done.send(());
                continue;
            }
        };
        let result = log.append(&line);
        if let Err(error) = &result {
            lost.inc();
            if !failing {
                tracing::error!(%error, file = %log.path.display(), "an incident could not be written");
            }
        }
        failing = result.is_err();
    }
}

/// Where it is written.
fn path(settings: &Incidents, state: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    settings.file.clone().or_else(|| {
        // systemd puts a colon between several.
        let first = std::env::split_paths(state?).next()?;
        (!first.as_os_str().is_empty()).then(|| first.join("incidents.jsonl"))
    })
}

/// The file and those that were put aside: `FILE.1` is the latest of them.
struct Log {
    path: PathBuf,
    max_size: u64,
    keep: u32,
    file: Option<File>,
    /// The last write broke off: what comes next begins on a line of its own.
    broken: bool,
}

impl Log {
    fn new(path: PathBuf, max_size: u64, keep: u32) -> Self {
        Self { path, max_size, keep, file: None, broken: false }
    }

    fn open(&mut self) -> Result<()> {
        if self.file.is_none() {
            // What a command of a guard wrote is in it. One that is there keeps the mode that it was given.
            self.file = Some(OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?);
        }
        Ok(())
    }

    fn append(&mut self, line: &str) -> Result<()> {
        self.open()?;
        let Some(file) = &mut self.file else { return Ok(()) };
        let size = file.metadata()?.len();
        if size > 0 && size + line.len() as u64 >= self.max_size {
            self.file = None;
            self.rotate()?;
            self.open()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let text = if self.broken { format!("\n{line}\n") } else { format!("{line}\n") };
        let written = file.write_all(text.as_bytes());
        self.broken = written.is_err();
        written
    }

    fn rotate(&self) -> Result<()> {
        if self.keep == 0 {
            return std::fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            // Those that are not there yet need no place.
            let _ = rename(aside(&self.path, number), aside(&self.path, number + 1));
        }
        rename(&self.path, aside(&self.path, 1))
    }
}

/// The name of the file that was put aside `number` files ago.
pub fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn lost() -> IntCounter {
        IntCounter::new("lost", "lost").unwrap()
    }

    #[test]
    fn it_is_bounded_in_size_and_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("incidents.jsonl");
        let settings = Incidents { file: Some(path.clone()), max_size: 20, keep: 2 };
        let lost = lost();
        let writer = Writer::start(&settings, lost.clone()).unwrap().unwrap();
        (0..7).for_each(|n| writer.line(format!("{{\"n\":{n}}}")));
        writer.flush(Duration::from_secs(20));
        assert_eq!(read(&path), "{\"n\":6}\n");
        assert_eq!(read(&aside(&path, 1)), "{\"n\":4}\n{\"n\":5}\n");
        assert_eq!(read(&aside(&path, 2)), "{\"n\":2}\n{\"n\":3}\n");
        for file in [path.clone(), aside(&path, 1), aside(&path, 2)] {
            let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
            assert_eq!(mode & 0o077, 0, "{}: {mode:o}", file.display());
        }
        assert!(!aside(&path, 3).exists());
        assert_eq!(lost.get(), 0);
    }

    #[test]
    fn none_kept_leaves_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::new(dir.path().join("i"), 10, 0);
        (0..9).for_each(|n| log.append(&format!("line {n}")).unwrap());
        assert_eq!(read(&log.path), "line 8\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_counted() {
        let settings = Incidents { file: Some("/dev/full".into()), ..Incidents::default() };
        let lost = lost();
        let writer = Writer::start(&settings, lost.clone()).unwrap().unwrap();
        (0..3).for_each(|_| writer.line("{}".into()));
        writer.flush(Duration::from_secs(20));
        assert_eq!(lost.get(), 3);
    }

    #[test]
    fn the_file_is_the_settings_else_systemds_else_none() {
        let set = Incidents { file: Some("/x/y".into()), ..Incidents::default() };
        assert_eq!(path(&set, Some("/var/lib/t".as_ref())), Some("/x/y".into()));
        let unset = Incidents::default();
        assert_eq!(path(&unset, Some("/var/lib/t:/b".as_ref())), Some("/var/lib/t/incidents.jsonl".into()));
        assert_eq!(path(&unset, None), None);
        let nowhere = Incidents { file: Some("/there/is/no/such/folder".into()), ..Incidents::default() };
        assert!(Writer::start(&nowhere, lost()).is_err());
    }
}
