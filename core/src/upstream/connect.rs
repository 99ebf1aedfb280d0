//! From a name to a connected socket: DNS, TCP, TLS, all within one clock.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::error::SendError;
use super::stream::{Sockets, Stream};
use super::target::{Origin, Scheme};

/// Connects to `origin`. The caller enforces the clock; here it is only divided between addresses.
pub(super) async fn connect(
    origin: &Arc<Origin>,
    tls: &Arc<ClientConfig>,
    clock: Clock,
    sockets: &Sockets,
) -> Result<Stream, SendError> {
    let addresses = resolve(origin).await?;
    let tcp = tcp(origin, &addresses, clock).await?;
    match origin.scheme() {
        Scheme::Http => Ok(Stream::plain(tcp, sockets)),
        Scheme::Https => {
            let tls_error = |source| SendError::Tls { origin: Arc::clone(origin), source };
            let name = ServerName::try_from(origin.host().to_owned())
                .map_err(|error| tls_error(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
            let tls = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
            tls.map(|tls| Stream::tls(tls, sockets)).map_err(tls_error)
        }
    }
}

async fn resolve(origin: &Arc<Origin>) -> Result<Vec<SocketAddr>, SendError> {
    let failed = |source| SendError::Dns { origin: Arc::clone(origin), source };
    let found = tokio::net::lookup_host((origin.host(), origin.port())).await.map_err(failed)?;
    let addresses: Vec<_> = found.collect();
    if addresses.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "it has no address")));
    }
    Ok(addresses)
}

/// Tries the addresses in the resolver's order. Each gets an equal share of the time left, so that one dead address
/// cannot use up the clock.
async fn tcp(origin: &Arc<Origin>, addresses: &[SocketAddr], clock: Clock) -> Result<TcpStream, SendError> {
    let mut last = clock.expired(origin);
    for (tried, address) in addresses.iter().enumerate() {
        let connecting = async {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            Ok(tcp)
        };
        last = match timeout(clock.share(addresses.len() - tried), connecting).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(source)) => SendError::Connect { origin: Arc::clone(origin), source },
            Err(_) => clock.expired(origin),
        };
    }
    Err(last)
}

/// The time that a connection may take to come about.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    total: Duration,
    deadline: Instant,
}

/// Stands in for a clock too long for the timer.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Clock {
    pub(super) fn start(total: Duration) -> Self {
        let now = Instant::now();
        Self { total, deadline: now.checked_add(total).unwrap_or(now + LONGEST) }
    }

    pub(super) async fn limit<T>(
        self,
        origin: &Arc<Origin>,
        connecting: impl Future<Output = Result<T, SendError>>,
    ) -> Result<T, SendError> {
        timeout_at(self.deadline, connecting).await.unwrap_or_else(|_| Err(self.expired(origin)))
    }

    fn share(self, addresses: usize) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left / u32::try_from(addresses).unwrap_or(u32::MAX).max(1)
    }

    fn expired(self, origin: &Arc<Origin>) -> SendError {
        SendError::Timeout { origin: Arc::clone(origin), after: self.total }
    }
}
