//! The watchdog's view as JSON.

use serde_json::{Value, json};
use tidegate_watchdog::Watchdog;

use crate::incidents::json::{incident, stream};

/// `GET /api/streams`: every request in flight.
pub(super) fn streams(watchdog: &Watchdog) -> Value {
    json!({"streams": watchdog.streams().iter().map(stream).collect::<Vec<_>>()})
}

/// `GET /api/incidents`: the latest ones, oldest first.
pub(super) fn incidents(watchdog: &Watchdog) -> Value {
    json!({"incidents": watchdog.incidents().iter().map(|one| incident(one)).collect::<Vec<_>>()})
}

/// `GET /api/incidents/ID`.
pub(super) fn one(watchdog: &Watchdog, id: &str) -> Option<Value> {
    watchdog.incidents().iter().find(|one| one.id.to_string() == id).map(|one| incident(one))
}
