//! `tidegate-load`: the upstream, the load generator and the meters behind `tests/bench`.
//!
//! It is hand-written down to the HTTP/1.1 parser, on one thread, so that what it costs itself stays small
//! and the same for every proxy that is measured.
#![forbid(unsafe_code)]

mod answers;
mod body;
mod cli;
mod client;
mod floors;
mod head;
mod idle;
mod meter;
mod page;
mod report;
mod run;
mod sample;
mod shape;
mod sse;
mod stats;
mod table;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::main() {
        Ok(code) => code,
        Err(sentence) => {
            use std::io::Write;
            // Nothing is left to tell the user when stderr itself is closed.
            let _ = writeln!(std::io::stderr(), "tidegate-load: {sentence}");
            ExitCode::FAILURE
        }
    }
}
