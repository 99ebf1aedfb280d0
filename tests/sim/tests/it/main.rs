//! The simulator over real sockets, seen by a client that hides nothing.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

mod answers;
mod choose;
mod client;
mod expectations;
mod lifecycle;
mod token;
mod wire;
