//! Accepts clients: HTTP/1.1 and h2c, bounded in number, in header size and in time, and drained at the end.
//!
//! When another process has taken over the listening socket, no client is to see a connection closed that it was about to ask
//! on. HTTP/2 has a message for that (GOAWAY). On HTTP/1.1 only an answer can say it: so a connection stays until its next
//! answer, which has `Connection: close`, or until the drain's time is over.

mod io;
mod protocol;
mod streams;

use std::convert::Infallible;
use std::io::{ErrorKind, Result};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use nix::sys::socket::{Shutdown, shutdown};
use socket2::{Domain, Socket, Type};
use tidegate_watchdog::Kill;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

pub use io::{ClientIo, Patience, Shutter};
use streams::Streams;

use protocol::{Protocol, Protocols};

use crate::exchange::outlet;
use crate::gateway::{Gateway, Nudges};
use crate::service::{self, Peer};

/// How long the last terminal errors may take to be written.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// A pause after an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// Binds `addr` with a backlog for bursts.
///
/// # Errors
/// The address is taken, or not ours.
pub fn bind(addr: SocketAddr) -> Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// How serving ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending {
    /// The process is to end: no new connections, and those without a request go.
    pub now: bool,
    /// Another process accepts on this socket: no new connections here, and those that are there end in order.
    pub succeeded: bool,
    /// The socket is not ours alone: it must not be shut, only left.
    pub shared: bool,
    /// A process that this one has started may accept on it: it is to end with this one.
    pub handed: bool,
}

impl Ending {
    /// Nothing more is accepted.
    fn is_over(&self) -> bool {
        self.now || self.succeeded
    }
}

