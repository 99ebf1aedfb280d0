//! Metrics, health and the admin API, on a thread and a runtime of their own: they answer while every data worker is stuck.

mod api;
mod guard;
mod plugins;

use std::convert::Infallible;
use std::io::Result;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntGauge;
use tidegate_watchdog::Report;

use crate::gateway::Gateway;
use crate::logging;
use crate::metrics::{Amplification, LoopKind};
use crate::service::health;

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
    while let Ok(seat) = seats.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(SAMPLE).await;
            continue;
        };
        let gateway = gateway.clone();
        tokio::spawn(async move {
            let _seat = seat;
            // A reload takes its time, and a client that waits for it has not gone astray.
            let waits = AtomicBool::new(false);
            let service = service_fn(|request| {
                let (gateway, waits) = (&gateway, &waits);
                async move {
                    let response = match is_change(&request) {
                        true => {
                            waits.store(true, Relaxed);
                            change(gateway, &request).await
                        }
                        false => answer(gateway, &request),
                    };
                    Ok::<_, Infallible>(response.map(|body| Full::new(Bytes::from(body))))
                }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
            let connection = server.serve_connection(TokioIo::new(stream), service);
            let limit = async {
                tokio::time::sleep(CONNECTION_TIME).await;
                if waits.load(Relaxed) {
                    tokio::time::sleep(plugins::PATIENCE).await;
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

const RELOAD: &str = "/api/plugins/reload";

fn is_change(request: &Request<Incoming>) -> bool {
    request.method() == Method::POST && request.uri().path() == RELOAD
}

async fn change(gateway: &Gateway, request: &Request<Incoming>) -> Response<Vec<u8>> {
    if let Err(why) = guard::no_page(request.headers()) {
        return text(StatusCode::FORBIDDEN, why);
    }
    let (status, told) = plugins::reload(gateway).await;
    let mut response = json(&told);
    *response.status_mut() = status;
    response
}

fn answer(gateway: &Gateway, request: &Request<Incoming>) -> Response<Vec<u8>> {
    let path = request.uri().path();
    if request.method() != Method::GET {
        let post = "only GET is allowed here, and POST for /api/plugins/reload\n";
        return text(StatusCode::METHOD_NOT_ALLOWED, post);
    }
    match path {
        "/metrics" => {
            refresh(gateway);
            typed(gateway.metrics.encode(), "text/plain; version=0.0.4; charset=utf-8")
        }
        "/api/streams" => json(&api::streams(&gateway.watchdog)),
        "/api/incidents" => json(&api::incidents(&gateway.watchdog)),
        "/api/plugins" => json(&plugins::list(gateway)),
        RELOAD => text(StatusCode::METHOD_NOT_ALLOWED, "a reload is asked for by POST\n"),
        path if path.starts_with("/api/incidents/") => {
            let id = path.rsplit('/').next().unwrap_or_default();
            match api::one(&gateway.watchdog, id) {
                Some(incident) => json(&incident),
                None => text(StatusCode::NOT_FOUND, "there is no such incident; /api/incidents lists them\n"),
            }
        }
        path if health::is_path(path) => health::answer(gateway, path),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics, /health/readiness, /api/streams, /api/incidents, /api/incidents/ID, /api/plugins\n",
        ),
    }
}

/// Gauges that are looked up when they are asked for.
fn refresh(gateway: &Gateway) {
    for deployment in &gateway.routes.load().deployments {
        let cooling = i64::from(deployment.health.cooldown_ms() > 0);
        gateway.metrics.cooling.with_label_values(&[&*deployment.name]).set(cooling);
        let calls = i64::from(deployment.health.inflight());
        gateway.metrics.in_flight.with_label_values(&[&*deployment.name]).set(calls);
    }
    for (group, budget) in &gateway.routes.load().budgets {
        gateway.metrics.budget_tokens.with_label_values(&[group]).set(budget.tokens().floor());
    }
    let (http1, http2) = gateway.upstream.pooled();
    let set = |gauge: &IntGauge, count: usize| gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    set(&gateway.metrics.pooled, http1 + http2);
    set(&gateway.metrics.upstream_open, gateway.upstream.open());
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

fn json(value: &serde_json::Value) -> Response<Vec<u8>> {
    typed(value.to_string().into_bytes(), "application/json")
}

fn text(status: StatusCode, text: &str) -> Response<Vec<u8>> {
    let mut response = typed(text.into(), "text/plain; charset=utf-8");
    *response.status_mut() = status;
    response
}

fn typed(body: Vec<u8>, kind: &'static str) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
