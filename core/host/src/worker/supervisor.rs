//! The thread that looks after one worker: starts it, hands its answers to who waits for them, ends it when it is late
//! or talks nonsense, and starts the next.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::hook::{EndReason, WorkerEnd, hook};
use super::launch::Worker;
use super::line::{Blame, What, deadline};
use super::protocol::{Garbled, Splitter, Tag, Take};
use super::shard::{Shard, wake};
use super::slot::{Failed, Slot};
use super::watch::{Idle, Watch};
use crate::log;

/// How long a worker that is asked to end may take.
const GRACE: Duration = Duration::from_secs(2);
/// A worker that lived so long was well: the next one comes at once.
const HEALTH: Duration = Duration::from_secs(60);
/// From the second end on.
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(5);
/// Calls wait for a worker that comes within this time; otherwise they fail at once.
const WORTH_WAITING: Duration = Duration::from_secs(1);
/// Ends within [`HEALTH`] that are too many.
const REPEATED: usize = 3;
/// How often a worker that nothing is asked of is looked at.
const IDLE_LOOK: Duration = Duration::from_secs(10);
/// Of standard error, in bytes.
const TAIL: usize = 4096;
/// Reads of a worker's answers before anything else is looked at.
const READS: usize = 16;
/// Said of a worker whose socket ended, where it did not.
const HUNG_UP: &str = "it closed its socket";
/// A log line and its head.
const LOG_CAP: usize = 8192;

/// Starts the thread. `hello` gets what the first worker says of the plugin.
pub(crate) fn start(shard: Arc<Shard>, hello: Option<Arc<Slot>>) -> io::Result<()> {
    let builder = std::thread::Builder::new().name("tidegate-plugin".to_owned());
    let mut hello = hello;
    let look_after = move || {
        // A defect of ours here must not leave callers waiting: the worker is gone with the panic, and another one comes.
        while catch_unwind(AssertUnwindSafe(|| supervise(&shard, &mut hello))).is_err() {
            tracing::error!(
                plugin = shard.name(),
                shard = shard.index,
                "the thread of a plugin's worker panicked"
            );
            let mut inside = shard.inside.lock();
            (inside.socket, inside.pid, inside.sleeps) = (None, None, false);
            let mut wakers = inside.line.end(Blame::Head, "was lost by a defect of Tidegate").wakers;
            wakers.extend(inside.line.give_up());
            drop(inside);
            wake(wakers);
            if sleep(&shard, WORTH_WAITING) {
                return;
            }
        }
    };
    builder.spawn(look_after).map(drop)
}

fn supervise(shard: &Shard, hello: &mut Option<Arc<Slot>>) {
    let (mut rest, mut ends) = (Duration::ZERO, VecDeque::new());
    loop {
        let began = Instant::now();
        let mut keeper = Keeper::default();
        let (pid, end) = match Worker::start(&shard.options, &shard.stem(), &shard.source.image) {
            Ok(mut worker) => {
                keeper.begin(shard, &worker, hello.take());
                let end = keeper.tend(shard, &mut worker);
                (worker.pid(), keeper.bury(shard, &mut worker, end))
            }
            Err(error) => {
                let why = format!("{} cannot be run: {error}", shard.options.worker.display());
                let how = EndReason::Start(why.clone()).to_string();
                wake(hello.take().and_then(|slot| slot.fill(Err(Failed::Ended(how)))).into_iter().collect());
                (0, Ending { why: EndReason::Start(why), blame: Blame::Nobody })
            }
        };
        let asked = end.why == EndReason::Asked;
        ends.retain(|at: &Instant| at.elapsed() < HEALTH);
        ends.extend((!asked).then(Instant::now));
        // The first comes at once; one that was well for long counts as the first.
        rest = match rest {
            _ if began.elapsed() >= HEALTH => Duration::ZERO,
            Duration::ZERO if ends.len() < 2 => Duration::ZERO,
            Duration::ZERO => FIRST_REST,
            before => (before * 2).min(LONGEST_REST),
        };
        let repeated = !asked && ends.len() >= REPEATED;
        keeper.settle(shard, pid, end, asked || rest > WORTH_WAITING, repeated);
        if asked || sleep(shard, rest) {
            return;
        }
    }
}

