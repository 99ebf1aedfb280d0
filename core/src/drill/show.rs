//! The command: reads what is to be drilled, plays it, and says what it came to.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::configuration;
use super::draw::{Style, wrapped};
use super::plan::{self, Plan};
use super::progress::Progress;
use super::run::{self, Played};
use super::simulated::base;
use super::stage::{Stage, simulator};
use super::{json, markdown, own, report, select};
use crate::config::{self, Config, Env, ProcessEnv};
use crate::serve::Error;

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The user's own configuration; without one, the built-in matrix.
    pub config: Option<PathBuf>,
    /// Parts of cells' ids, or patterns with `*`.
    pub only: Vec<String>,
    /// Of the built-in matrix: every provider with every fault under every configuration.
    pub all: bool,
    /// Names the cells instead of playing them.
    pub list: bool,
    /// How the outcome is said.
    pub form: Form,
    /// The page that takes the generated part, in place of standard output.
    pub page: Option<PathBuf>,
    /// No progress on standard error.
    pub quiet: bool,
    /// The control: clients talk to the simulator itself, so that every fault reaches them.
    pub without_proxy: bool,
}

/// How the outcome is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Tables for people.
    #[default]
    Tables,
    /// One JSON document.
    Json,
    /// The generated part of docs/fault-matrix.md.
    Markdown,
}

/// How a drill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every promise was kept.
    Kept,
    /// One was broken.
    Broken,
    /// No cell has such a name.
    NoSuchCell,
}

/// Drills.
///
/// # Errors
/// The configuration, or the machine.
pub fn drill(options: &Options) -> Result<Ending, Error> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(system)?;
    runtime.block_on(perform(options))
}

async fn perform(options: &Options) -> Result<Ending, Error> {
    let sim = simulator().await.map_err(system)?;
    let address = sim.addr();
    let own = options.config.as_deref().map(read).transpose()?;
    let settings = match &own {
        Some(config) => Ok(config.clone()),
        None => configuration::settings(),
    };
    let settings = settings.and_then(|config| base(config, address)).map_err(Error::System)?;
    let mut stage = Stage::set(settings, sim)?;
    if options.without_proxy {
        stage.data = address;
    }
    let stage = Arc::new(stage);
    let plan = match &own {
        Some(config) => own::plan(config, &stage.plugins, address),
        None => plan::built_in(&stage.plugins, address, options.all),
    };
    let mut plan = plan.map_err(Error::System)?;
    if plan.cells.is_empty() {
        let reasons: String = plan.left_out.iter().map(|why| format!("  {why}\n")).collect();
        return Err(Error::Config(format!(
            "there is nothing to drill: no model has a provider that can be simulated\n{reasons}"
        )));
    }
    plan.cells.retain(|cell| select::wanted(&options.only, cell));
    if plan.cells.is_empty() {
        return Ok(Ending::NoSuchCell);
    }
    if options.list {
        let ids: Vec<String> = plan.cells.iter().map(plan::Cell::id).collect();
        return say(&format!("{}\n", ids.join("\n"))).map(|()| Ending::Kept);
    }
    let progress = Progress::new(plan.cells.len(), options.quiet);
    let cells = std::mem::take(&mut plan.cells);
    let played = run::all(&stage, cells, &progress).await;
    progress.end();
    let tables = report::tables(&played);
    let text = match options.form {
        Form::Tables => drawn(&plan, &tables, &played, own.as_ref()),
        Form::Json => format!("{:#}\n", json::document(&plan, &played, options.config.as_deref())),
        Form::Markdown => markdown::part(&tables, played.cells.len()),
    };
    match &options.page {
        Some(page) => publish(page, &text)?,
        None => say(&text)?,
    }
    if options.form != Form::Tables && !played.kept() {
        // A standard error that is closed does not keep it from its exit code.
        let _ =
            io::stderr().lock().write_all(Style { columns: 80, color: false }.summary(&played).as_bytes());
    }
    Ok(if played.kept() { Ending::Kept } else { Ending::Broken })
}

/// The user's configuration. Secrets that the environment does not have are made up: no provider is called.
fn read(file: &Path) -> Result<Config, Error> {
    config::load(file, &Placeholders).map_err(|report| Error::Config(report.to_string()))
}

/// The process's variables, and a stand-in for every secret that is not set.
struct Placeholders;

impl Env for Placeholders {
    fn var(&self, name: &str) -> Option<String> {
        let stand_in = || config::is_secret_name(name).then(|| "not-set-not-needed".to_owned());
        // Whether clients must send a key is the configuration's to say, or the real environment's.
        ProcessEnv.var(name).or_else(|| stand_in().filter(|_| name != "LITELLM_MASTER_KEY"))
    }
}

fn drawn(plan: &Plan, tables: &[report::Table], played: &Played, own: Option<&Config>) -> String {
    let style = style();
    let mut out = String::new();
    for table in tables {
        out.push_str(&style.table(table));
        out.push('\n');
    }
    for why in &plan.left_out {
        out.push_str(&format!("not drilled: {why}\n"));
    }
    if !plan.left_out.is_empty() {
        out.push('\n');
    }
    if let Some(hurry) = own.and_then(|config| own::hurried(&mut config.clone())) {
        let said = format!(
            "The clocks ran {:.0} times faster than configured; \"worst\" is computed from the configured ones. A wait that \
             a provider asks for comes on top of it, within the total clock.",
            1.0 / hurry.factor
        );
        out.push_str(&format!("{}\n\n", wrapped(&said, style.columns).join("\n")));
    }
    out + &style.summary(played)
}

fn publish(page: &Path, part: &str) -> Result<(), Error> {
    let trouble = |error: &dyn std::fmt::Display| Error::System(format!("{}: {error}", page.display()));
    let before = std::fs::read_to_string(page).map_err(|error| trouble(&error))?;
    let after =
        markdown::replaced(&before, part).ok_or_else(|| trouble(&"it has no markers of a generated part"))?;
    std::fs::write(page, after).map_err(|error| trouble(&error))
}

/// A terminal's width and colours; 80 columns and none elsewhere.
fn style() -> Style {
    let terminal = io::stdout().is_terminal();
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    Style { columns, color: terminal && !dumb && !set("NO_COLOR") }
}

fn say(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Nobody reads on: a pager that was left.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(system),
    }
}

fn system(error: io::Error) -> Error {
    Error::System(error.to_string())
}
