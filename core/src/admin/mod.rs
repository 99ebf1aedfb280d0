//! Metrics, health and the admin API, on a thread and a runtime of their own: they answer while every data worker is stuck.

mod access;
mod api;
mod body;
mod plugins;
mod resources;
mod routes;
mod status;

use std::convert::Infallible;
use std::io::Result;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntGauge;
use tidegate_watchdog::Report;

use crate::gateway::Gateway;
use crate::logging;
use crate::metrics::{Amplification, LoopKind};
use body::Snapshots;
use routes::Pace;

/// How often upstream calls are held against client requests.
const SAMPLE: Duration = Duration::from_secs(1);

/// Connections at once; a scraper needs one.
const CONNECTIONS: usize = 64;

/// A client of the admin port that has not sent its head by then is cut.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// How long a connection lives. A client that does not read what it asked for must not keep its seat.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// Starts the thread. It ends with the process.
///
/// # Errors
/// There can be no more threads, or the socket is not usable.
pub fn start(gateway: Arc<Gateway>, listener: TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("tidegate-admin".into()).spawn(move || {
        runtime.block_on(async {
            let sampler = sample(&gateway);
            tokio::join!(serve(&gateway, listener), sampler)
        })
    })?;
    Ok(())
}

async fn serve(gateway: &Arc<Gateway>, listener: TcpListener) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the admin port cannot be served");
            return;
        }
    };
    let seats = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    let snapshots = Snapshots::new(gateway.clone());
    loop {
        let (seat, accepted) = tokio::select! {
            next = async { (seats.clone().acquire_owned().await, listener.accept().await) } => next,
            // What waits in the queue is the next process's.
            () = gateway.left() => return,
        };
        let (Ok(seat), Ok((stream, peer))) = (seat, accepted) else {
            tokio::time::sleep(SAMPLE).await;
            continue;
        };
        let (gateway, snapshots) = (gateway.clone(), snapshots.clone());
        tokio::spawn(async move {
            let _seat = seat;
            let life = AtomicU64::new(CONNECTION_TIME.as_secs());
            let service = service_fn(|request| {
                let (gateway, snapshots, life) = (&gateway, &snapshots, &life);
                async move {
                    let pace = |pace| {
                        life.store(lives(pace).as_secs(), Relaxed);
                    };
                    let mut answer = routes::answer(gateway, snapshots, peer.ip(), &request, pace).await;
                    if gateway.has_left() {
                        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    Ok::<_, Infallible>(answer)
                }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
            let connection = server.serve_connection(TokioIo::new(stream), service);
            let limit = async {
                let began = Instant::now();
                // It may be given longer while it waits.
                while let Some(left) = Duration::from_secs(life.load(Relaxed)).checked_sub(began.elapsed()) {
                    tokio::time::sleep(left.min(CONNECTION_TIME)).await;
                }
            };
            tokio::select! {
                ended = connection => match ended {
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "an admin connection ended badly"),
                },
                () = limit => tracing::debug!("an admin connection was cut"),
            }
        });
    }
}

/// How long its connection lives.
fn lives(pace: Pace) -> Duration {
    match pace {
        Pace::Patient => CONNECTION_TIME + plugins::PATIENCE,
        Pace::Live => body::LONGEST + CONNECTION_TIME,
    }
}

/// Gauges that are looked up when they are asked for.
fn refresh(gateway: &Gateway) {
    for deployment in &gateway.routes.load().deployments {
        if !deployment.series.is_other() {
            deployment.series.cooling.set(i64::from(deployment.health.cooldown_ms() > 0));
            deployment.series.in_flight.set(i64::from(deployment.health.inflight()));
        }
    }
    for (group, budget) in &gateway.routes.load().budgets {
        gateway.metrics.budget(group, budget.tokens().floor());
    }
    let (http1, http2) = gateway.upstream.pooled();
    let set = |gauge: &IntGauge, count: usize| gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    set(&gateway.metrics.pooled, http1 + http2);
    set(&gateway.metrics.upstream_open, gateway.upstream.open());
    gateway.metrics.ready.set(i64::from(!gateway.is_draining()));
    let log_lost = &gateway.metrics.log_lost;
    log_lost.inc_by(logging::lost().saturating_sub(log_lost.get()));
    if let Some(runtime) = gateway.runtime.get() {
        set(&gateway.metrics.tasks, runtime.num_alive_tasks());
    }
}

async fn sample(gateway: &Gateway) {
    let mut amplification = Amplification::default();
    let mut ticks = tokio::time::interval(SAMPLE);
    loop {
        ticks.tick().await;
        let (ratio, passed) = amplification.sample(gateway.counts.requests(), gateway.counts.attempts());
        gateway.metrics.amplification.set(ratio);
        if passed {
            gateway.metrics.looped(LoopKind::Amplification);
            let sentence =
                format!("over the last 60 s there were {ratio:.1} upstream calls for each request");
            gateway.watchdog.report(Report::new(LoopKind::Amplification.incident(), sentence));
        }
        gateway.upstream.reap();
    }
}
