//! The `tidegate` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{Cli, Command};
use tidegate::{command, daemon, logging, plugin};

fn main() -> ExitCode {
    let code = match Cli::parse().command {
        Command::Serve { config, bad_config_exit, take_over } => {
            command::serve(config, take_over, bad_config_exit)
        }
        Command::Service { what } => daemon::command::run(what),
        Command::StartDetached { program, args } => command::start_detached(&program, &args),
        Command::Guard { config } => command::guard(&config),
        Command::Check { config } => command::check(&config),
        Command::Incidents { what, admin, file, json } => command::incidents(what, admin, file, json),
        Command::Top { admin } => command::top(admin),
        Command::Demo => command::demo(),
        Command::Drill(drill) => command::drill(drill),
        Command::Plugin { what } => plugin::command::run(what),
        Command::PluginWorker { .. } => tidegate_host::worker::run(),
        Command::Completions { shell } => command::completions(shell),
        Command::Manual { folder } => command::manual(&folder),
        Command::Sim { list: true, .. } => command::scenarios(),
        Command::Sim { listen, .. } => command::sim(listen),
    };
    logging::flush();
    code
}
