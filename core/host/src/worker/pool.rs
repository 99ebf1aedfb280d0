//! The workers of one plugin.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::launch::{cpu, resident};
use super::options::ProcessOptions;
use super::protocol::{Garbled, Take};
use super::shard::{Shard, Source};
use super::slot::{Failed, Slot, Waiting, wait};
use super::supervisor;
use crate::entry::{About, Offers};
use crate::image::Image;

/// More would be a mistake of the configuration's.
const MAX_SHARDS: u32 = 64;

/// What a worker is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// It serves, or begins to.
    Up,
    /// The last one ended; the next one comes.
    Down,
}

/// One worker, for people.
#[derive(Debug, Clone)]
pub struct WorkerStatus {
    /// Which one, from 0.
    pub shard: u32,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// What it is at.
    pub state: WorkerState,
    /// How often another one took its place.
    pub restarts: u32,
    /// Resident memory in bytes, where the system says.
    pub rss: Option<u64>,
    /// CPU time that this process has used, where the system says.
    pub cpu: Option<Duration>,
    /// Calls and streams that are with it.
    pub load: usize,
}

/// The workers of one plugin. Dropping it ends them, without waiting for that.
pub(crate) struct Pool {
    shards: Vec<Arc<Shard>>,
    ids: AtomicU64,
}

impl Pool {
    /// Starts the first worker, and waits for what it says of the plugin. The error is a clause whose subject is the
    /// file.
    pub(crate) fn start(
        path: &Path,
        image: Image,
        options: &ProcessOptions,
    ) -> Result<(Self, About), String> {
        let no_thread = |e: std::io::Error| format!("its worker cannot be looked after: {e}");
        let source = Arc::new(Source { path: path.to_owned(), image });
        let mut shards = Vec::new();
        for index in 0..options.shards.clamp(1, MAX_SHARDS) {
            shards.push(Arc::new(Shard::new(index, options, source.clone()).map_err(no_thread)?));
        }
        // From here on its drop ends what was begun.
        let pool = Self { shards, ids: AtomicU64::new(1) };
        let slot = Arc::new(Slot::default());
        supervisor::start(pool.shards[0].clone(), Some(slot.clone())).map_err(no_thread)?;
        let about = match wait(Waiting(slot)) {
            Ok((payload, _)) => read_about(&payload)?,
            Err(Failed::Ended(how)) => return Err(format!("its worker {how}")),
            Err(Failed::Away | Failed::Long) => return Err("its worker is away".to_owned()),
        };
        Ok((pool, about))
    }

    /// Says whose workers they are, and starts the others.
    pub(crate) fn belongs_to(&self, id: u32, name: &'static str) {
        let described = self.shards[0].described.get().cloned();
        for shard in &self.shards {
            // Once: a pool belongs to one plugin.
            let _ = shard.whose.set((id, name));
            if shard.index == 0 {
                shard.announce();
                continue;
            }
            if let Some(described) = &described {
                let _ = shard.described.set(described.clone());
            }
            if let Err(error) = supervisor::start(shard.clone(), None) {
                tracing::error!(
                    plugin = name,
                    shard = shard.index,
                    "a worker cannot be looked after: {error}"
                );
                shard.give_up();
            }
        }
    }

    /// A number that no other instance or stream of this plugin has.
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// The worker that has the least to do.
    pub(crate) fn least_loaded(&self) -> &Arc<Shard> {
        match &self.shards[..] {
            [only] => only,
            several => several.iter().min_by_key(|shard| shard.load()).unwrap_or(&several[0]),
        }
    }

    pub(crate) fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    pub(crate) fn status(&self) -> Vec<WorkerStatus> {
        let status = |shard: &Arc<Shard>| {
            let inside = shard.inside.lock();
            let (pid, restarts, load) = (inside.pid, inside.restarts, inside.line.load());
            let state = if inside.line.is_up() { WorkerState::Up } else { WorkerState::Down };
            drop(inside);
            let (rss, cpu) = (pid.and_then(resident), pid.and_then(cpu));
            WorkerStatus { shard: shard.index, pid, state, restarts, rss, cpu, load }
        };
        self.shards.iter().map(status).collect()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for shard in &self.shards {
            shard.close();
        }
    }
}

/// What a worker says of its plugin, judged as if it had been loaded here.
fn read_about(payload: &[u8]) -> Result<About, String> {
    let mut fields = Take(payload);
    let read = |Garbled(what): Garbled| format!("its worker broke the protocol: {what}");
    if fields.u8().map_err(read)? != 0 {
        let reason = fields.bytes().map_err(read)?;
        return Err(crate::log::printable_lines(reason));
    }
    let mut about = || {
        let (name, version, minor, manifest) =
            (fields.text()?, fields.text()?, fields.u32()?, fields.text()?);
        let offers = Offers { provider: fields.flag()?, policy: fields.flag()?, pick: fields.flag()? };
        Ok((name, version, minor, manifest, offers))
    };
    let (name, version, minor, manifest, offers) = about().map_err(read)?;
    About::checked(name, version, minor, manifest, offers)
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool of {} workers", self.shards.len())
    }
}
