//! What the author of a Tidegate plugin uses: safe traits over the C ABI.
//!
//! A provider implements [`Provider`] and [`Stream`], a policy implements [`Policy`]; [`export_plugin!`] puts either
//! behind the one exported symbol. Every call into the plugin is shielded: a panic becomes `TG_E_PANIC` and a line
//! in the host's log. Author crates can carry `#![forbid(unsafe_code)]`.
//!
//! [`retry_after`], [`classify`], [`body`] and [`arguments`] are the parts that every provider needs; [`harness`] drives a plugin
//! through the same C tables as the host, without a network.
#![allow(unsafe_code, reason = "the C ABI is wrapped here, so that plugins need none")]

pub mod arguments;
pub mod body;
pub mod classify;
mod dropped;
mod export;
mod fault;
mod ffi;
pub mod harness;
mod history;
mod host;
mod input;
mod kinds;
mod output;
mod policy;
mod provider;
pub mod retry_after;
pub mod url;

pub use dropped::Dropped;
pub use fault::Fault;
pub use history::{Attempt, History, Target};
pub use host::Host;
pub use input::{EventIn, FailureIn, HeadIn, Headers, RequestIn};
pub use kinds::{Close, Dialect, ErrorKind, Framing, Level, Note, Phase};
pub use output::{Auth, RequestOut, StreamOut, TextOut};
pub use policy::{Action, Choice, Policy};
pub use provider::{Class, Config, End, Flow, Provider, Stream};

/// What [`export_plugin!`] expands to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::ffi::{descriptor, policy_table, provider_table};
    pub use tidegate_plugin_abi::{HostV1, PluginV1, PolicyV1, ProviderV1};
}
