//! Sends a call on a pooled connection or a new one.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Version;
use hyper::body::Incoming;
use rustls::ClientConfig;
use tokio::time::Instant;

use super::body::Body;
use super::call::{Call, Response};
use super::connect::{Clock, connect};
use super::error::SendError;
use super::h1::{Conn, Failed, H1Body};
use super::h2::{H2Body, H2Conn, Place};
use super::pool::{Pool, Pooled};
use super::settings::Settings;
use super::stream::Sockets;
use super::target::Origin;
use super::tls::{self, SetupError};

/// How long after sending a silent end still counts as a connection that had died in the pool: that shows within a
/// round trip. Later, the upstream may have begun to work on the request, and sending it again is the caller's decision.
const STALE_WITHIN: Duration = Duration::from_secs(2);

/// The upstream side of the process: one pool and one TLS configuration for all calls.
pub struct Upstream {
    settings: Settings,
    tls: Arc<ClientConfig>,
    /// Another one when another runtime takes over: a connection lives on the runtime that made it.
    pool: ArcSwap<Pool>,
    sockets: Sockets,
}

impl Upstream {
    /// Reads the machine's root certificates.
    ///
    /// # Errors
    /// When the store named by `SSL_CERT_FILE` or `SSL_CERT_DIR`, or the system's, cannot be read, or an extra root is
    /// not a certificate.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let tls = tls::client_config(&settings.extra_roots)?;
        let pool = ArcSwap::from_pointee(Pool::new(&settings));
        Ok(Self { settings, tls, pool, sockets: Sockets::default() })
    }

    /// Sends `call` and waits for the head of its response.
    ///
    /// `connect` bounds name resolution, TCP, TLS and the HTTP handshake, each time a connection is made; how long the
    /// upstream then takes to answer is the caller's to bound. Dropping the future cancels the call.
    ///
    /// A call on a reused connection that turns out to be dead is sent once more, on a new connection.
    ///
    /// # Errors
    /// When no response head arrived; see [`SendError`]. Statuses are not errors here.
    pub async fn send(&self, call: Call, connect: Duration) -> Result<Response, SendError> {
        let origin = call.url.origin();
        let pooled = self.pool.load().checkout(origin);
        if let Some(pooled) = pooled {
            let sent = Instant::now();
            match self.exchange(pooled, &call).await {
                Ok(response) => return Ok(response),
                Err(failed) if failed.silent && sent.elapsed() < STALE_WITHIN => {
                    tracing::debug!(upstream = %origin, error = %failed.error, "a pooled connection was dead");
                }
                Err(failed) => return Err(failed.error),
            }
        }
        let clock = Clock::start(connect);
        // Boxed, because connecting is rare and large: every call would carry the room for it, and move it about.
        let fresh = clock.limit(origin, Box::pin(self.connect(origin, clock))).await?;
        self.exchange(fresh, &call).await.map_err(|failed| failed.error)
    }

    /// Closes connections that have been idle for longer than the settings allow. Meant for a timer, about every 10 s.
    pub fn reap(&self) {
        self.pool.load().reap();
    }

    /// Idle HTTP/1.1 connections and open HTTP/2 connections in the pool.
    pub fn pooled(&self) -> (usize, usize) {
        self.pool.load().count()
    }

    /// Begins anew without the connections of before. Those in use are not kept when their calls end.
    pub fn forget(&self) {
        self.pool.store(Arc::new(Pool::new(&self.settings)));
    }

    /// Connections that are open, in use or in the pool.
    pub fn open(&self) -> usize {
        self.sockets.open()
    }

    async fn connect(&self, origin: &Arc<Origin>, clock: Clock) -> Result<Pooled, SendError> {
        let stream = connect(origin, &self.tls, clock, &self.sockets).await?;
        if !stream.is_h2() {
            return Conn::handshake(origin, stream, &self.settings).await.map(Pooled::H1);
        }
        let conn = H2Conn::handshake(origin, stream, &self.settings).await?;
        let place = conn.place().ok_or_else(|| SendError::Closed { origin: Arc::clone(origin) })?;
        self.pool.load().put_h2(origin, conn.clone());
        Ok(Pooled::H2(conn, place))
    }

    async fn exchange(&self, conn: Pooled, call: &Call) -> Result<Response, Failed> {
        match conn {
            Pooled::H1(conn) => self.exchange_h1(conn, call).await,
            Pooled::H2(conn, place) => Box::pin(self.exchange_h2(conn, place, call)).await,
        }
    }

    async fn exchange_h1(&self, mut conn: Box<Conn>, call: &Call) -> Result<Response, Failed> {
        let origin = call.url.origin();
        // The pool of now, not of the answer: a runtime may take over meanwhile.
        let pool = self.pool.load_full();
        let response = conn.exchange(origin, call.request(Version::HTTP_11)).await?;
        Ok(assemble(response, |incoming| Body::h1(H1Body::new(incoming, conn, &pool, origin))))
    }

    async fn exchange_h2(&self, mut conn: H2Conn, place: Place, call: &Call) -> Result<Response, Failed> {
        let origin = call.url.origin();
        match conn.exchange(origin, call.request(Version::HTTP_2)).await {
            Ok(response) => Ok(assemble(response, |incoming| Body::h2(H2Body::new(incoming, place)))),
            Err(failed) => {
                if failed.silent {
                    self.pool.load().forget_h2(origin, &conn);
                }
                Err(failed)
            }
        }
    }
}

fn assemble(response: http::Response<Incoming>, body: impl FnOnce(Incoming) -> Body) -> Response {
    let (head, incoming) = response.into_parts();
    Response { status: head.status, headers: head.headers, body: body(incoming) }
}
