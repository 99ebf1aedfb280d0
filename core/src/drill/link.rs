//! Upstream connections that fail before a byte of HTTP: each on a socket of its own, on this machine alone.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How a connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Nobody listens.
    Refused,
    /// RST as soon as it is accepted.
    Reset,
    /// FIN as soon as it is accepted.
    Closed,
    /// The name has no address.
    Dns,
    /// Plain text where TLS is spoken.
    TlsPlain,
    /// A certificate that nobody vouches for.
    TlsCertificate,
    /// RST within the handshake.
    TlsReset,
    /// No answer to the handshake.
    TlsSilence,
}

/// A certificate for 127.0.0.1 that signed itself, and its key. Good for nothing else: the drill's server is all that
/// ever shows it.
const CERTIFICATE: &[u8] = include_bytes!("untrusted-cert.der");
const KEY: &[u8] = include_bytes!("untrusted-key.der");
/// A label of more than 63 letters is no name (RFC 1035 section 2.3.4): the resolver says so without asking anybody.
const NO_NAME: &str = "no-such-host-no-such-host-no-such-host-no-such-host-no-such-host-no-such-host.invalid";

impl Link {
    pub(super) const ALL: [Self; 8] = [
        Self::Refused,
        Self::Reset,
        Self::Closed,
        Self::Dns,
        Self::TlsPlain,
        Self::TlsCertificate,
        Self::TlsReset,
        Self::TlsSilence,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Refused => "connect-refused",
            Self::Reset => "connect-reset",
            Self::Closed => "connect-closed",
            Self::Dns => "dns-failure",
            Self::TlsPlain => "tls-plain-text",
            Self::TlsCertificate => "tls-certificate",
            Self::TlsReset => "tls-reset",
            Self::TlsSilence => "tls-silence",
        }
    }

    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Refused => "nobody listens at the upstream's port",
            Self::Reset => "RST as soon as the connection is accepted",
            Self::Closed => "FIN as soon as the connection is accepted",
            Self::Dns => "the upstream's name has no address",
            Self::TlsPlain => "plain text where TLS is spoken",
            Self::TlsCertificate => "a certificate that nobody vouches for",
            Self::TlsReset => "RST within the TLS handshake",
            Self::TlsSilence => "no answer to the TLS handshake",
        }
    }

    fn is_tls(self) -> bool {
        matches!(self, Self::TlsPlain | Self::TlsCertificate | Self::TlsReset | Self::TlsSilence)
    }

    /// Sets it up. What it needs ends when the answer is dropped.
    ///
    /// # Errors
    /// There is no socket to be had.
    pub(super) async fn open(self) -> io::Result<Broken> {
        let scheme = if self.is_tls() { "https" } else { "http" };
        match self {
            Self::Dns => Ok(Broken { base: format!("http://{NO_NAME}"), bound: None, accepting: None }),
            Self::Refused => {
                // Bound and not listening: the port is nobody else's meanwhile.
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
                socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
                let addr = socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("no address"))?;
                Ok(Broken { base: format!("{scheme}://{addr}"), bound: Some(socket), accepting: None })
            }
            _ => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let base = format!("{scheme}://{}", listener.local_addr()?);
                let accepting = tokio::spawn(accept(listener, self));
                Ok(Broken { base, bound: None, accepting: Some(accepting) })
            }
        }
    }
}

/// An upstream that cannot be reached.
#[derive(Debug)]
pub(super) struct Broken {
    /// Scheme, host and port.
    pub(super) base: String,
    #[expect(dead_code, reason = "holds the port")]
    bound: Option<Socket>,
    accepting: Option<JoinHandle<()>>,
}

impl Drop for Broken {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

async fn accept(listener: TcpListener, link: Link) {
    let mut held = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.spawn(async move {
            // The other side may be gone first: the fault has then happened anyway.
            let _ = fail(stream, link).await;
        });
    }
}

/// Waits for the client's first bytes. An end is as good: the fault comes next.
async fn hear(stream: &mut TcpStream) -> io::Result<usize> {
    stream.read(&mut [0; 4096]).await
}

async fn fail(mut stream: TcpStream, link: Link) -> io::Result<()> {
    let mut hello = [0; 4096];
    match link {
        Link::Refused | Link::Dns | Link::Closed => {}
        Link::Reset => stream.set_zero_linger()?,
        Link::TlsPlain => {
            hear(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await?;
        }
        Link::TlsReset => {
            hear(&mut stream).await?;
            stream.set_zero_linger()?;
        }
        Link::TlsSilence => while stream.read(&mut hello).await? > 0 {},
        Link::TlsCertificate => {
            let key = PrivatePkcs8KeyDer::from(KEY);
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)?
                .with_no_client_auth()
                .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key.into())
                .map_err(io::Error::other)?;
            let mut tls = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
            // A client that trusts it would wait here.
            let _ = tokio::time::timeout(Duration::from_secs(60), tls.read(&mut hello)).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_fails_in_its_own_way() {
        let host = |broken: &Broken| broken.base.split("://").nth(1).unwrap_or_default().to_owned();
        let refused = Link::Refused.open().await.unwrap();
        let error = TcpStream::connect(host(&refused)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let dns = Link::Dns.open().await.unwrap();
        assert!(tokio::net::lookup_host((host(&dns).as_str(), 80)).await.is_err());
        for (link, kind) in [(Link::Reset, Some(io::ErrorKind::ConnectionReset)), (Link::Closed, None)] {
            let broken = link.open().await.unwrap();
            let mut stream = TcpStream::connect(host(&broken)).await.unwrap();
            let read = stream.read(&mut [0; 9]).await;
            assert_eq!(read.as_ref().err().map(io::Error::kind), kind, "{link:?}: {read:?}");
        }
    }
}
