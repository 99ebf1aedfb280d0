//! Where a plugin's log lines go.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use tidegate_plugin_abi as abi;

use crate::plugin::Seat;
use crate::wire;

/// A longer message is cut.
const MESSAGE_CAP: usize = 4096;

/// Level of a plugin's log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the usual ones")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// Takes one line: the plugin's name (its file's stem while it is being loaded), the level, and the message
/// without control characters. Any thread, also within a plugin call.
pub type LogFn = fn(plugin: &str, level: LogLevel, message: &str);

static LOG: OnceLock<LogFn> = OnceLock::new();

/// Sets where lines go, once per process; `tracing` without it. `false`: it was set before, and stays.
pub fn set_log(log: LogFn) -> bool {
    LOG.set(log).is_ok()
}

fn to_tracing(plugin: &str, level: LogLevel, message: &str) {
    match level {
        LogLevel::Error => tracing::error!(plugin, "{message}"),
        LogLevel::Warn => tracing::warn!(plugin, "{message}"),
        LogLevel::Info => tracing::info!(plugin, "{message}"),
        LogLevel::Debug => tracing::debug!(plugin, "{message}"),
    }
}

/// `tg_host_v1.log`.
pub(crate) unsafe extern "C" fn sink(ctx: *mut c_void, level: u32, message: abi::Str) {
    // A panic of ours (a subscriber's, say) must not cross into the plugin.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `ctx` is what `HostV1.ctx` was set to: a leaked Seat, shared and immutable.
        let seat = unsafe { &*ctx.cast::<Seat>() };
        // SAFETY: the contract lends `message` for this call.
        let Some(bytes) = (unsafe { wire::bytes(message) }) else { return };
        write(seat.name(), level, bytes);
    }));
}

/// Writes a plugin's line, wherever it came from.
pub(crate) fn write(plugin: &str, level: u32, message: &[u8]) {
    let text = printable(&message[..message.len().min(MESSAGE_CAP)]);
    let level = match level {
        abi::log::ERROR => LogLevel::Error,
        abi::log::WARN => LogLevel::Warn,
        abi::log::INFO => LogLevel::Info,
        _ => LogLevel::Debug,
    };
    LOG.get().copied().unwrap_or(to_tracing)(plugin, level, &text);
}

impl LogLevel {
    /// The header's number of it.
    pub(crate) fn number(self) -> u32 {
        match self {
            LogLevel::Error => abi::log::ERROR,
            LogLevel::Warn => abi::log::WARN,
            LogLevel::Info => abi::log::INFO,
            LogLevel::Debug => abi::log::DEBUG,
        }
    }
}

/// Text of several lines, with no other control characters.
pub(crate) fn printable_lines(bytes: &[u8]) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    String::from_utf8_lossy(bytes).trim().chars().map(plain).collect()
}

/// One line: a plugin must not be able to forge a second.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(printable(b"a\nb\x1b[31m\xffc"), "a b [31m\u{fffd}c");
    }
}
