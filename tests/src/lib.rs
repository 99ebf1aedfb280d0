//! Parts of the end-to-end tests: the real `tidegate` as a child process, a client that sees exact bytes and times, a
//! reader of what that client was told, and a judge of it.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken assumption ends the test with its sentence, and a failed test shows the proxy's log"
)]

pub mod client;
pub mod config;
pub mod cpu;
pub mod judge;
pub mod metrics;
pub mod outside;
pub mod proxy;
pub mod sse;
pub mod told;

pub use client::{Answer, Conn, End};
pub use config::Setup;
pub use judge::judge;
pub use metrics::Metrics;
pub use outside::DropIn;
pub use proxy::Proxy;
pub use told::{Terminal, Told};
