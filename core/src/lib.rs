//! The Tidegate daemon's library: everything behind the `tidegate` command.
#![forbid(unsafe_code)]

pub mod upstream;
