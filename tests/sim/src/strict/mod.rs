//! A client that forgives nothing: what arrived byte by byte, what that told it, and whether that is true of the upstream.
//! The end-to-end tests and `tidegate drill` see the proxy through it.

pub mod client;
pub mod judge;
pub mod sse;
pub mod told;

pub use client::{Answer, Conn, End};
pub use judge::judge;
pub use told::{Call, Terminal, Told};
