//! `GET /api/plugins` and `POST /api/plugins/reload`.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidegate_watchdog::Suspected;

use crate::gateway::Gateway;
use crate::routing::plugins::{Loaded, refused};

/// How long an answer is waited for. Reading and hashing large files on a slow disk comes far below it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The plugins in force, and the files that are refused.
pub(super) fn list(gateway: &Gateway) -> Value {
    let routes = gateway.routes.load();
    let quarantines = gateway.watchdog.stats().quarantines;
    let quarantined = |name: &str| {
        quarantines.iter().any(|one| one.what == Suspected::Plugin && *one.name == *name && one.quarantined)
    };
    let plugins: Vec<Value> =
        routes.plugins.loaded().map(|loaded| one(loaded, quarantined(loaded.plugin.name()))).collect();
    let vendors = routes.plugins.vendors().iter();
    let vendors: Vec<Value> = vendors
        .map(|own| json!({"provider": own.offer.prefix, "speaks": own.speaks, "file": own.file}))
        .collect();
    json!({"plugins": plugins, "vendors": vendors, "refused": refused(&routes.plugins.refused)})
}

fn one(loaded: &Loaded, quarantined: bool) -> Value {
    let plugin = &loaded.plugin;
    let manifest = plugin.manifest();
    let kinds = [("provider", plugin.provider().is_some()), ("policy", plugin.policy().is_some())];
    let kinds: Vec<&str> = kinds.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind).collect();
    let prefixes: Vec<&str> = manifest.providers.iter().map(|offer| offer.prefix.as_str()).collect();
    let workers: Vec<Value> = plugin
        .workers()
        .iter()
        .map(|one| json!({"shard": one.shard, "pid": one.pid, "restarts": one.restarts, "rss_bytes": one.rss, "load": one.load}))
        .collect();
    json!({
        "name": plugin.name(),
        "version": plugin.version(),
        "abi_minor": plugin.abi_minor(),
        "file": plugin.path(),
        "sha256": crate::routing::plugins::Version::of(plugin).sha256,
        "isolation": loaded.isolation.as_str(),
        "kinds": kinds,
        "prefixes": prefixes,
        "state": if quarantined { "quarantined" } else { "open" },
        "generation": loaded.generation,
        "kept": loaded.kept,
        "workers": workers,
    })
}

/// Reloads the plugins: 200 where nothing that is new was refused, 422 where something was.
pub(super) async fn reload(gateway: &Gateway) -> (StatusCode, Value) {
    let failed = |status, reason: &str| (status, json!({"result": "refused", "reason": reason}));
    let Some(told) = gateway.reloads.get().and_then(|reloads| reloads.ask()) else {
        return failed(StatusCode::SERVICE_UNAVAILABLE, "too many reloads wait already, or it is ending");
    };
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(Ok(changes)) if changes["result"] == "ok" => (StatusCode::OK, changes),
        Ok(Ok(changes)) => (StatusCode::UNPROCESSABLE_ENTITY, changes),
        Ok(Err(_)) => failed(StatusCode::SERVICE_UNAVAILABLE, "it is ending"),
        Err(_) => failed(
            StatusCode::GATEWAY_TIMEOUT,
            "the reload has not come to its end within 60 s, perhaps because a plugin's create does not return; what \
             was in force still is, and the log says what comes of it",
        ),
    }
}
