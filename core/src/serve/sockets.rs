//! The listening sockets: bound here, given by a service manager (sd_listen_fds(3)), or handed over by the process before.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use nix::sys::socket::{getsockopt, sockopt::AcceptConn};

use super::Error;
use super::handover::Predecessor;
use crate::listener;

/// What systemd calls the sockets, in their order; separated by colons.
const NAMES: &str = "LISTEN_FDNAMES";

/// A listening socket, and whose it is.
#[derive(Debug)]
pub struct Listening {
    pub(super) socket: TcpListener,
    /// The configured address that it was bound for. `None`: the service manager's, which goes on listening after us.
    pub(super) bound_for: Option<SocketAddr>,
}

/// What the process has when it starts.
#[derive(Debug, Default)]
pub struct Given {
    /// For clients.
    pub(super) data: Option<Listening>,
    /// For the admin port.
    pub(super) admin: Option<Listening>,
    /// Who serves until this process says that it does.
    pub(super) predecessor: Option<Predecessor>,
}

impl Given {
    /// The sockets of the service manager, if there are any. Named `data` and `admin` (`FileDescriptorName=`); without such
    /// names the first is for data, and the second, which need not be there, for the admin port.
    ///
    /// Takes the variables out of the environment: call it before there is a second thread.
    ///
    /// # Errors
    /// There are too many, two have one name, or one is no TCP socket that listens.
    pub fn by_manager() -> Result<Self, Error> {
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        let slots = slots(sockets.len(), &names).map_err(wrong)?;
        let mut given = Self::default();
        for (index, slot) in slots.into_iter().enumerate() {
            let number = index + 1;
            let socket = sockets
                .take_tcp_listener(index)
                .map_err(|error| wrong(format!("socket {number} of the service manager: {error}; {WANTED}")))?
                .ok_or_else(|| wrong(format!("there is no socket {number}")))?;
            if !getsockopt(&socket, AcceptConn).unwrap_or(false) {
                return Err(wrong(format!(
                    "socket {number} of the service manager does not listen (Accept=no); {WANTED}"
                )));
            }
            socket.set_nonblocking(true).map_err(|error| Error::System(error.to_string()))?;
            let listening = Some(Listening { socket, bound_for: None });
            match slot {
                Slot::Data => given.data = listening,
                Slot::Admin => given.admin = listening,
            }
        }
        Ok(given)
    }

    /// The address for clients, where the configuration has no say in it.
    pub(super) fn exposed(&self) -> Option<SocketAddr> {
        self.data.as_ref().filter(|data| data.bound_for.is_none())?.socket.local_addr().ok()
    }
}

const WANTED: &str = "a TCP socket is wanted, as `ListenStream=ADDRESS:PORT` makes it";

fn wrong(text: String) -> Error {
    Error::Config(format!("socket activation: {text}\n"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Data,
    Admin,
}

/// What each of `count` sockets is for.
fn slots(count: usize, names: &str) -> Result<Vec<Slot>, String> {
    if count > 2 {
        return Err(format!("there are {count} sockets, and there is use for two: data and admin"));
    }
    let slot = |name: &str| match name {
        "data" => Some(Slot::Data),
        "admin" => Some(Slot::Admin),
        _ => None,
    };
    let named: Vec<Option<Slot>> = names.split(':').map(slot).take(count).collect();
    if named.iter().all(Option::is_none) {
        return Ok([Slot::Data, Slot::Admin].into_iter().take(count).collect());
    }
    let all: Vec<Slot> = named.into_iter().flatten().collect();
    if all.len() < count {
        return Err(format!("name all sockets or none: data, admin (FileDescriptorName=); they are {names}"));
    }
    if all.first() == all.get(1) {
        return Err(format!("two sockets have one name: {names}"));
    }
    Ok(all)
}

/// The socket that was given, if it is for `address` still, else one that is bound now.
pub(super) fn listen(given: Option<Listening>, address: SocketAddr) -> Result<Listening, Error> {
    match given {
        Some(given) if given.bound_for.is_none_or(|before| before == address) => Ok(given),
        _ => {
            let socket = listener::bind(address)
                .map_err(|error| Error::System(format!("cannot listen on {address}: {error}")))?;
            Ok(Listening { socket, bound_for: Some(address) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_by_their_names_or_their_order() {
        use Slot::{Admin, Data};
        assert_eq!(slots(0, "").unwrap(), []);
        assert_eq!(slots(1, "").unwrap(), [Data]);
        assert_eq!(slots(1, "unknown").unwrap(), [Data]);
        assert_eq!(slots(1, "admin").unwrap(), [Admin]);
        assert_eq!(slots(2, "tidegate.socket:tidegate.socket").unwrap(), [Data, Admin]);
        assert_eq!(slots(2, "admin:data").unwrap(), [Admin, Data]);
        for (count, names) in
            [(3, "data:admin:more"), (2, "data:data"), (2, "data:tidegate.socket"), (2, "admin")]
        {
            assert!(slots(count, names).is_err(), "{count} {names}");
        }
    }

    #[test]
    fn a_socket_for_another_address_is_not_taken() {
        let first = listen(None, ([127, 0, 0, 1], 0).into()).unwrap();
        let port = |listening: &Listening| listening.socket.local_addr().unwrap().port();
        let bound = port(&first);
        let same = listen(Some(first), ([127, 0, 0, 1], 0).into()).unwrap();
        assert_eq!(port(&same), bound);
        let other = listen(Some(same), ([127, 0, 0, 2], 0).into()).unwrap();
        assert_eq!(other.bound_for, Some(([127, 0, 0, 2], 0).into()));
        let managers = Listening { socket: other.socket, bound_for: None };
        assert_eq!(listen(Some(managers), ([127, 0, 0, 1], 0).into()).unwrap().bound_for, None);
    }
}
