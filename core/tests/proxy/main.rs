//! The data path over real sockets: what a client gets when an upstream, or the client, misbehaves byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it stands")]

mod clients;
mod counts;
mod harness;
mod http2;
mod limits;
mod reach;
mod terminals;
mod weights;