/// Sleeps, and answers whether the end was asked for meanwhile.
fn sleep(shard: &Shard, time: Duration) -> bool {
    let until = Instant::now() + time;
    loop {
        if shard.inside.lock().closing {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        hear(shard, left);
    }
}

/// Waits for the bell.
fn hear(shard: &Shard, time: Duration) {
    let mut fds = [PollFd::new(shard.ear.as_fd(), PollFlags::POLLIN)];
    // An interrupted wait is a short one.
    let _ = poll(&mut fds, timeout(time));
    quiet(shard);
}

fn quiet(shard: &Shard) {
    while matches!((&shard.ear).read(&mut [0; 64]), Ok(1..)) {}
}

/// Rounded up, so that what is waited for is over afterwards.
fn timeout(time: Duration) -> PollTimeout {
    let millis = time.as_nanos().div_ceil(1_000_000);
    i32::try_from(millis).ok().and_then(|millis| millis.try_into().ok()).unwrap_or(PollTimeout::MAX)
}

/// Why a worker is ended, or has ended.
struct Ending {
    why: EndReason,
    blame: Blame,
}

/// What is known of one worker.
#[derive(Default)]
struct Keeper {
    splitter: Splitter,
    watch: Watch,
    busy: Idle,
    tail: Vec<u8>,
    asked_at: Option<Instant>,
}

impl Keeper {
    fn begin(&mut self, shard: &Shard, worker: &Worker, hello: Option<Arc<Slot>>) {
        let call = match hello {
            Some(slot) => shard.hello().answered_in(slot),
            None => shard.hello(),
        };
        let mut inside = shard.inside.lock();
        inside.socket = Some(worker.socket.clone());
        inside.pid = Some(worker.pid());
        (inside.breach, inside.announced) = (None, false);
        let wakers = inside.line.begin(call);
        inside.flush();
        drop(inside);
        wake(wakers);
    }

    /// Serves a worker until it ends or has to.
    fn tend(&mut self, shard: &Shard, worker: &mut Worker) -> Ending {
        let tick = (shard.options.deadline / 10).clamp(Duration::from_millis(5), Duration::from_millis(50));
        let (mut looked, mut idle) = (Instant::now(), false);
        loop {
            let (blocked, sleeps) = {
                let mut inside = shard.inside.lock();
                if let Some((generation, what)) = inside.breach.take()
                    && generation == inside.line.generation()
                {
                    return Ending { why: EndReason::Protocol(what), blame: Blame::Nobody };
                }
                if inside.closing && self.asked_at.is_none() {
                    self.asked_at = Some(Instant::now());
                    // It reads what was sent, and then the end.
                    let _ = worker.socket.shutdown(Shutdown::Write);
                }
                let blocked = inside.flush();
                inside.sleeps = idle && inside.line.is_empty() && self.asked_at.is_none();
                (blocked, inside.sleeps)
            };
            if self.asked_at.is_some_and(|at| at.elapsed() > GRACE) {
                return Ending { why: EndReason::Asked, blame: Blame::Nobody };
            }
            self.wait(shard, worker, blocked, if sleeps { IDLE_LOOK } else { tick });
            self.read_errors(worker);
            if let Some(end) = self.read(shard, worker) {
                return end;
            }
            let gap = looked.elapsed();
            if gap >= tick {
                looked = Instant::now();
                let head = shard.inside.lock().line.head();
                idle = head.is_none();
                let per_frame = shard.options.deadline;
                let late = head.map(|(number, tag)| (number, deadline(tag, per_frame)));
                if self.busy.look(idle, gap, worker) {
                    let what = "it used CPU time although nothing was asked".to_owned();
                    return Ending { why: EndReason::Protocol(what), blame: Blame::Nobody };
                }
                // Time in which this thread did not run is not counted against the worker.
                if self.watch.look(late, gap.min(tick * 2), worker) {
                    let number = head.map_or(0, |(number, _)| number);
                    return Ending { why: EndReason::Deadline, blame: Blame::Call(number) };
                }
            }
        }
    }

    fn wait(&self, shard: &Shard, worker: &Worker, blocked: bool, time: Duration) {
        let mut events = PollFlags::POLLIN;
        events.set(PollFlags::POLLOUT, blocked);
        let mut fds = [
            PollFd::new(worker.socket.as_fd(), events),
            PollFd::new(shard.ear.as_fd(), PollFlags::POLLIN),
            PollFd::new(worker.stderr.as_fd(), PollFlags::POLLIN),
        ];
        let _ = poll(&mut fds, timeout(time));
        quiet(shard);
    }

    /// Reads answers, and hands them out. `Some`: the worker has ended, or has to.
    fn read(&mut self, shard: &Shard, worker: &Worker) -> Option<Ending> {
        let mut buffer = [0; 64 * 1024];
        for _ in 0..READS {
            match (&*worker.socket).read(&mut buffer) {
                Ok(0) => return Some(self.gone()),
                Ok(read) => self.splitter.push(&buffer[..read]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return None,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Some(self.gone()),
            }
            if let Err(end) = self.hand_out(shard) {
                return Some(end);
            }
        }
        None
    }

    /// Nothing comes any more: what the process says when it is reaped is why.
    fn gone(&self) -> Ending {
        match self.asked_at {
            Some(_) => Ending { why: EndReason::Asked, blame: Blame::Nobody },
            None => Ending { why: EndReason::Protocol(HUNG_UP.to_owned()), blame: Blame::Head },
        }
    }

    fn hand_out(&mut self, shard: &Shard) -> Result<(), Ending> {
        let garbled =
            |Garbled(what): Garbled| Ending { why: EndReason::Protocol(what.to_owned()), blame: Blame::Head };
        loop {
            let expected = |head: &super::protocol::frame::Head| match head.tag {
                Tag::Log if head.len > LOG_CAP => Err(Garbled("a log line is longer than any may be")),
                Tag::Log => Ok(()),
                _ => shard.inside.lock().line.expects(head),
            };
            let Some((head, payload)) = self.splitter.next(expected).map_err(garbled)? else { return Ok(()) };
            if head.tag == Tag::Log {
                write_log(shard, payload).map_err(garbled)?;
                continue;
            }
            // Copied before the lock is taken: it may be a whole body.
            let owned = payload.to_vec();
            let (waker, what) = shard.inside.lock().line.answer(owned).map_err(garbled)?;
            if let Some(waker) = waker {
                waker.wake();
            }
            if matches!(what, What::Hello) {
                greeted(shard, payload)?;
            }
        }
    }

    fn read_errors(&mut self, worker: &Worker) {
        let mut buffer = [0; TAIL];
        for _ in 0..READS {
            match (&worker.stderr).read(&mut buffer) {
                Ok(read @ 1..) => self.tail.extend_from_slice(&buffer[..read]),
                _ => return,
            }
            let surplus = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..surplus);
        }
    }

    /// Makes sure that it is gone, and says why. What it had answered before counts.
    fn bury(&mut self, shard: &Shard, worker: &mut Worker, end: Ending) -> Ending {
        let asked = end.why == EndReason::Asked;
        // Where its end came first, its own reason is the one that counts; else it is killed for ours.
        let hung_up = end.why == EndReason::Protocol(HUNG_UP.to_owned());
        if !(hung_up && worker.ends()) {
            worker.kill();
        }
        let own = worker.reap();
        self.read_errors(worker);
        if matches!(end.why, EndReason::Deadline) {
            // To its end, unless somebody else holds the socket open.
            for _ in 0..READS {
                if self.read(shard, worker).is_some() {
                    break;
                }
            }
        }
        let why = match own {
            _ if asked => EndReason::Asked,
            Some(own) => own,
            None => end.why,
        };
        let out_of_memory = String::from_utf8_lossy(&self.tail).contains("memory allocation of ");
        match why {
            EndReason::Signal(nix::libc::SIGABRT) if out_of_memory => {
                Ending { why: EndReason::Memory, ..end }
            }
            why => Ending { why, ..end },
        }
    }

    /// Fails the call that it was at, lets the others wait for the next one (`hopeless`: fails them too), and tells.
    fn settle(&self, shard: &Shard, pid: u32, end: Ending, hopeless: bool, repeated: bool) {
        let mut inside = shard.inside.lock();
        (inside.socket, inside.pid, inside.sleeps) = (None, None, false);
        inside.restarts += 1;
        let mut settled = inside.line.end(end.blame, &end.why.to_string());
        if hopeless {
            settled.wakers.extend(inside.line.give_up());
        }
        drop(inside);
        wake(settled.wakers);
        let Some((plugin_id, plugin)) = shard.whose.get() else { return };
        if let Some(hook) = hook() {
            hook.ended(&WorkerEnd {
                plugin,
                plugin_id: *plugin_id,
                shard: shard.index,
                pid,
                why: end.why,
                op: settled.op,
                failed: settled.failed,
                replayed: settled.replayed,
                stderr: log::printable_lines(&self.tail),
                repeated,
            });
        }
    }
}

/// The worker has loaded the plugin, or says why not.
fn greeted(shard: &Shard, payload: &[u8]) -> Result<(), Ending> {
    let start = |why: String| Ending { why: EndReason::Start(why), blame: Blame::Nobody };
    if let [1, reason @ ..] = payload {
        let reason = Take(reason).bytes().unwrap_or_default();
        return Err(start(log::printable_lines(reason)));
    }
    if shard.described.get_or_init(|| payload.to_vec()) != payload {
        return Err(start("the plugin says something else of itself than before".to_owned()));
    }
    shard.announce();
    Ok(())
}

fn write_log(shard: &Shard, payload: &[u8]) -> Result<(), Garbled> {
    let mut fields = Take(payload);
    let (level, text) = (fields.u32()?, fields.bytes()?);
    fields.end()?;
    log::write(&shard.name(), level, text);
    Ok(())
}
