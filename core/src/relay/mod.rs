//! From the upstream's body to the client's: framing, inspection, translation and clocks, polled in place.

pub mod classify;
pub mod clocks;
pub mod continuation;
pub mod live;
mod passed;
pub mod reader;
pub mod source;
#[cfg(test)]
mod tests;
pub mod translator;
