//! Incidents outside of the watchdog: as JSON, in a file, and as text for people.

pub mod command;
mod draw;
pub mod file;
pub mod json;
mod source;

/// A plugin's worker process ended, and nobody asked for it.
pub const PLUGIN_WORKER_ENDED: tidegate_watchdog::Kind =
    tidegate_watchdog::Kind::Owner("plugin_worker_ended");

/// A new version of a plugin is in force, or none is any more.
pub const PLUGIN_SWAPPED: tidegate_watchdog::Kind = tidegate_watchdog::Kind::Owner("plugin_swapped");

pub use file::Writer;
pub use source::Source;
