//! No core dumps: what is in memory has keys and prompts.

use nix::sys::resource::{Resource, setrlimit};

/// The variable that lets them be, for whoever looks for a bug on a machine without real keys.
pub const ALLOW: &str = "TIDEGATE_CORE_DUMPS";

/// Forbids core dumps for this process and all that it starts, unless [`ALLOW`] is `1`. systemd-coredump and the like, which
/// the kernel hands a dump whatever the limit is, look at it and store none.
pub fn forbid() {
    if std::env::var(ALLOW).is_ok_and(|value| value == "1") {
        tracing::warn!("{ALLOW} is 1: a core dump of this process would have keys and prompts in it");
        return;
    }
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "core dumps could not be forbidden");
    }
}
