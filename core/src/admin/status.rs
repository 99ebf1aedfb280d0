//! `GET /api/status`: everything that is so now, in one snapshot. The page and `tidegate top` draw nothing else.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tidegate_watchdog::Suspected;

use super::plugins;
use crate::gateway::Gateway;
use crate::incidents::json::{brief, stream};
use crate::metrics::{LoopKind, Returning};
use crate::routing::Deployment;
use crate::routing::health::now_ms;

/// Streams in one snapshot: those with the most CPU. The others are counted.
const STREAMS: usize = 2_000;

/// The latest incidents.
const INCIDENTS: usize = 50;

/// The snapshot.
pub(super) fn snapshot(gateway: &Gateway) -> Value {
    let routes = gateway.routes.load();
    let stats = gateway.watchdog.stats();
    let mut streams = gateway.watchdog.streams();
    let all = streams.len();
    if all > STREAMS {
        streams.sort_by_key(|stream| std::cmp::Reverse(stream.busy));
        streams.truncate(STREAMS);
    }
    let quarantined = |what: Suspected, name: &str| {
        stats.quarantines.iter().any(|one| one.what == what && *one.name == *name && one.quarantined)
    };
    let deployments: Vec<Value> = routes
        .deployments
        .iter()
        .map(|one| deployment(one, quarantined(Suspected::Deployment, &one.name)))
        .collect();
    let limited: u64 = routes.deployments.iter().map(|one| one.series.counted().limited).sum();
    let incidents = gateway.watchdog.incidents();
    let skipped = incidents.len().saturating_sub(INCIDENTS);
    let loops = LoopKind::ALL.map(|kind| (kind.as_str().to_owned(), gateway.metrics.loops_of(kind).into()));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "unix_seconds": now.as_secs_f64(),
        "uptime_seconds": now_ms() as f64 / 1e3,
        "state": if gateway.is_draining() { "draining" } else { "serving" },
        "totals": {
            "requests": gateway.counts.requests(),
            "attempts": gateway.counts.attempts(),
            "active": gateway.metrics.active.get(),
            "limited": limited,
        },
        "amplification": gateway.metrics.amplification.get(),
        "loops": loops.into_iter().collect::<serde_json::Map<String, Value>>(),
        "returning_clients": gateway.clients.returning().iter().map(returning).collect::<Vec<_>>(),
        "workers": {"all": stats.workers, "stuck": stats.stuck_workers, "lost": stats.lost_workers},
        "tick_lag_seconds": stats.tick_lag.as_secs_f64(),
        "streams": streams.iter().map(stream).collect::<Vec<_>>(),
        "streams_left_out": all.saturating_sub(STREAMS),
        "deployments": deployments,
        "plugins": plugins::list(gateway),
        "guards": gateway.guards.snapshot(),
        "incidents": incidents.iter().skip(skipped).map(|one| brief(one)).collect::<Vec<_>>(),
    })
}

fn deployment(one: &Deployment, quarantined: bool) -> Value {
    let counted = one.series.counted();
    let (minute_failed, minute_ok) = one.health.minute();
    let latency = one.health.latency_us();
    json!({
        "name": &*one.name,
        "group": &*one.group,
        "provider": one.prefix,
        "model": one.model,
        "quarantined": quarantined,
        "cooling_seconds": one.health.cooldown_ms() as f64 / 1e3,
        "in_flight": one.health.inflight(),
        "ok": counted.ok,
        "failed": counted.failed,
        "limited": counted.limited,
        "minute_ok": minute_ok,
        "minute_failed": minute_failed,
        "first_content_seconds": (latency > 0).then_some(latency as f64 / 1e6),
    })
}

/// A client that does not wait as long as it was told to.
fn returning(one: &Returning) -> Value {
    json!({
        "client": &*one.client,
        "group": &*one.group,
        "returns": one.returns,
        "left_seconds": one.left_ms as f64 / 1e3,
    })
}
