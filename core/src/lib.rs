//! (stub)

pub mod config;
