//! What all requests of this process share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tidegate_watchdog::Watchdog;
use tokio::runtime::RuntimeMetrics;
use tokio::sync::watch;

use crate::access;
use crate::guard::Guards;
use crate::metrics::{ClientLoops, GroupSeries, Metrics, OTHER};
use crate::routing::Routes;
use crate::serve::Reloads;
use crate::service::seats::Seats;
use crate::traces::Traces;
use crate::upstream::Upstream;

/// The shared state.
pub struct Gateway {
    /// The configuration in force. A request reads it once and keeps what it read.
    pub routes: ArcSwap<Routes>,
    /// The way out.
    pub upstream: Upstream,
    /// Where each request's line goes.
    pub access: Arc<access::Log>,
    /// Where its spans go.
    pub traces: Traces,
    /// What Prometheus sees.
    pub metrics: Metrics,
    /// Of requests that come to no group.
    pub groupless: Arc<GroupSeries>,
    /// The watch on every request.
    pub watchdog: Watchdog,
    /// Clients that were told to wait.
    pub clients: ClientLoops,
    /// The places of requests that run at once.
    pub seats: Arc<Seats>,
    /// Other processes that are watched.
    pub guards: Guards,
    /// Of requests and upstream calls.
    pub counts: Counts,
    /// Of the runtime that serves the requests, once it does.
    pub runtime: OnceLock<RuntimeMetrics>,
    /// Where a reload of the plugins is asked for, once it serves.
    pub reloads: OnceLock<Reloads>,
    draining: AtomicBool,
    left: watch::Sender<bool>,
    cut: AtomicBool,
    nudges: watch::Sender<()>,
}

impl Gateway {
    /// The state at start.
    pub fn new(
        routes: Routes,
        upstream: Upstream,
        metrics: Metrics,
        watchdog: Watchdog,
        (access, traces): (access::Log, Traces),
    ) -> Arc<Self> {
        let guards = Guards::new(metrics.of_guards(), watchdog.clone());
        Arc::new(Self {
            guards,
            access: Arc::new(access),
            traces,
            routes: ArcSwap::from_pointee(routes),
            upstream,
            groupless: Arc::new(metrics.group(OTHER)),
            metrics,
            watchdog,
            clients: ClientLoops::default(),
            seats: Arc::default(),
            counts: Counts::default(),
            runtime: OnceLock::new(),
            reloads: OnceLock::new(),
            draining: AtomicBool::new(false),
            left: watch::Sender::new(false),
            cut: AtomicBool::new(false),
            nudges: watch::Sender::new(()),
        })
    }

    /// Puts a new configuration in force. Requests in flight finish on the one they began with.
    pub fn swap(&self, routes: Routes) {
        self.routes.store(Arc::new(routes));
    }

    /// No new requests are wanted: readiness says so.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Another process serves at these addresses: clients are to come back there. Readiness does not change, for the service
    /// is there.
    pub fn leave(&self) {
        self.left.send_replace(true);
    }

    /// Whether the next request of a connection is for another process.
    pub fn has_left(&self) -> bool {
        *self.left.borrow()
    }

    /// Waits for [`Gateway::leave`].
    pub async fn left(&self) {
        // Its sender lives as long as this does.
        let _ = self.left.subscribe().wait_for(|left| *left).await;
    }

    /// The drain's time is over: what is in flight is to end with its terminal error, now.
    pub fn cut(&self) {
        self.cut.store(true, Relaxed);
        self.nudge();
    }

    /// Whether what is in flight is to end. Asked at every poll of a stream.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// Every connection is to poll its streams once more: one of them may have to end.
    pub fn nudge(&self) {
        self.nudges.send_replace(());
    }

    /// Where a connection hears of that.
    pub fn nudges(&self) -> Nudges {
        Nudges(self.nudges.subscribe())
    }

    /// Whether it is shutting down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }
}

/// See [`Gateway::nudge`].
pub struct Nudges(watch::Receiver<()>);

impl Nudges {
    /// The next one.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // The gateway is gone, and with it whoever could have one.
            std::future::pending::<()>().await;
        }
    }
}

/// What the amplification is computed from.
#[derive(Debug, Default)]
pub struct Counts {
    requests: AtomicU64,
    attempts: AtomicU64,
}

impl Counts {
    /// A request came.
    pub fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// An upstream was called.
    pub fn attempt(&self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    /// Requests that came.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Upstream calls.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Relaxed)
    }
}
