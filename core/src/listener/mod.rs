//! Accepts clients: HTTP/1.1 and h2c, bounded in number, in header size and in time, and drained at the end.

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

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use nix::sys::socket::{Shutdown, shutdown};
use socket2::{Domain, Socket, Type};
use tidegate_watchdog::Kill;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub use io::{ClientIo, Patience, Shutter};
use streams::Streams;

use protocol::{Protocol, Protocols};

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

/// Serves until `stop` says so, then lets requests in flight finish for `drain`. From `retire` on it accepts no more: another
/// runtime does.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
    mut retire: watch::Receiver<bool>,
) {
    let limits = gateway.routes.load().config.tidegate.limits;
    let seats =
        Arc::new(Semaphore::new(usize::try_from(limits.connections).unwrap_or(Semaphore::MAX_PERMITS)));
    let protocols = Arc::new(Protocols::new(
        Streams::new(gateway.clone()),
        usize::try_from(limits.header).unwrap_or(usize::MAX),
    ));
    let graceful = GracefulShutdown::new();
    loop {
        // A full house must not keep it from being stopped.
        let next = async { (seats.clone().acquire_owned().await, listener.accept().await) };
        let (seat, accepted) = tokio::select! {
            next = next => next,
            _ = stop.wait_for(|stop| *stop) => break,
            _ = retire.wait_for(|retire| *retire) => break,
        };
        let Ok(seat) = seat else { break };
        match accepted {
            Ok((stream, peer)) => connect(&gateway, &protocols, &graceful, stream, peer, seat, &stop),
            // Shut by `close`, through another duplicate; `stop` is on its way.
            Err(error) if error.kind() == ErrorKind::InvalidInput => break,
            Err(error) => {
                tracing::warn!(%error, "a client could not be accepted");
                if !matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    if *stop.borrow() {
        close(&listener);
    }
    drop(listener);
    // Its sender is gone only at the end.
    let _ = stop.wait_for(|stop| *stop).await;
    let drain = gateway.routes.load().config.tidegate.clocks.drain;
    let left = gateway.metrics.active.get();
    tracing::info!(requests = left, deadline = ?drain, "draining");
    let mut drained = pin!(graceful.shutdown());
    if tokio::time::timeout(drain, drained.as_mut()).await.is_err() {
        tracing::warn!(
            requests = gateway.metrics.active.get(),
            "the drain's time is over: what is left is cut"
        );
        gateway.cut();
        // A client that does not read cannot be told.
        let _ = tokio::time::timeout(LAST_WORDS, drained).await;
    }
}

/// No duplicate of the socket takes clients any more, whoever holds one.
pub fn close(listener: &impl AsRawFd) {
    // Where a listening socket cannot be shut, it ends with its last duplicate.
    let _ = shutdown(listener.as_raw_fd(), Shutdown::Both);
}

fn connect(
    gateway: &Arc<Gateway>,
    protocols: &Arc<Protocols>,
    graceful: &GracefulShutdown,
    stream: TcpStream,
    addr: SocketAddr,
    seat: OwnedSemaphorePermit,
    stop: &watch::Receiver<bool>,
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
    let open = Open { gateway: gateway.clone(), _seat: seat };
    let (nudges, watcher) = (gateway.nudges(), graceful.watcher());
    let (gateway, protocols, mut stop) = (gateway.clone(), protocols.clone(), stop.clone());
    tokio::spawn(async move {
        let _open = open;
        let service = service_fn(move |request| {
            let (gateway, peer) =
                (gateway.clone(), Peer { addr, kill: kill.clone(), patience: patience.clone() });
            async move { Ok::<_, Infallible>(service::handle(gateway, peer, request).await) }
        });
        let protocol = tokio::select! {
            protocol = protocol::detect(io.stream(), idle) => protocol,
            // It has asked for nothing yet.
            _ = stop.changed() => return,
        };
        let ended = match protocol {
            Ok(Protocol::Http1) => {
                run(protocols.http1.serve_connection(TokioIo::new(io), service), watcher, nudges).await
            }
            Ok(Protocol::Http2) => {
                run(protocols.http2.serve_connection(TokioIo::new(io), service), watcher, nudges).await
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
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gateway.metrics.connections.dec();
    }
}
