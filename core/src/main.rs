//! The `tidegate` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{Cli, Command};
use tidegate::{command, logging, plugin};

fn main() -> ExitCode {
    let code = match Cli::parse().command {
        Command::Serve { config } => command::serve(config),
        Command::Check { config } => command::check(&config),
        Command::Incidents { what, admin, file, json } => command::incidents(what, admin, file, json),
        Command::Top { admin } => command::top(admin),
        Command::Demo => command::demo(),
        Command::Drill(drill) => command::drill(drill),
        Command::Plugin { what } => plugin::command::run(what),
        Command::PluginWorker { .. } => tidegate_host::worker::run(),
        Command::Sim { list: true, .. } => command::scenarios(),
        Command::Sim { listen, .. } => command::sim(listen),
    };
    logging::flush();
    code
}
