//! Where instances of plugins are destroyed: `destroy` is a plugin's code, and whoever lets the last handle of an instance go
//! may be a data worker, a reload or the main thread. A few threads that come and go as there is work; one whose call does
//! not return is left to itself. The watchdog sees these threads, counts and demotes them, and blames nobody: nobody waits.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tidegate_watchdog::Watchdog;

/// Threads at once. When all of them are stuck, what comes is never destroyed: it costs its memory.
const THREADS: usize = 4;

/// How long a thread waits for more.
const REST: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce() + Send>;

struct Destroyer {
    watchdog: Watchdog,
    jobs: Mutex<Jobs>,
    came: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static DESTROYER: OnceLock<Destroyer> = OnceLock::new();

/// Before any plugin is loaded. Only the first server of a process installs it.
pub(super) fn install(watchdog: &Watchdog) {
    let new = || Destroyer { watchdog: watchdog.clone(), jobs: Mutex::default(), came: Condvar::new() };
    let destroyer = DESTROYER.get_or_init(new);
    tidegate_host::set_destroyer(Box::new(|job| destroyer.take(job)));
}

/// Whether a plugin's code may still run there.
pub(super) fn is_at_work() -> bool {
    DESTROYER.get().is_some_and(|destroyer| {
        let jobs = destroyer.jobs.lock();
        !jobs.waiting.is_empty() || jobs.threads > jobs.idle
    })
}

impl Destroyer {
    fn take(&'static self, job: Job) {
        let mut jobs = self.jobs.lock();
        jobs.waiting.push_back(job);
        self.came.notify_one();
        if jobs.waiting.len() > jobs.idle && jobs.threads < THREADS {
            let thread = thread::Builder::new().name("tidegate-destroy".to_owned());
            match thread.spawn(|| self.work()) {
                Ok(_) => jobs.threads += 1,
                // The next one that comes tries it again.
                Err(error) => tracing::warn!(%error, "an instance of a plugin waits to be destroyed"),
            }
        }
    }

    fn work(&self) {
        self.watchdog.register_worker();
        while let Some(job) = self.next() {
            // Told by the panic hook; the next one is to be destroyed all the same.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
        self.watchdog.unregister_worker();
    }

    /// `None`: this thread is not needed any more.
    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock();
        if jobs.waiting.is_empty() {
            jobs.idle += 1;
            self.came.wait_for(&mut jobs, REST);
            jobs.idle -= 1;
        }
        let job = jobs.waiting.pop_front();
        if job.is_none() {
            jobs.threads -= 1;
        }
        job
    }
}
