//! What the watchdog calls back into.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounterVec;
use tidegate_watchdog::{Dump, Hooks, Incident, Kind};
use tokio::sync::mpsc;

use super::runtimes::Runtimes;
use crate::incidents::Writer;
use crate::metrics;
use crate::routing::group::seed;

/// sysexits.h EX_SOFTWARE: the service manager is to start it anew.
const GAVE_UP: i32 = 70;

/// The end comes within this time, at random: where many gave up for one reason they are not to come back at once.
const JITTER_MS: u64 = 500;

/// How long the last incidents may take to reach the file.
const FLUSH: Duration = Duration::from_secs(1);

/// What the watchdog can have done.
pub(super) struct Hands {
    pub(super) runtimes: Runtimes,
    pub(super) takeovers: mpsc::UnboundedSender<()>,
    pub(super) file: Option<Writer>,
    /// Incidents by kind.
    pub(super) counted: IntCounterVec,
}

impl Hooks for Hands {
    fn poke(&self) {
        self.runtimes.poke();
    }

    fn demote(&self, thread: i32) -> bool {
        tidegate_host::process::demote(thread)
    }

    fn raise(&self, thread: i32) -> bool {
        tidegate_host::process::raise(thread)
    }

    fn take_over(&self) {
        if self.takeovers.send(()).is_err() {
            tracing::error!("watchdog: it is ending: no other runtime takes over");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the watchdog's own thread, and its last act")]
    fn give_up(&self, dump: &Dump) {
        for worker in &dump.workers {
            tracing::error!("watchdog: {worker}");
        }
        for stream in &dump.streams {
            tracing::error!("watchdog: {}", crate::incidents::json::stream(stream));
        }
        if let Some(file) = &self.file {
            file.flush(FLUSH);
        }
        std::thread::sleep(Duration::from_millis(seed() % JITTER_MS));
        tracing::error!(code = GAVE_UP, "watchdog: ending, for the service manager to start it anew");
        crate::logging::flush();
        tidegate_host::process::exit_at_once(GAVE_UP)
    }

    fn incident(&self, incident: &Arc<Incident>) {
        let id = incident.id;
        self.counted.with_label_values(&[metrics::incident_kind(incident.kind)]).inc();
        match incident.kind {
            Kind::StreamVerdict
            | Kind::RuntimeReplaced
            | Kind::GaveUp
            | crate::guard::kinds::ACTED
            | crate::guard::kinds::FAILED
            | crate::guard::kinds::GAVE_UP => {
                tracing::error!(incident = %id, "watchdog: {incident}");
            }
            Kind::QuarantineLifted | crate::incidents::PLUGIN_SWAPPED | crate::guard::kinds::RECOVERED => {
                tracing::info!(incident = %id, "watchdog: {incident}");
            }
            _ => tracing::warn!(incident = %id, "watchdog: {incident}"),
        }
        if let Some(file) = &self.file {
            file.line(crate::incidents::json::incident(incident).to_string());
        }
    }

    fn warn(&self, incident: &Incident) {
        tracing::warn!("watchdog: {incident}");
    }
}
