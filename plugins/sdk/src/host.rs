//! What the host offers to a plugin: its log.

use core::ffi::c_void;

use tidegate_plugin_abi::{HostV1, Status, Str, TextOutV1};

use crate::Level;
use crate::ffi::read_sized;

/// A handle to the host. Cheap to copy; valid as long as the process; usable from any thread.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    ctx: *mut c_void,
    log: Option<unsafe extern "C" fn(*mut c_void, u32, Str)>,
}

// SAFETY: the header promises that the table lives as long as the process and that `log` takes any thread.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Host {
    /// A host that hears nothing: for tests of a plugin's own functions.
    pub const fn silent() -> Self {
        Host { ctx: core::ptr::null_mut(), log: None }
    }

    /// Writes one line to the host's log. No keys and no prompt text belong in it.
    pub fn log(&self, level: Level, message: &str) {
        if let Some(log) = self.log {
            // SAFETY: `log` and `ctx` come from the same table; the message is borrowed for this call.
            unsafe { log(self.ctx, level.value(), Str::lend(message.as_bytes())) };
        }
    }

    /// # Safety
    /// `raw` is null, or a table as the header describes it.
    pub(crate) unsafe fn from_raw(raw: *const HostV1) -> Self {
        // SAFETY: the caller's promise.
        match unsafe { read_sized(raw) } {
            Some(table) => Host { ctx: table.ctx, log: table.log },
            None => Host::silent(),
        }
    }
}

/// Writes `text` to a `why` sink. A refusal is ignored: the status that follows still says that the call failed.
///
/// # Safety
/// `sink` is null, or a sink that the host lent for this call.
pub(crate) unsafe fn write_why(sink: *const TextOutV1, text: &str) {
    // SAFETY: the caller's promise.
    if let Some(TextOutV1 { ctx, write: Some(write), .. }) = unsafe { read_sized(sink) } {
        // SAFETY: `write` and `ctx` come from the same sink; the text is borrowed for this call.
        let _: Status = unsafe { write(ctx, Str::lend(text.as_bytes())) };
    }
}
