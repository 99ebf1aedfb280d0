//! Incidents outside of the watchdog: as JSON, in a file, and as text for people.

pub mod command;
mod draw;
pub mod file;
pub mod json;
mod source;

pub use file::Writer;
pub use source::Source;
