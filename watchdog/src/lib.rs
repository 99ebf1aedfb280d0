//! A watchdog over cooperative tasks: it finds the one stream that runs away and ends that one alone.
//!
//! Each stream's polls go through a [`Probe`], which costs two reads of the time-stamp counter and a few plain stores.
//! A thread of its own looks at the worker threads every 10 ms and at all streams every 250 ms, and judges them by
//! [`Rules`]. A verdict is a flag that the stream reads at its next poll ([`Probe::verdict`]); where the poll itself does not
//! return, the stream's client is let go through [`Kill`], and the runtime is kept alive through [`Hooks::poke`].
//!
//! It knows streams, labels, counters and numbered plugins; nothing of HTTP, of providers or of the async runtime.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

mod brake;
mod capacity;
mod config;
mod cpu;
mod dump;
mod gate;
mod gates;
mod incident;
mod journal;
mod ladder;
mod probe;
mod record;
mod report;
mod ring;
mod rules;
mod sampler;
mod shared;
mod stats;
mod streams;
mod ticks;
mod worker;

use journal::Journal;
use ladder::{Case, Ladder};
use record::{Cold, StreamRef};
use sampler::Sampler;
use shared::Shared;
use ticks::Ticks;

pub use config::{
    Brake, Config, Cpu, Mode, NoProgress, Poke, Quarantine, Rules, Strikes, StuckPoll, Warnings,
};
pub use dump::{Dump, WorkerDump};
pub use gate::{Gate, Pass};
pub use gates::{QuarantineInfo, Suspected};
pub use incident::{Action, Incident, Labels, Phase, PollTimes, Rule, Sample, StreamInfo, Verdict};
pub use probe::{Lived, Probe};
pub use report::{Event, IncidentId, Kind, Report};
pub use stats::{PollDurations, Stats};
pub use worker::{PluginGuard, WorkGuard, plugin_enter, work_enter};

/// What the watchdog asks of its owner. Called on the watchdog's own thread, or on that of who makes a report, so none may
/// block; a panic in one is caught and counted.
pub trait Hooks: Send + Sync + 'static {
    /// Wake one idle worker, for example by spawning an empty task on the runtime. At most once per
    /// [`Poke::every`] while some worker is in one poll for too long.
    fn poke(&self);
    /// A stream was judged, or something was reported. Also called in [`Mode::Observe`], and for what the brake held back.
    fn incident(&self, incident: &Arc<Incident>);
    /// A stream passed a lower threshold. At most [`Warnings::per_minute`] for each rule.
    fn warn(&self, incident: &Incident);
    /// Let a thread run only when nothing else wants to; the number is the system's. Answers whether it was done.
    fn demote(&self, _thread: i32) -> bool {
        false
    }
    /// Undo [`Hooks::demote`]. Answers whether it was done.
    fn raise(&self, _thread: i32) -> bool {
        false
    }
    /// Start another runtime, and say with [`Watchdog::serves`] that it serves, within ten seconds. Only in
    /// [`Mode::Enforce`].
    fn take_over(&self) {}
    /// End the process: nothing else is left. Only in [`Mode::Enforce`], and once.
    fn give_up(&self, _dump: &Dump) {}
}

/// What can be done to the transport of a stuck stream from outside of its task.
pub trait Kill: Send + Sync {
    /// Shut the client's socket down. Called on the watchdog's thread, while the stream cannot close: it must return at
    /// once, and must not touch the stream's [`Probe`].
    fn shut(&self);
    /// The stream was ended by [`Watchdog::end`]. It may wait for a client that does not read, and for nothing else, so that
    /// no poll of it finds the verdict: it has a short time left. Called on the thread that ended it; must return at once.
    fn hurry(&self) {}
}

/// The handle. Clones are the same watchdog; its thread ends with [`Watchdog::stop`] or with the last clone.
#[derive(Clone)]
pub struct Watchdog(Option<Arc<Handle>>);

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    _hooks: Arc<dyn Hooks>,
}

