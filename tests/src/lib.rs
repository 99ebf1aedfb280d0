//! Parts of the end-to-end tests: the real `tidegate` as a child process, and around it the simulator's strict
//! client, reader and judge.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken assumption ends the test with its sentence, and a failed test shows the proxy's log"
)]

pub mod anthropic;
pub mod compatibility;
pub mod config;
pub mod cpu;
pub mod metrics;
pub mod outside;
pub mod panels;
pub mod proxy;
pub mod standstill;
pub mod versions;
pub mod zoo;

pub use config::{ADMIN_KEY, AS_ADMIN, Setup};
pub use metrics::Metrics;
pub use outside::DropIn;
pub use proxy::{Proxy, Unserved};
pub use standstill::Standstill;
pub use tidegate_sim::strict::{Answer, Conn, End, Terminal, Told, client, judge, sse};
pub use versions::Versions;
