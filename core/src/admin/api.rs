//! The watchdog's view as JSON.

use serde_json::{Value, json};
use tidegate_watchdog::Watchdog;

use crate::config::is_secret_name;
use crate::gateway::Gateway;
use crate::incidents::json::{incident, stream};
use crate::routing::deployment::bare;

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

/// `GET /api/config`: what is in force, as the program understood it. No secret is shown: keys print as `[redacted]`, those
/// among parameters that are sent on too, and of a URL what stands before its host and behind its path is left out.
pub(super) fn config(gateway: &Gateway) -> String {
    let mut config = gateway.routes.load().config.clone();
    for deployment in &mut config.deployments {
        for (name, value) in
            deployment.params.iter_mut().chain(&mut deployment.defaults).chain(&mut deployment.extra_body)
        {
            hide(value, is_secret_name(name));
        }
    }
    config.notices.clear();
    format!("{config:#?}\n")
}

/// `secret`: it stands under a name that holds one.
fn hide(value: &mut Value, secret: bool) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                hide(value, secret || is_secret_name(name));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| hide(value, secret)),
        Value::String(_) | Value::Number(_) if secret => *value = "[redacted]".into(),
        Value::String(text) if text.contains("://") => *value = bare(text).map_or(Value::Null, Value::String),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let mut value = json!({
            "api_keyy": "sk-1", "extra_body": {"auth_token": ["sk-2", 3], "hook": "https://user:sk-4@h/p", "max_tokens": 5},
            "vertex_credentials": {"type": "service_account"}, "api_base": "https://h/v1?token=sk-5", "store": true,
        });
        hide(&mut value, false);
        assert_eq!(
            value,
            json!({
                "api_keyy": "[redacted]",
                "extra_body": {"auth_token": ["[redacted]", "[redacted]"], "hook": null, "max_tokens": 5},
                "vertex_credentials": {"type": "[redacted]"}, "api_base": "https://h/v1", "store": true,
            })
        );
    }
}
