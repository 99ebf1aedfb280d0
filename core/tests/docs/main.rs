//! The pages of `docs/` and the README against the program.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a page or a scrape of another form ends the test")]

mod alerts;
mod config;
mod metrics;
mod pages;
mod peers;
mod providers;
