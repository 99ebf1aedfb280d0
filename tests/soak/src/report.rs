//! The result for people, and as JSON.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::books::{Book, Clients, Levels};

/// Everything that is told at the end.
pub(crate) struct Report {
    pub(crate) seconds: u64,
    pub(crate) streams: usize,
    pub(crate) seed: u64,
    /// Mean and most of `tidegate_active_streams` under load.
    pub(crate) active: (f64, f64),
    pub(crate) clients: Clients,
    pub(crate) misdeeds: u64,
    pub(crate) canaries: u64,
    /// Median and longest silence inside a canary's stream.
    pub(crate) gaps: (Duration, Duration),
    pub(crate) levels: Levels,
    /// KiB.
    pub(crate) highest: u64,
    /// How long it took until the books balanced, or until that was given up.
    pub(crate) quiet_after: Duration,
    pub(crate) books: Vec<Book>,
    pub(crate) sentences: Vec<String>,
}

impl Report {
    pub(crate) fn balances(&self) -> bool {
        self.books.iter().all(|book| book.balances)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let Clients { sent, complete, error, stream_error, .. } = self.clients;
        let left = sent - complete - error - stream_error;
        let mib = |kib: u64| kib as f64 / 1024.0;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} clients for {} s, seed {}; streams at once: {:.0} in the mean, {:.0} at most\n\
             {sent} requests sent: {complete} ended normally, {error} with an HTTP error, {stream_error} with an error event; \
             {left} were left by their clients\n\
             {} misdeeds of clients; {} healthy answers beside them, longest silence in one: {:.0} ms in the median, \
             {:.0} ms at most\n\
             resident: {:.1} MiB after the warm-up, {:.1} at the end of the load, {:.1} when quiet, {:.1} at most\n\
             the books were looked at for {:.1} s\n",
            self.streams,
            self.seconds,
            self.seed,
            self.active.0,
            self.active.1,
            self.misdeeds,
            self.canaries,
            self.gaps.0.as_secs_f64() * 1e3,
            self.gaps.1.as_secs_f64() * 1e3,
            mib(self.levels.warm),
            mib(self.levels.end),
            mib(self.levels.quiet),
            mib(self.highest),
            self.quiet_after.as_secs_f64(),
        );
        for Book { name, must, found, balances } in &self.books {
            let verdict = if *balances { "ok" } else { "WRONG" };
            let _ = writeln!(text, "{verdict:<6}{name:<34}{found:>10}   must be {must}");
        }
        for sentence in &self.sentences {
            let _ = writeln!(text, "- {sentence}");
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let books = self.books.iter().map(|book| {
            json!({"name": book.name, "must": book.must, "found": book.found, "balances": book.balances})
        });
        json!({
            "seconds": self.seconds,
            "streams": self.streams,
            "seed": self.seed,
            "active_mean": self.active.0,
            "active_most": self.active.1,
            "sent": self.clients.sent,
            "complete": self.clients.complete,
            "error": self.clients.error,
            "stream_error": self.clients.stream_error,
            "misdeeds": self.misdeeds,
            "canaries": self.canaries,
            "gap_median_seconds": self.gaps.0.as_secs_f64(),
            "gap_most_seconds": self.gaps.1.as_secs_f64(),
            "resident_kib": {
                "warm": self.levels.warm,
                "end": self.levels.end,
                "quiet": self.levels.quiet,
                "most": self.highest,
            },
            "quiet_after_seconds": self.quiet_after.as_secs_f64(),
            "books": books.collect::<Vec<_>>(),
            "broken": self.sentences,
            "balances": self.balances(),
        })
    }
}
