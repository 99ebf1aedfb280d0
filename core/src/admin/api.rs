//! The watchdog's view as JSON.

use serde_json::{Value, json};
use tidegate_watchdog::Watchdog;

use crate::gateway::Gateway;
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

/// `GET /api/config`: what is in force, as the program understood it. No secret is shown: keys print as `[redacted]`, and
/// of a URL what stands before its host and behind its path is left out.
pub(super) fn config(gateway: &Gateway) -> String {
    let mut config = gateway.routes.load().config.clone();
    for deployment in &mut config.deployments {
        for value in deployment.params.values_mut() {
            let bare =
                value.as_str().filter(|text| text.contains("://")).map(crate::routing::deployment::bare);
            if let Some(bare) = bare {
                *value = bare.map_or(Value::Null, Value::String);
            }
        }
    }
    config.notices.clear();
    format!("{config:#?}\n")
}
