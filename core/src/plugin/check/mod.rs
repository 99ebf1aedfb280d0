//! `tidegate plugin check`: does a plugin keep the contract, whatever comes?
//!
//! Each case is a function of `cases` and runs in a process of its own (`runner`), so that a plugin which crashes,
//! spins or eats memory fails that case and no other. In the child the case tells its `trail` what it is about to call,
//! so that the parent can say what was called last. All calls go through the host that serves, which judges each answer;
//! what a case adds is what one answer alone cannot show.

mod bench;
mod cases;
mod corpus;
mod play;
mod report;
mod rng;
mod runner;
mod trail;
mod transcript;
mod verdict;

use std::path::{Path, PathBuf};

pub use transcript::RecordedFraming;

use bench::Bench;
use report::Report;
use trail::Trail;
use verdict::Verdict;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The plugin.
    pub file: PathBuf,
    /// The object that `create` is given; without it one is made from the manifest.
    pub config: Option<PathBuf>,
    /// A recorded answer of the real upstream.
    pub transcript: Option<PathBuf>,
    /// How it is framed; without it, by the file's ending.
    pub framing: Option<RecordedFraming>,
    /// Only these cases; empty: all.
    pub only: Vec<String>,
}

/// Runs the cases, each in a process of its own.
///
/// # Errors
/// A sentence: there is no such case, or no file.
pub(super) fn check(options: &Options) -> Result<Report, String> {
    for name in &options.only {
        if cases::named(name).is_none() {
            let names: Vec<&str> = cases::ALL.iter().map(|case| case.name).collect();
            return Err(format!("there is no case {name:?}; there are {}", names.join(", ")));
        }
    }
    if !options.file.is_file() {
        return Err(format!("{}: there is no such file", options.file.display()));
    }
    let inputs = [&options.config, &options.transcript];
    inputs.into_iter().flatten().try_for_each(|file| readable(file))?;
    runner::run(options)
}

fn readable(file: &Path) -> Result<(), String> {
    std::fs::File::open(file).map(drop).map_err(|error| format!("{}: {error}", file.display()))
}

/// The child's part: one case, told on standard output.
///
/// # Errors
/// A sentence: the files that were named cannot be used.
pub(super) fn run_case(name: &str, options: &Options) -> Result<(), String> {
    let case = cases::named(name).ok_or("there is no such case")?;
    runner::confine()?;
    let trail = Trail::start();
    let verdict = match Bench::prepare(options, trail.clone()) {
        Ok(mut bench) => {
            (case.run)(&mut bench);
            bench.into_verdict()
        }
        Err(bench::Unprepared::Input(why)) => return Err(why),
        Err(bench::Unprepared::Refused(finding)) => Verdict { findings: vec![finding], ..Verdict::default() },
    };
    trail.conclude(&verdict);
    Ok(())
}
