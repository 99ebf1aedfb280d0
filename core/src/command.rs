//! What each subcommand does, and the exit code it ends with.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{Drill, Incidents};
use crate::config::ProcessEnv;
use crate::incidents::{self, Source};
use crate::operator::Operator;
use crate::routing::{self, Plugins};
use crate::serve::sockets::Given;
use crate::serve::{self, Error, Server};
use crate::{config, demo, drill, logging, manual, top};

/// sysexits.h EX_CONFIG; a service manager must not restart on it.
pub const BAD_CONFIG: u8 = 78;
/// As clap has it.
const USAGE: u8 = 2;

/// `tidegate serve`. `bad_config`: the code that it ends with where the configuration is at fault.
pub fn serve(file: Option<PathBuf>, take_over: bool, bad_config: u8) -> ExitCode {
    // First of all: it changes the environment, which takes a process of one thread.
    let given = Given::by_manager();
    logging::start("info");
    serve::cores::forbid();
    if let Err(wrong) = serve::workers_wanted() {
        complain(&format!("tidegate: {wrong}"));
        return ExitCode::from(USAGE);
    }
    let given = if take_over { Given::by_predecessor() } else { given };
    let served = given.and_then(|given| {
        let Some(file) = file else { return demo::serve_simulated(given) };
        let server = serve::read(&file).and_then(|config| Server::start_with(config, given));
        let server = server.inspect_err(|error| {
            if take_over {
                serve::handover::failed(error);
            }
        })?;
        tracing::info!(data = %server.data, admin = %server.admin, "serving");
        server.run(Some(file), None)
    });
    match served {
        Err(Error::Config(text)) => {
            complain(&text);
            ExitCode::from(bad_config)
        }
        other => code(other),
    }
}

/// `tidegate start-detached`.
pub fn start_detached(program: &OsStr, args: &[OsString]) -> ExitCode {
    let started = serve::handover::start_detached(program, args);
    code(started.map_err(|error| Error::System(format!("{}: {error}", program.display()))))
}

/// `tidegate guard`.
pub fn guard(file: &Path) -> ExitCode {
    logging::start("info");
    serve::cores::forbid();
    code(serve::guard(file))
}

/// `tidegate check`.
pub fn check(file: &Path) -> ExitCode {
    let mut outcome = config::check::check(file, &ProcessEnv);
    if let Ok(config) = &outcome.result {
        let plugins = Plugins::load(&config.tidegate.plugins);
        let mut said = routing::left_out(config, &plugins, &ProcessEnv);
        said.extend(routing::refused_policies(config, &plugins));
        outcome = outcome.with_plugins(said, plugins.refused);
    }
    show(&outcome);
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(BAD_CONFIG) }
}

/// `tidegate demo`.
pub fn demo() -> ExitCode {
    logging::start("error");
    match demo::play() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => code(Err(error)),
    }
}

/// `tidegate drill`.
pub fn drill(asked: Drill) -> ExitCode {
    logging::start("off");
    let Drill { config, only, all, list, json, markdown, no_progress, without_proxy } = asked;
    let form = match (json, markdown.is_some()) {
        (true, _) => drill::Form::Json,
        (_, true) => drill::Form::Markdown,
        _ => drill::Form::Tables,
    };
    let page = markdown.filter(|page| page.as_os_str() != "-");
    let options = drill::Options { config, only, all, list, form, page, quiet: no_progress, without_proxy };
    match drill::drill(&options) {
        Ok(drill::Ending::Kept) => ExitCode::SUCCESS,
        Ok(drill::Ending::Broken) => ExitCode::FAILURE,
        Ok(drill::Ending::NoSuchCell) => {
            complain("tidegate: no cell fits `--only`; `--list` names them");
            ExitCode::from(USAGE)
        }
        Err(error) => code(Err(error)),
    }
}

/// `tidegate incidents`.
pub fn incidents(what: Option<Incidents>, admin: SocketAddr, file: Option<PathBuf>, json: bool) -> ExitCode {
    let source = file.map_or(Source::Admin(admin), Source::File);
    let text = match what {
        None | Some(Incidents::List) => incidents::command::list(&source, json),
        Some(Incidents::Show { id }) => incidents::command::show(&source, &id, json),
    };
    match text {
        Ok(text) => {
            show(&text);
            ExitCode::SUCCESS
        }
        Err(error) => code(Err(Error::System(error))),
    }
}

/// `tidegate top`.
pub fn top(admin: SocketAddr) -> ExitCode {
    code(top::run(Operator::new(admin)).map_err(Error::System))
}

/// `tidegate sim`.
pub fn sim(listen: SocketAddr) -> ExitCode {
    logging::start("info");
    code(demo::simulate(listen))
}

/// `tidegate sim --list`.
pub fn scenarios() -> ExitCode {
    show(&demo::scenarios());
    ExitCode::SUCCESS
}

/// `tidegate completions`.
pub fn completions(shell: clap_complete::Shell) -> ExitCode {
    manual::completions(shell, &mut std::io::stdout().lock());
    ExitCode::SUCCESS
}

/// `tidegate manual`.
pub fn manual(folder: &Path) -> ExitCode {
    code(manual::pages(folder).map_err(|error| Error::System(format!("{}: {error}", folder.display()))))
}

fn code(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Config(text)) => {
            complain(&text);
            ExitCode::from(BAD_CONFIG)
        }
        Err(Error::System(text)) => {
            complain(&format!("tidegate: {text}"));
            ExitCode::FAILURE
        }
    }
}

/// Whoever reads may have seen enough: `| head` is no failure of ours.
fn show(report: &dyn std::fmt::Display) {
    let _ = write!(std::io::stdout().lock(), "{report}");
}

#[expect(clippy::print_stderr, reason = "the last words before the exit code")]
fn complain(text: &str) {
    eprintln!("{}", text.trim_end());
}
