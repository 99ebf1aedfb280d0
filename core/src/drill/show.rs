//! The command: reads what is to be drilled, plays it, and says what it came to.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::configuration;
use super::draw::Style;
use super::plan::{self, Plan};
use super::progress::Progress;
use super::run::{self, Played};
use super::simulated::base;
use super::stage::{Stage, simulator};
use super::{report, select};
use crate::serve::Error;

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The user's own configuration; without one, the built-in matrix.
    pub config: Option<PathBuf>,
    /// Parts of cells' ids, or patterns with `*`.
    pub only: Vec<String>,
    /// Names the cells instead of playing them.
    pub list: bool,
    /// One JSON document instead of tables.
    pub json: bool,
    /// No progress on standard error.
    pub quiet: bool,
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
    if options.config.is_some() || options.json {
        return Err(Error::System("drill: --config and --json are not built yet".into()));
    }
    let sim = simulator().await.map_err(system)?;
    let address = sim.addr();
    let settings = configuration::settings().map_err(Error::System)?;
    let stage = Arc::new(Stage::set(base(settings, address).map_err(Error::System)?, sim)?);
    let mut plan = plan::built_in(&stage.plugins, address).map_err(Error::System)?;
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
    say(&tables(&plan, &played))?;
    Ok(if played.kept() { Ending::Kept } else { Ending::Broken })
}

fn tables(_plan: &Plan, played: &Played) -> String {
    let style = style();
    let mut out = String::new();
    for table in report::tables(played) {
        out.push_str(&style.table(&table));
        out.push('\n');
    }
    out + &style.summary(played)
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