/// Serves until `ending` says so, then lets requests in flight finish for `drain`. From `retire` on it accepts no more:
/// another runtime does.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    mut ending: watch::Receiver<Ending>,
    mut retire: watch::Receiver<bool>,
) {
    let limits = gateway.routes.load().config.tidegate.limits;
    let seats =
        Arc::new(Semaphore::new(usize::try_from(limits.connections).unwrap_or(Semaphore::MAX_PERMITS)));
    let protocols = Arc::new(Protocols::new(
        Streams::new(gateway.clone()),
        usize::try_from(limits.header).unwrap_or(usize::MAX),
    ));
    let graceful = Graceful::default();
    loop {
        // A full house must not keep it from being stopped.
        let next = async { (seats.clone().acquire_owned().await, listener.accept().await) };
        let (seat, accepted) = tokio::select! {
            next = next => next,
            _ = ending.wait_for(Ending::is_over) => break,
            _ = retire.wait_for(|retire| *retire) => break,
        };
        let Ok(seat) = seat else { break };
        match accepted {
            Ok((stream, peer)) => connect(&gateway, &protocols, &graceful, stream, peer, seat, &ending),
            // Shut by `close`, through another duplicate; `ending` is on its way.
            Err(error) if error.kind() == ErrorKind::InvalidInput => break,
            Err(error) => {
                tracing::warn!(%error, "a client could not be accepted");
                if !matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    let seen = *ending.borrow();
    if seen.now && !seen.shared {
        close(&listener);
    }
    drop(listener);
    // Its sender is gone only at the end.
    let _ = ending.wait_for(Ending::is_over).await;
    let drain = gateway.routes.load().config.tidegate.clocks.drain;
    let deadline = Instant::now() + drain;
    let left = gateway.metrics.active.get();
    tracing::info!(requests = left, deadline = ?drain, "draining");
    let Graceful { http1, http2, open } = graceful;
    // Polled first: every HTTP/2 connection is told at once.
    let mut drained = pin!(async { tokio::join!(http2.shutdown(), leave(http1, &open, ending, deadline)) });
    if tokio::time::timeout_at(deadline, drained.as_mut()).await.is_err() {
        tracing::warn!(
            requests = gateway.metrics.active.get(),
            "the drain's time is over: what is left is cut"
        );
        gateway.cut();
        // A client that does not read cannot be told.
        let _ = tokio::time::timeout(LAST_WORDS, drained).await;
    }
}

/// The connections, by how they are told of the end.
#[derive(Default)]
struct Graceful {
    http1: GracefulShutdown,
    http2: GracefulShutdown,
    /// Each connection has a receiver of it.
    open: watch::Sender<()>,
}

/// Waits until every connection has ended. Idle ones of HTTP/1.1 are closed when the process is to end now, or shortly before
/// `deadline`: a request may be on its way on one of them.
async fn leave(
    http1: GracefulShutdown,
    open: &watch::Sender<()>,
    mut ending: watch::Receiver<Ending>,
    deadline: Instant,
) {
    tokio::select! {
        () = open.closed() => return,
        _ = ending.wait_for(|ending| ending.now) => {}
        () = tokio::time::sleep_until(deadline.checked_sub(LAST_WORDS).unwrap_or(deadline)) => {}
    }
    http1.shutdown().await;
}

/// No duplicate of the socket takes clients any more, whoever holds one.
pub fn close(listener: &impl AsRawFd) {
    // Where a listening socket cannot be shut, it ends with its last duplicate.
    let _ = shutdown(listener.as_raw_fd(), Shutdown::Both);
}

fn connect(
    gateway: &Arc<Gateway>,
    protocols: &Arc<Protocols>,
    graceful: &Graceful,
    stream: TcpStream,
    addr: SocketAddr,
    seat: OwnedSemaphorePermit,
    ending: &watch::Receiver<Ending>,
) {
    let metrics = &gateway.metrics;
    let count = |reason| metrics.connections_cut.with_label_values(&[reason]);
    // Without it a small event would wait for the client's acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a client left before it was served");
        return;
    }
    let idle = gateway.routes.load().config.tidegate.clocks.client_idle;
    let io = ClientIo::new(stream, idle, count("stuck_poll"), count("client_idle"));
    let patience = io.patience();
    let kill: Arc<dyn Kill> = io.shutter();
    let kill: Weak<dyn Kill> = Arc::downgrade(&kill);
    metrics.connections.inc();
    let open = Open { gateway: gateway.clone(), _seat: seat, _open: graceful.open.subscribe() };
    let (nudges, http1, http2) = (gateway.nudges(), graceful.http1.watcher(), graceful.http2.watcher());
    let (gateway, protocols, mut ending) = (gateway.clone(), protocols.clone(), ending.clone());
    tokio::spawn(async move {
        let _open = open;
        let service = service_fn(move |request: Request<Incoming>| {
            let (gateway, peer) =
                (gateway.clone(), Peer { addr, kill: kill.clone(), patience: patience.clone() });
            async move {
                let version = request.version();
                peer.patience.answers(false);
                let mut answer = service::handle(gateway.clone(), peer, request).await;
                // A client whose window is shut never comes for the body.
                outlet::given();
                if gateway.has_left() && version < Version::HTTP_2 {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let protocol = tokio::select! {
            protocol = protocol::detect(io.stream(), idle) => protocol,
            // It has asked for nothing yet.
            _ = ending.wait_for(|ending| ending.now) => return,
        };
        let ended = match protocol {
            Ok(Protocol::Http1) => {
                drop(http2);
                run(protocols.http1.serve_connection(TokioIo::new(io), service), http1, nudges).await
            }
            Ok(Protocol::Http2) => {
                drop(http1);
                run(protocols.http2.serve_connection(TokioIo::new(io), service), http2, nudges).await
            }
            Err(error) => return tracing::debug!(%error, "a client sent no request"),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a client's connection ended badly");
        }
    });
}

/// Serves one connection to its end.
fn run<C: GracefulConnection>(
    connection: C,
    watcher: Watcher,
    mut nudges: Nudges,
) -> impl Future<Output = std::result::Result<(), C::Error>> {
    // Boxed, because a task that may hold either protocol's connection has room for both, several times over.
    let mut watched = Box::pin(watcher.watch(connection));
    async move {
        loop {
            tokio::select! {
                ended = watched.as_mut() => return ended,
                // Polled once more, each stream finds whether it is to end.
                () = nudges.next() => {}
            }
        }
    }
}

/// Counts a connection for as long as it lives.
struct Open {
    gateway: Arc<Gateway>,
    _seat: OwnedSemaphorePermit,
    _open: watch::Receiver<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gateway.metrics.connections.dec();
    }
}
