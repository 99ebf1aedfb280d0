//! Why a plugin's call failed.

use tidegate_plugin_abi::{Status, status};

/// A failed call. Sinks return it, so `?` carries it to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's request is not valid; the text is told to the client.
    Invalid(String),
    /// The request needs what this provider cannot do; the text is told to the client.
    Unsupported(String),
    /// The upstream's bytes are not in its dialect. The reason is logged: it must not quote them.
    Protocol(&'static str),
    /// The event, or the body, is the provider's error form: the host calls `classify` with it.
    Upstream,
    /// A sink's cap is reached. Return it at once.
    Limit,
    /// The host refused what a sink was given, with this status.
    Refused(i32),
}

impl Fault {
    /// The ABI's status for it.
    pub(crate) fn status(&self) -> Status {
        match self {
            Fault::Invalid(_) => status::E_INVALID,
            Fault::Unsupported(_) => status::E_UNSUPPORTED,
            Fault::Protocol(_) => status::E_PROTOCOL,
            Fault::Upstream => status::E_UPSTREAM,
            Fault::Limit => status::E_LIMIT,
            Fault::Refused(status) => *status,
        }
    }

    /// What a sink answered.
    pub(crate) fn check(answer: Status) -> Result<(), Fault> {
        match answer {
            status::E_LIMIT => Err(Fault::Limit),
            refused if refused < 0 => Err(Fault::Refused(refused)),
            _ => Ok(()),
        }
    }
}
