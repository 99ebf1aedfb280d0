//! The plugin's own state behind a pointer: created once, destroyed once.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use tidegate_plugin_abi::{HostV1, Status, Str, TextOutV1, status};

use crate::answer;
use crate::error::{CreateError, PluginError};
use crate::hook::{Op, destroyed, observed};
use crate::plugin::Plugin;
use crate::sinks::TextSink;
use crate::wire::lend;

/// `create` of either table.
pub(crate) type CreateFn =
    unsafe extern "C" fn(*const HostV1, Str, *const TextOutV1, *mut *mut c_void) -> Status;
/// `destroy` of either table.
pub(crate) type DestroyFn = unsafe extern "C" fn(*mut c_void);

/// An instance. The pointer is the plugin's own affair, null included.
pub(crate) struct Instance {
    ptr: *mut c_void,
    destroy: DestroyFn,
    plugin: Arc<Plugin>,
}

// SAFETY: the contract lets calls that take an instance run at the same time on any threads.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Instance {
    pub(crate) fn create(
        plugin: Arc<Plugin>,
        create: CreateFn,
        destroy: DestroyFn,
        config: &serde_json::Value,
    ) -> Result<Self, CreateError> {
        let config = config.to_string();
        let mut why = TextSink::message();
        let mut ptr = std::ptr::null_mut();
        let answer = observed(plugin.id(), Op::Create, || {
            let out = why.out();
            // SAFETY: `create` is a checked function of a loaded plugin; all that is lent outlives the call.
            unsafe { create(plugin.host(), lend(config.as_bytes()), &raw const out, &raw mut ptr) }
        });
        let whence = plugin.whence(Op::Create);
        match answer {
            status::OK => Ok(Self { ptr, destroy, plugin }),
            // A long reason fills its sink, and a plugin may then answer with what the sink did.
            status::E_CONFIG | status::E_INVALID | status::E_UNSUPPORTED | status::E_LIMIT => {
                Err(CreateError::Config(answer::worded(why.into_message(), || {
                    format!("the plugin \"{}\" refuses its configuration and does not say why", plugin.name())
                })))
            }
            status::E_PANIC => Err(PluginError::Panic(whence).into()),
            other => Err(answer::unexpected(whence, other).into()),
        }
    }

    pub(crate) fn ptr(&self) -> *mut c_void {
        self.ptr
    }

    pub(crate) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let last = Last { ptr: self.ptr, destroy: self.destroy, plugin: self.plugin.clone() };
        destroyed(move || last.call());
    }
}

/// The one call that an instance still gets when its owner is gone.
struct Last {
    ptr: *mut c_void,
    destroy: DestroyFn,
    /// Its code.
    plugin: Arc<Plugin>,
}

// SAFETY: the contract lets an instance's calls come from any thread.
unsafe impl Send for Last {}

impl Last {
    fn call(self) {
        observed(self.plugin.id(), Op::Destroy, || {
            // SAFETY: `ptr` came from `create`, and with its owner gone no call can use it again.
            unsafe { (self.destroy)(self.ptr) };
            status::OK
        });
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance of {}", self.plugin.name())
    }
}
