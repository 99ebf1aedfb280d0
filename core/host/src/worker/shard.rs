//! One worker's place: its line of calls, and the socket to whatever process is in it at the moment.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::hook::hook;
use super::line::{Call, Line, Wakers, What};
use super::options::ProcessOptions;
use super::protocol::frame::frame;
use super::protocol::{Put, Tag, ask};
use super::slot::{Slot, Waiting};
use crate::image::Image;

/// What a worker is to load.
#[derive(Debug)]
pub(crate) struct Source {
    /// The file that the content was read from.
    pub(crate) path: PathBuf,
    /// The content.
    pub(crate) image: Image,
}

/// See the module.
pub(crate) struct Shard {
    pub(crate) index: u32,
    pub(crate) options: ProcessOptions,
    pub(crate) source: Arc<Source>,
    /// The plugin's number and name, once they are known.
    pub(crate) whose: OnceLock<(u32, &'static str)>,
    /// What the first worker said of the plugin: each later one has to say the same.
    pub(crate) described: OnceLock<Vec<u8>>,
    pub(crate) inside: Mutex<Inside>,
    ids: AtomicU64,
    /// A byte here wakes the thread that looks after the worker.
    bell: UnixStream,
    pub(crate) ear: UnixStream,
}

pub(crate) struct Inside {
    pub(crate) line: Line,
    pub(crate) socket: Option<Arc<UnixStream>>,
    /// The thread that looks after the worker sleeps until it is woken.
    pub(crate) sleeps: bool,
    pub(crate) closing: bool,
    /// A caller could not read what the worker of this number answered.
    pub(crate) breach: Option<(u64, String)>,
    pub(crate) pid: Option<u32>,
    /// The observer was told of this worker.
    pub(crate) announced: bool,
    pub(crate) restarts: u32,
}

impl Shard {
    pub(crate) fn new(index: u32, options: &ProcessOptions, source: Arc<Source>) -> io::Result<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self {
            index,
            options: options.clone(),
            source,
            whose: OnceLock::new(),
            described: OnceLock::new(),
            inside: Mutex::new(Inside {
                line: Line::new(options.replay),
                socket: None,
                sleeps: false,
                closing: false,
                breach: None,
                pid: None,
                announced: false,
                restarts: 0,
            }),
            ids: AtomicU64::new(1),
            bell,
            ear,
        })
    }

    /// The file's name without its ending.
    pub(crate) fn stem(&self) -> OsString {
        self.source.path.file_stem().unwrap_or_default().to_owned()
    }

    /// The plugin's name, or its file's.
    pub(crate) fn name(&self) -> String {
        match self.whose.get() {
            Some((_, name)) => (*name).to_owned(),
            None => self.stem().to_string_lossy().into_owned(),
        }
    }

    pub(crate) fn load(&self) -> usize {
        self.inside.lock().line.load()
    }

    /// Wakes the thread that looks after the worker.
    pub(crate) fn ring(&self) {
        // When it is full, it rings already.
        let _ = (&self.bell).write(&[1]);
    }

    /// Puts a call in line; its answer comes to the slot that is returned. Never blocks.
    pub(crate) fn call(&self, tag: Tag, what: What, cap: usize, payload: impl FnOnce(&mut Put)) -> Waiting {
        let slot = Arc::new(Slot::default());
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let call = Call::new(id, tag, what, Arc::new(frame(id, tag, payload)), cap);
        self.add(call.answered_in(slot.clone()));
        Waiting(slot)
    }

    /// Puts a call in line whose answer nobody waits for.
    pub(crate) fn tell(&self, tag: Tag, what: What, payload: impl FnOnce(&mut Put)) {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        self.add(Call::new(id, tag, what, Arc::new(frame(id, tag, payload)), super::line::SMALL));
    }

    fn add(&self, call: Call) {
        let mut inside = self.inside.lock();
        let wakers = inside.line.add(call);
        let blocked = inside.flush();
        let ring = blocked || std::mem::take(&mut inside.sleeps);
        drop(inside);
        if ring {
            self.ring();
        }
        wake(wakers);
    }

    /// The first call to a new worker.
    pub(crate) fn hello(&self) -> Call {
        let hello = ask::Hello {
            path: &self.source.path,
            place: self.source.image.place(),
            memory: self.options.memory,
        };
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let frame = Arc::new(frame(id, Tag::Hello, |put| hello.put(put)));
        Call::new(id, Tag::Hello, What::Hello, frame, 2 << 20)
    }

    /// What the worker of this number answered cannot be read.
    pub(crate) fn breach(&self, generation: u64, what: &str) {
        self.inside.lock().breach = Some((generation, what.to_owned()));
        self.ring();
    }

    /// Tells the observer of a worker that has loaded its plugin, once, as soon as it is known which plugin that is.
    pub(crate) fn announce(&self) {
        let Some((id, _)) = self.whose.get() else { return };
        let mut inside = self.inside.lock();
        let Some(pid) = inside.pid.filter(|_| !inside.announced) else { return };
        inside.announced = true;
        drop(inside);
        if let Some(hook) = hook() {
            hook.started(*id, self.index, pid);
        }
    }

    /// There is nobody to look after a worker.
    pub(crate) fn give_up(&self) {
        let wakers = self.inside.lock().line.give_up();
        wake(wakers);
    }

    /// Ends it for good: the worker is asked to end, and killed when it does not.
    pub(crate) fn close(&self) {
        self.inside.lock().closing = true;
        self.ring();
    }
}

impl Inside {
    /// Writes what the socket takes. `true`: something is left, and the socket is full.
    pub(crate) fn flush(&mut self) -> bool {
        let Some(socket) = &self.socket else { return false };
        while let Some(bytes) = self.line.to_write() {
            match (&**socket).write(bytes) {
                Ok(written) => self.line.wrote(written),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
            }
        }
        false
    }
}

pub(crate) fn wake(wakers: Wakers) {
    for waker in wakers {
        waker.wake();
    }
}
