//! What can go wrong with an upstream call, in sentences that a client may read.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::target::Origin;

/// Why a call has no response. The sentences name the host and never the path, query or key.
#[derive(Debug)]
pub enum SendError {
    /// The host's name gave no address.
    Dns {
        /// Who was looked up.
        origin: Arc<Origin>,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address accepted a TCP connection.
    Connect {
        /// Who was called.
        origin: Arc<Origin>,
        /// What the last address tried answered.
        source: io::Error,
    },
    /// The TLS handshake failed; a certificate that is not trusted is the usual case.
    Tls {
        /// Who was called.
        origin: Arc<Origin>,
        /// What rustls said.
        source: io::Error,
    },
    /// The connect clock (name, TCP, TLS and protocol handshake) ran out.
    Timeout {
        /// Who was called.
        origin: Arc<Origin>,
        /// The whole clock.
        after: Duration,
    },
    /// The connection ended before a whole response head arrived.
    Closed {
        /// Who was called.
        origin: Arc<Origin>,
    },
    /// The connection broke before a whole response head arrived.
    Io {
        /// Who was called.
        origin: Arc<Origin>,
        /// What the socket said.
        source: io::Error,
    },
    /// The answer is not HTTP, or its head is larger than allowed.
    Protocol {
        /// Who was called.
        origin: Arc<Origin>,
        /// What is wrong with it.
        detail: String,
    },
}

impl SendError {
    /// A short name from a closed set, for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "connect_timeout",
            Self::Closed { .. } => "closed",
            Self::Io { .. } => "io",
            Self::Protocol { .. } => "protocol",
        }
    }

    pub(super) fn from_hyper(origin: &Arc<Origin>, error: &hyper::Error) -> Self {
        let origin = Arc::clone(origin);
        match Cause::of(error) {
            Cause::Ended => Self::Closed { origin },
            Cause::Io(source) => Self::Io { origin, source },
            Cause::Protocol(detail) => Self::Protocol { origin, detail },
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns { origin, source } => {
                write!(f, "the name {} could not be resolved: {source}", origin.host())
            }
            Self::Connect { origin, source } => write!(f, "could not connect to {origin}: {source}"),
            Self::Tls { origin, source } => {
                write!(f, "the TLS handshake with {origin} failed: {source}")
            }
            Self::Timeout { origin, after } => {
                write!(f, "no connection to {origin} within {after:?}")
            }
            Self::Closed { origin } => {
                write!(f, "{origin} closed the connection before it sent a response")
            }
            Self::Io { origin, source } => {
                write!(f, "the connection to {origin} broke before a response came: {source}")
            }
            Self::Protocol { origin, detail } => {
                write!(f, "{origin} did not answer in valid HTTP: {detail}")
            }
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Dns { source, .. }
            | Self::Connect { source, .. }
            | Self::Tls { source, .. }
            | Self::Io { source, .. } => Some(source),
            Self::Timeout { .. } | Self::Closed { .. } | Self::Protocol { .. } => None,
        }
    }
}

/// Why a response body did not come to its end. None of these is ever reported as an end.
#[derive(Debug)]
pub enum BodyError {
    /// The socket failed, or the upstream reset the connection or the stream.
    Io(io::Error),
    /// The connection ended before the announced length or the last chunk.
    Incomplete,
    /// The framing of the body is invalid.
    Protocol(String),
}

impl BodyError {
    /// A short name from a closed set, for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::Incomplete => "incomplete",
            Self::Protocol(_) => "protocol",
        }
    }

    pub(super) fn from_hyper(error: &hyper::Error) -> Self {
        match Cause::of(error) {
            Cause::Ended => Self::Incomplete,
            Cause::Io(error) => Self::Io(error),
            Cause::Protocol(detail) => Self::Protocol(detail),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the upstream connection broke: {error}"),
            Self::Incomplete => f.write_str("the upstream ended its response too early"),
            Self::Protocol(detail) => write!(f, "the upstream's response is malformed: {detail}"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Incomplete | Self::Protocol(_) => None,
        }
    }
}

/// The three things that a `hyper::Error` can mean here.
enum Cause {
    Ended,
    Io(io::Error),
    Protocol(String),
}

impl Cause {
    fn of(error: &hyper::Error) -> Self {
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Self::Ended;
        }
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return Self::of_io(io);
            }
            if let Some(h2) = inner.downcast_ref::<h2::Error>() {
                return Self::of_h2(h2);
            }
            source = inner.source();
        }
        if error.is_parse() {
            return Self::Protocol(error.to_string());
        }
        Self::Io(io::Error::other(error.to_string()))
    }

    /// hyper's body decoder speaks in `io::Error`s too: by their kind one can tell them from a socket's.
    fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Ended,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                Self::Protocol(error.to_string())
            }
            kind => Self::Io(match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(kind, error.to_string()),
            }),
        }
    }

    fn of_h2(error: &h2::Error) -> Self {
        if let Some(io) = error.get_io() {
            return Self::of_io(io);
        }
        if error.is_remote() {
            let reason = error.reason().map_or("no reason given".to_owned(), |r| r.to_string());
            let text = format!("the upstream reset the HTTP/2 stream: {reason}");
            return Self::Io(io::Error::new(io::ErrorKind::ConnectionReset, text));
        }
        Self::Protocol(error.to_string())
    }
}