impl Watchdog {
    /// Starts the thread, unless the mode is [`Mode::Off`].
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] with a sentence when a setting makes no sense, or the system's own error when
    /// there can be no more threads.
    pub fn start(config: Config, hooks: impl Hooks) -> io::Result<Self> {
        config.check().map_err(|fault| io::Error::new(io::ErrorKind::InvalidInput, fault))?;
        if config.mode == Mode::Off {
            return Ok(Self(None));
        }
        let hooks: Arc<dyn Hooks> = Arc::new(hooks);
        let shared = Shared::new(config, Ticks::new(), Arc::downgrade(&hooks));
        let ladder = Ladder::new(Arc::clone(&shared));
        let sampler = Sampler::new(Arc::clone(&shared), ladder, Box::new(cpu::thread));
        let thread = thread::Builder::new().name("watchdog".to_owned()).spawn(move || sampler.run())?;
        Ok(Self(Some(Arc::new(Handle { shared, thread: Mutex::new(Some(thread)), _hooks: hooks }))))
    }

    /// Watches a stream until the probe's last clone is dropped. Never fails: with all slots taken the stream is not
    /// watched, which is counted.
    pub fn open(&self, labels: Labels, kill: Option<Weak<dyn Kill>>) -> Probe {
        let Some(handle) = &self.0 else { return Probe::off() };
        let shared = &handle.shared;
        let opened_at = shared.ticks.now();
        let cold =
            Cold { labels, deployment: None, kill, opened_at, journal: Journal::default(), condemned: None };
        let stream = shared.slab.open(cold);
        if stream.is_none() {
            shared.counters.unwatched.fetch_add(1, Relaxed);
        }
        Probe::new(Arc::clone(shared), stream)
    }

    /// A runtime with so many workers is made, and does not serve yet. Answers its number, for
    /// [`Watchdog::register_worker_of`] and [`Watchdog::serves`].
    pub fn runtime(&self, workers: usize) -> u32 {
        self.0.as_ref().map_or(0, |handle| handle.shared.workers.made(workers))
    }

    /// That runtime serves from now on. When over half of its workers are lost, another is asked for:
    /// [`Hooks::take_over`].
    pub fn serves(&self, runtime: u32) {
        if let Some(handle) = &self.0 {
            handle.shared.workers.serves(runtime);
        }
    }

    /// The process is ending in order: from now on neither is another runtime asked for nor is the process given up, for what
    /// still serves has its own limit.
    pub fn drains(&self) {
        if let Some(handle) = &self.0 {
            handle.shared.draining.store(true, Relaxed);
        }
    }

    /// Makes the calling thread one of the workers of a runtime. Call it when the runtime starts a thread.
    pub fn register_worker_of(&self, runtime: u32) {
        if let Some(handle) = &self.0 {
            handle.shared.workers.register(runtime);
        }
    }

    /// Makes the calling thread one that is watched and serves nobody: a poll of it that does not return is counted, told
    /// and demoted, and nobody is quarantined or replaced for it. Before any runtime serves it is one of the workers.
    pub fn register_worker(&self) {
        self.register_worker_of(0);
    }

    /// The gate of a plugin, by its name, or of a deployment. Always open in [`Mode::Off`].
    pub fn gate(&self, what: Suspected, name: &str) -> Gate {
        self.0
            .as_ref()
            .map_or_else(Gate::default, |handle| handle.shared.gates.get(&handle.shared, what, name))
    }

    /// Opens the gate of a plugin or a deployment and forgets its faults: what stands behind it now is another one.
    pub fn renew(&self, what: Suspected, name: &str) {
        self.gate(what, name).renew();
    }

    /// The calling thread is no worker any more. Call it when a runtime's thread stops.
    pub fn unregister_worker(&self) {
        if let Some(handle) = &self.0 {
            handle.shared.workers.unregister();
        }
    }

    /// Names the plugin that [`plugin_enter`] knows as `id`.
    pub fn name_plugin(&self, id: u32, name: &str) {
        if let Some(handle) = &self.0 {
            handle.shared.plugins.name(id, name);
            handle.shared.gates.get(&handle.shared, Suspected::Plugin, name);
        }
    }

    /// A fault of a plugin that the caller saw: its process ended, say. `enough`: the plugin is quarantined by it. Otherwise
    /// it only fails the trial that runs, if one does. `after` completes the sentence "after ..., the plugin is not asked".
    /// Acts in [`Mode::Enforce`] alone.
    pub fn plugin_fault(&self, plugin: &str, enough: bool, after: &str) {
        let Some(handle) = self.0.as_ref().filter(|handle| handle.shared.config.mode == Mode::Enforce) else {
            return;
        };
        let weight = if enough { u32::MAX } else { 0 };
        let gates = &handle.shared.gates;
        gates.strike(&handle.shared, Suspected::Plugin, &plugin.into(), weight, after);
    }

    /// Counts a rule that the caller enforces: [`Rule::Attempts`] or [`Rule::Idle`].
    pub fn count(&self, rule: Rule) {
        if let Some(handle) = &self.0 {
            handle.shared.counters.count(rule, Action::Counted);
        }
    }

    /// Keeps an incident that is no verdict on a stream. At most [`Warnings::reports_per_minute`] of one [`Kind`]; more are
    /// counted alone. May be called from any thread: it takes short locks and writes no file. Does nothing in
    /// [`Mode::Off`]. Answers its name, if it was kept.
    pub fn report(&self, report: Report) -> Option<IncidentId> {
        self.0.as_ref().and_then(|handle| handle.shared.report(report))
    }

    /// Tells a live stream to end itself at its next poll, as a verdict does, because a person asked for it; the caller sees
    /// to that poll. Whatever the mode but [`Mode::Off`], and the brake has no say. `false`: there is no such stream.
    pub fn end(&self, stream: u64) -> bool {
        let Some(handle) = &self.0 else { return false };
        let Some(stream) = StreamRef::unpack(stream) else { return false };
        let case =
            Case { rule: Rule::Operator, stream: Some(stream), plugin: None, poll: None, aside: false };
        let mut kill = None;
        let condemned = case.incident(&handle.shared, |live| {
            if let Some(live) = live {
                live.condemn(Rule::Operator, handle.shared.incidents.number());
                kill = live.cold.kill.as_ref().and_then(Weak::upgrade);
            }
            Action::Aborted
        });
        let Some(incident) = condemned else { return false };
        if let Some(kill) = kill {
            handle.shared.call(|_| kill.hurry());
        }
        handle.shared.counters.count(Rule::Operator, Action::Aborted);
        handle.shared.keep(incident);
        true
    }

    /// All live streams. Empty in [`Mode::Off`].
    pub fn streams(&self) -> Vec<StreamInfo> {
        self.0.as_ref().map_or_else(Vec::new, |handle| handle.shared.streams())
    }

    /// Totals for metrics. All zero in [`Mode::Off`].
    pub fn stats(&self) -> Stats {
        self.0.as_ref().map_or_else(Stats::default, |handle| handle.shared.stats())
    }

    /// The latest incidents, oldest first.
    pub fn incidents(&self) -> Vec<Arc<Incident>> {
        self.0.as_ref().map_or_else(Vec::new, |handle| handle.shared.incidents.list())
    }

    /// Ends the thread and waits for it. Probes go on, unwatched.
    pub fn stop(&self) {
        if let Some(handle) = &self.0 {
            handle.stop();
        }
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").field("on", &self.0.is_some()).finish_non_exhaustive()
    }
}

impl Handle {
    fn stop(&self) {
        self.shared.stopping.store(true, Relaxed);
        let Some(thread) = self.thread.lock().take() else { return };
        thread.thread().unpark();
        // The last clone may be dropped inside a hook, on the thread itself. A panic there was reported when it happened.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}
