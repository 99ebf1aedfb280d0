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
    let wanted = std::env::var("TIDEGATE_LOG").unwrap_or_default();
    let (filter, wrong) = read(&wanted, fallback);
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
    if wrong {
        tracing::warn!(
            "TIDEGATE_LOG is no filter, so that `{fallback}` is used: write a level, such as `warn`, or targets, such as `info,tidegate::access=off`"
        );
    }
    if let Err(error) = started {
        tracing::debug!(%error, "the log was started before");
    }
}

/// The filter, and whether what was `wanted` cannot be read.
fn read(wanted: &str, fallback: &str) -> (EnvFilter, bool) {
    let usual = || EnvFilter::new(format!("{fallback},{QUIET}"));
    let wanted = wanted.trim();
    if wanted.is_empty() {
        return (usual(), false);
    }
    let word = wanted.chars().all(|c| c.is_ascii_alphabetic());
    let level = match wanted.to_ascii_lowercase().as_str() {
        // Python's names, which litellm's users know.
        "warning" => "warn",
        "critical" | "fatal" => "error",
        "notset" => "trace",
        // `EnvFilter` would take any other word for a target, and be silent about all else.
        "off" | "error" | "warn" | "info" | "debug" | "trace" => wanted,
        _ if word => return (usual(), true),
        _ => wanted,
    };
    match EnvFilter::try_new(level) {
        Ok(filter) => (filter, false),
        Err(_) => (usual(), true),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_word_that_is_no_level_does_not_silence_the_log() {
        let usual = "gcp_auth=error,info";
        for (wanted, filter, wrong) in [
            ("", usual, false),
            ("WARNING", "warn", false),
            ("warning", "warn", false),
            ("Critical", "error", false),
            ("NOTSET", "trace", false),
            ("debug", "debug", false),
            ("DEBUG", "debug", false),
            ("verbose", usual, true),
            ("info,tidegate::access=off", "tidegate::access=off,info", false),
            ("tidegate=nonsense", usual, true),
        ] {
            let (read, is_wrong) = read(wanted, "info");
            assert_eq!((read.to_string().as_str(), is_wrong), (filter, wrong), "{wanted}");
        }
    }
}
