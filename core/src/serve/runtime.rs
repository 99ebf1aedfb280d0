//! The data runtime: a worker a core, and at least two, so that one stuck poll leaves another to be woken.

use std::io;

use tidegate_watchdog::Watchdog;
use tokio::runtime::{Builder, Runtime};

/// One of them, and its number with the watchdog.
pub(super) struct Data {
    pub(super) runtime: Runtime,
    pub(super) number: u32,
}

/// Builds one. That it serves is said where it does.
pub(super) fn build(watchdog: &Watchdog) -> io::Result<Data> {
    let workers = workers(std::env::var("TIDEGATE_WORKERS").ok().as_deref());
    let number = watchdog.runtime(workers);
    let (start, stop) = (watchdog.clone(), watchdog.clone());
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("tidegate-worker")
        .on_thread_start(move || start.register_worker_of(number))
        .on_thread_stop(move || stop.unregister_worker())
        .enable_all()
        .build()?;
    Ok(Data { runtime, number })
}

/// What `TIDEGATE_WORKERS` asks for.
///
/// # Errors
/// A sentence: it is no number.
pub fn workers_wanted() -> Result<Option<usize>, String> {
    let wanted = std::env::var("TIDEGATE_WORKERS").unwrap_or_default();
    let wanted = wanted.trim();
    if wanted.is_empty() {
        return Ok(None);
    }
    wanted
        .parse()
        .map(Some)
        .map_err(|_| format!("TIDEGATE_WORKERS takes a number of threads, and is {wanted:?}"))
}

fn workers(wanted: Option<&str>) -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    wanted.and_then(|wanted| wanted.parse().ok()).unwrap_or(cores).clamp(2, 512)
}
