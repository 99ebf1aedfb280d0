//! What each subcommand does, and the exit code it ends with.

use std::process::ExitCode;

use super::new::{self, Project};
use super::{check, cost, inspect, list};
use crate::cli::Plugin;
use crate::logging;

/// sysexits.h EX_CONFIG, as `tidegate serve` has it.
const BAD_CONFIG: u8 = 78;
/// As clap has it.
const USAGE: u8 = 2;
/// How the child of a check says that what its author named cannot be used; sysexits.h EX_NOINPUT.
pub(super) const UNUSABLE: u8 = 66;

/// `tidegate plugin ...`.
pub fn run(what: Plugin) -> ExitCode {
    // What the loader would log is part of what is printed.
    logging::start("off");
    match what {
        Plugin::New { kind, lang, dir, name, sdk } => {
            let (name, sdk) = (name.as_deref(), sdk.as_deref());
            match new::new(&Project { kind, lang, dir: &dir, name, sdk }) {
                Ok(text) => show(&text),
                Err(error) => {
                    fail(&error);
                    ExitCode::from(USAGE)
                }
            }
        }
        Plugin::Check { file, config, transcript, framing, only, json, case } => {
            let options = check::Options { file, config, transcript, framing, only };
            if let Some(case) = case {
                return match check::run_case(&case, &options) {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => {
                        fail(&error);
                        ExitCode::from(UNUSABLE)
                    }
                };
            }
            match check::check(&options) {
                Ok(report) => {
                    if json {
                        show(&format!("{:#}\n", report.json()));
                    } else {
                        show(&report);
                    }
                    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
                }
                Err(error) => {
                    fail(&error);
                    ExitCode::from(USAGE)
                }
            }
        }
        Plugin::List { config, json } => match list::list(config.as_deref(), json) {
            Ok(text) => show(&text),
            Err(report) => {
                complain(&report);
                ExitCode::from(BAD_CONFIG)
            }
        },
        Plugin::Cost { file, rounds, event } => match cost::cost(&cost::Options { file, rounds, event }) {
            Ok(table) => show(&table),
            Err(error) => fail(&error),
        },
        Plugin::Inspect { file, json } => match inspect::inspect(&file) {
            Ok(found) => {
                show(&if json { format!("{:#}\n", found.json()) } else { found.to_string() });
                if found.is_usable() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => fail(&error),
        },
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    complain(&format!("tidegate: {error}"));
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "the answer is what the command is for")]
fn show(text: &dyn std::fmt::Display) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "the last words before the exit code")]
fn complain(text: &str) {
    eprintln!("{}", text.trim_end());
}
