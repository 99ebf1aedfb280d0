//! The log, on standard error: for people on a terminal, JSON lines otherwise. No keys, no prompts, at any level.

mod batch;
mod writer;

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tracing_subscriber::EnvFilter;

pub(crate) use batch::{Batch, Lines, gathered};
pub(crate) use writer::wait_for_all;
pub use writer::{flush, lost};

/// The library that fetches Google tokens logs each of its tries with what the endpoint said; the last is an error that
/// is reported anyway.
const QUIET: &str = "gcp_auth=error";

/// Whether lines are JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// Whether the log is started, and its lines are JSON.
pub fn is_json() -> bool {
    JSON.load(Relaxed)
}

/// Puts a line of a schema of its own into the log, where [`is_json`] says so. Does not wait.
pub fn line(line: Vec<u8>) {
    writer::Queue.line(line);
}

/// Starts it. `TIDEGATE_LOG` filters in `tracing`'s syntax; `fallback` is used without it.
pub fn start(fallback: &str) {
    let filter = EnvFilter::try_from_env("TIDEGATE_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("{fallback},{QUIET}")));
    // Its own complaint would go to standard error with `eprintln!`, which panics where that cannot be written.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer::Queue::start())
        .with_target(false)
        .log_internal_errors(false);
    let started = if stderr().is_terminal() {
        let color = std::env::var_os("NO_COLOR").is_none();
        log.with_ansi(color).compact().try_init()
    } else {
        let started = log.json().flatten_event(true).try_init();
        JSON.store(started.is_ok(), Relaxed);
        started
    };
    if let Err(error) = started {
        tracing::debug!(%error, "the log was started before");
    }
}
