//! Turns a call's status, and what its sinks saw, into a result.

use tidegate_plugin_abi::{Status, status};

use crate::error::{PluginError, Whence};
use crate::sinks::Fault;

/// The error that a failed status stands for. `why` is the text of the calls that may refuse a client's request;
/// from the others, calling the input invalid or unsupported is itself a broken contract.
pub(crate) fn failure(whence: Whence, answer: Status, why: Option<String>) -> PluginError {
    match (answer, why) {
        (status::E_PANIC, _) => PluginError::Panic(whence),
        (status::E_LIMIT, _) => PluginError::Limit(whence),
        (status::E_PROTOCOL, _) => PluginError::Protocol(whence),
        (status::E_INVALID, Some(why)) => PluginError::Invalid(worded(why, || {
            format!("the provider \"{}\" finds this request invalid and does not say why", whence.plugin)
        })),
        (status::E_UNSUPPORTED, Some(why)) => PluginError::Unsupported(worded(why, || {
            format!("the provider \"{}\" does not support this request and does not say why", whence.plugin)
        })),
        (other, _) => unexpected(whence, other),
    }
}

/// A status that the called function may not answer with.
pub(crate) fn unexpected(whence: Whence, answer: Status) -> PluginError {
    PluginError::BadAnswer(whence, format!("status {answer} is no answer to that"))
}

/// What a sink saw outranks the status, because a plugin that ignores a sink's refusal may answer TG_OK; only a
/// panic outranks both.
pub(crate) fn outranks(whence: Whence, answer: Status, fault: Option<Fault>) -> Result<(), PluginError> {
    match fault {
        _ if answer == status::E_PANIC => Err(PluginError::Panic(whence)),
        Some(Fault::Limit) => Err(PluginError::Limit(whence)),
        Some(Fault::Misuse(what)) => Err(PluginError::BadAnswer(whence, what.to_owned())),
        None => Ok(()),
    }
}

pub(crate) fn worded(why: String, default: impl FnOnce() -> String) -> String {
    if why.is_empty() { default() } else { why }
}
