//! Writes docs/compatibility.md from what the real program does.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a broken assumption ends the run with its sentence")]

use std::process::ExitCode;

use tidegate_tests::compatibility::{file, made};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let page = runtime.expect("the runtime can be started").block_on(made());
    std::fs::write(file(), page).expect("the page can be written");
    ExitCode::SUCCESS
}
