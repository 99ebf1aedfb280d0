//! One incident as JSON: what the admin API answers, and one line of the incidents' file.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use tidegate_watchdog::{Incident, StreamInfo, Verdict};

/// An incident. Members that do not apply are null or empty, so that every incident has the same ones.
pub fn incident(incident: &Incident) -> Value {
    let verdict = incident.verdict.as_ref();
    let events = incident.events.iter();
    let events =
        events.map(|event| json!({"seconds_before": event.before.as_secs_f64(), "what": event.what}));
    let samples = incident.samples.iter().map(|sample| {
        json!({
            "seconds_before": sample.before.as_secs_f64(),
            "polls": sample.polls,
            "polls_without_progress": sample.no_progress,
            "busy_seconds": sample.busy.as_secs_f64(),
            "cpu_seconds": sample.cpu.as_secs_f64(),
            "bytes": sample.bytes,
            "chunks": sample.chunks,
        })
    });
    let counters = incident.counters.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
    let mut told = brief(incident);
    told["stream"] = json!(verdict.and_then(|verdict| verdict.stream.as_ref()).map(stream));
    told["poll"] = json!(verdict.and_then(poll));
    told["counters"] = Value::Object(counters.collect());
    told["events"] = events.collect();
    told["samples"] = samples.collect();
    told["detail"] = json!(incident.detail.as_deref());
    told
}

/// The same in a list that somebody watches: without its timeline.
pub fn brief(incident: &Incident) -> Value {
    let at = incident.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let verdict = incident.verdict.as_ref();
    json!({
        "id": incident.id.to_string(),
        "unix_seconds": at.as_secs_f64(),
        "kind": incident.kind.as_str(),
        "why": incident.sentence,
        "group": incident.group.as_deref(),
        "deployment": incident.deployment.as_deref(),
        "plugin": incident.plugin.as_deref(),
        "client": incident.client.as_deref(),
        "request_id": incident.request.as_deref(),
        "trace_id": incident.trace.as_deref(),
        "rule": verdict.map(|verdict| verdict.rule.as_str()),
        "action": verdict.map(|verdict| verdict.action.as_str()),
    })
}

/// A stream in flight, or as it was when it was judged.
pub fn stream(info: &StreamInfo) -> Value {
    json!({
        "id": info.id,
        "group": &*info.labels.group,
        "client": &*info.labels.client,
        "request_id": &*info.labels.request,
        "trace_id": info.labels.trace.as_deref(),
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

fn poll(verdict: &Verdict) -> Option<Value> {
    verdict.poll.map(|poll| {
        json!({
            "worker": poll.worker,
            "wall_seconds": poll.wall.as_secs_f64(),
            "cpu_seconds": poll.cpu.as_secs_f64(),
        })
    })
}
