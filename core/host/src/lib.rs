//! Loads plugins and calls them: the host's side of `tidegate.h`.
//!
//! A plugin is checked before a byte of its code runs ([`load()`]), its descriptor is validated before a function of
//! it is called, and each answer is validated before the core sees it. What comes out are plain Rust values: no
//! pointer, status or borrowed byte of a plugin leaves this crate.
//!
//! Inline, calls run on the caller's thread and their futures are ready at the first poll. A plugin's panic arrives as
//! [`PluginError::Panic`]; a plugin that never returns is for the watchdog, which learns who is calling what from a
//! [`CallHook`]. In a process of its own ([`worker`]) a plugin can be ended, and arrives as [`PluginError::Ended`].
#![allow(unsafe_code, reason = "calling foreign code through a C ABI is what this crate is for")]

mod answer;
mod check;
mod checked;
mod elf;
mod entry;
mod error;
mod events;
mod examine;
mod hook;
mod image;
mod inline_stream;
mod input;
mod instance;
mod library;
mod load;
mod log;
mod macho;
mod manifest;
mod names;
mod plugin;
mod policy;
pub mod process;
mod provider;
mod request;
mod sandbox;
mod scan;
mod sinks;
mod stream;
mod types;
mod wire;
pub mod worker;

pub use check::read_guarded;
pub use checked::{Checked, Found};
pub use error::{CreateError, LoadError, PluginError, Whence};
pub use events::{Events, Note};
pub use examine::{Examined, examine};
pub use hook::{Aside, CallHook, Op, Outcome, set_call_hook, set_destroyer};
pub use input::{FailureIn, HeadIn, Header, Lent, RequestIn};
pub use load::{LoadOptions, from_static, hex, load};
pub use log::{LogFn, LogLevel, set_log};
pub use manifest::{
    Manifest, Param, Prefill, ProviderManifest, QuirkKind, SecretSpec, StreamUsage, VendorSupport,
};
pub use names::plugin_name;
pub use plugin::Plugin;
pub use policy::{Action, ActionKind, Attempt, History, Pick, Policy, PolicyInstance, Target};
pub use provider::{Limits, Provider, ProviderInstance};
pub use scan::{Skipped, Survey, libraries, scan, survey};
pub use stream::{Answer, Close, End, Stream};
pub use types::{Auth, Class, Classified, Dialect, Framing, Phase, Reply, ResponseSpec, UpstreamRequest};
pub use worker::{EndReason, Isolation, ProcessOptions, WorkerEnd, WorkerHook, set_worker_hook};

/// The contract's own constants: `tidegate_host::abi::error::RATE_LIMIT` and the like.
pub use tidegate_plugin_abi as abi;
