//! The watchdog's view as JSON.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use tidegate_watchdog::{Incident, StreamInfo, Watchdog};

/// `GET /api/streams`: every request in flight.
pub(super) fn streams(watchdog: &Watchdog) -> Value {
    json!({"streams": watchdog.streams().iter().map(stream).collect::<Vec<_>>()})
}

/// `GET /api/incidents`: the latest verdicts, oldest first.
pub(super) fn incidents(watchdog: &Watchdog) -> Value {
    json!({"incidents": watchdog.incidents().iter().map(|incident| one(incident)).collect::<Vec<_>>()})
}

fn stream(info: &StreamInfo) -> Value {
    json!({
        "id": info.id,
        "group": &*info.labels.group,
        "deployment": info.deployment.as_deref(),
        "phase": info.phase.as_str(),
        "polls": info.polls,
        "polls_without_progress": info.no_progress,
        "busy_seconds": info.busy.as_secs_f64(),
        "bytes": info.bytes,
        "chunks": info.chunks,
        "age_seconds": info.age.as_secs_f64(),
        "seconds_since_progress": info.since_progress.as_secs_f64(),
        "plugin": info.plugin.as_deref(),
        "verdict": info.verdict.map(|rule| rule.as_str()),
    })
}

fn one(incident: &Incident) -> Value {
    let at = incident.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "unix_seconds": at.as_secs_f64(),
        "rule": incident.rule.as_str(),
        "action": incident.action.as_str(),
        "why": incident.rule.describe(),
        "plugin": incident.plugin.as_deref(),
        "stream": incident.stream.as_ref().map(stream),
        "poll": incident.poll.map(|poll| json!({
            "worker": poll.worker,
            "wall_seconds": poll.wall.as_secs_f64(),
            "cpu_seconds": poll.cpu.as_secs_f64(),
        })),
    })
}
