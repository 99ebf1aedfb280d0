//! The pages of `docs/` and the README against the program.
#![forbid(unsafe_code)]

mod config;
mod metrics;
mod pages;
