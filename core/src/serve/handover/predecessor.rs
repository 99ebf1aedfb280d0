//! The new process's side.

use std::io::{Error as IoError, ErrorKind, stdin};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::wire::Wire;
use super::{Ask, Offer, Told};
use crate::serve::Error;
use crate::serve::sockets::{Given, Listening};

/// The longest wait for the process before: what it has to do then is little.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest wait to be the service, once this process accepts: shorter than the pause in pings that systemd bears.
const LEAD: Duration = Duration::from_secs(5);

/// The process that started this one, and serves until told.
#[derive(Debug)]
pub(crate) struct Predecessor(Wire);

impl Given {
    /// Takes what the process before offers on standard input.
    ///
    /// # Errors
    /// There is no such process.
    pub fn by_predecessor() -> Result<Self, Error> {
        let wrong = |error: IoError| {
            Error::System(format!(
                "`--take-over` is for the process that tidegate itself starts at SIGUSR2: standard input: {error}"
            ))
        };
        let socket = stdin().as_fd().try_clone_to_owned().map_err(wrong)?;
        let wire = Wire::new(UnixStream::from(socket));
        let (ask, sockets) = wire.hear_with(PATIENCE).map_err(wrong)?;
        let Ask::Offer(Offer { data, admin }) = ask else {
            return Err(wrong(IoError::new(ErrorKind::InvalidData, "there is no offer")));
        };
        wire.say(&Told::Began(std::process::id())).map_err(wrong)?;
        let mut sockets = sockets.into_iter().map(TcpListener::from);
        let mut next = |bound_for| sockets.next().map(|socket| Listening { socket, bound_for });
        let (data, admin) = (next(data), next(admin));
        if data.is_none() || admin.is_none() {
            return Err(wrong(IoError::new(ErrorKind::InvalidData, "there are no sockets")));
        }
        Ok(Self { data, admin, predecessor: Some(Predecessor(wire)) })
    }
}

impl Predecessor {
    /// All that can fail has been done. Returns when this process is to accept clients.
    pub(crate) fn ready(&self) -> Result<(), Error> {
        let gone = |error: IoError| {
            Error::System(format!("the process before did not hand over: {error}; it may serve on"))
        };
        self.0.say(&Told::Ready).map_err(gone)?;
        match self.0.hear(PATIENCE).map_err(gone)? {
            Ask::Go => Ok(()),
            Ask::Offer(_) | Ask::Lead => Err(gone(ErrorKind::InvalidData.into())),
        }
    }

    /// Clients are accepted. Returns when this process is the service.
    pub(crate) fn serving(&self) {
        match self.0.say(&Told::Serving).and_then(|()| self.0.hear(LEAD)) {
            Ok(Ask::Lead) => {}
            // Gone or stuck, it is no reason not to serve; one that wants this process gone ends it.
            Ok(Ask::Offer(_) | Ask::Go) => {
                tracing::warn!("the process before said something else than `Lead`");
            }
            Err(error) => {
                tracing::warn!(%error, "the process before did not say that this one is the service");
            }
        }
    }
}

impl Predecessor {
    /// The service is to end: so is the process before, which drains, or has ended.
    pub(crate) fn ending(&self) {
        let _ = self.0.say(&Told::Ending);
    }

    /// Waits until it has ended: systemd, which knows it no more, would kill it with what it still has.
    pub(crate) fn ended(&self, limit: Duration) {
        if !self.0.closes(limit) {
            tracing::warn!("the process before has not ended");
        }
    }
}

/// Tells the process before why this one ends without having served.
pub fn failed(error: &Error) {
    let (Error::Config(why) | Error::System(why)) = error;
    let Ok(socket) = stdin().as_fd().try_clone_to_owned() else { return };
    // It may be gone.
    let _ = Wire::new(UnixStream::from(socket)).say(&Told::Failed(why.trim_end().to_owned()));
}
