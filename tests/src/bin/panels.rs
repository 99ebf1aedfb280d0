//! Holds every expression of every dashboard against a real Prometheus that scrapes the real program under load.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a broken assumption ends the run with its sentence"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let report = runtime.expect("the runtime can be started").block_on(tidegate_tests::panels::run());
    print!("{report}");
    println!("{} passed, {} failed", report.passed, report.failed.len());
    ExitCode::from(u8::from(!report.failed.is_empty()))
}
