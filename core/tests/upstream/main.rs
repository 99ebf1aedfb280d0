//! The upstream client against servers that say exactly the bytes each test wants, and end as it wants.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod faults;
mod google;
mod h1;
mod h2;
mod memory;
mod pool;
mod server;
mod tls;
