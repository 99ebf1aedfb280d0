//! `tidegate demo`: sets the stage, shows each row as it ends, and says what it all came to.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tidegate_sim::{Settings, service_account_json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::config::{self, GROUPS, KEY};
use super::play::{PACE, Stage};
use super::proxy::Proxy;
use super::row::{self, Litellm, Row};
use super::simulator::Simulator;
use super::table::{Style, milliseconds};
use crate::serve::Error;

/// An idle proxy has nothing to drain.
const STOP: Duration = Duration::from_secs(5);

/// Plays the bug report (BerriAI/litellm#26015) against this build. True when every row is as it must be.
///
/// # Errors
/// The machine, or the proxy did not start.
pub fn play() -> Result<bool, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    runtime.block_on(async {
        let (mut term, mut int) = (quit(SignalKind::terminate())?, quit(SignalKind::interrupt())?);
        // Whatever is dropped here ends: the proxy, the simulator, the temporary folder.
        tokio::select! {
            result = perform() => result,
            _ = term.recv() => Err(interrupted()),
            _ = int.recv() => Err(interrupted()),
        }
    })
}

async fn perform() -> Result<bool, Error> {
    let begun = Instant::now();
    let screen = Screen::new();
    let settings = Settings { pace: PACE, require_auth: true, api_key: KEY.into(), ..Settings::default() };
    let simulator = Simulator::start(settings).map_err(system)?;
    let folder = tempfile::Builder::new().prefix("tidegate-demo-").tempdir().map_err(system)?;
    let account = folder.path().join("service-account.json");
    let file = folder.path().join("config.yaml");
    std::fs::write(&account, service_account_json(simulator.addr)).map_err(system)?;
    std::fs::write(&file, config::founding(simulator.addr, &account)).map_err(system)?;
    let mut proxy = Proxy::start(&file).await?;

    let style = screen.style;
    screen.say(&format!(
        "{}\n\n  config     {}\n{}\n  upstream   simulated Vertex AI, Gemini API and OpenAI on {}\n  proxy      pid {}, http://{}, http://{}/metrics\n",
        style.bold("The stream that hung litellm (BerriAI/litellm#26015), through Tidegate"),
        file.display(),
        style.dim(
            "             the report's own: vertex_ai/gemini-3.1-pro-preview, num_retries: 0,\n             \
             allowed_fails: 0, cooldown_time: 0, no fallbacks; and the same for\n             \
             gemini/ and openai/. Only addresses and credentials lead elsewhere."
        ),
        simulator.addr,
        proxy.pid(),
        proxy.data,
        proxy.admin,
    ))?;
    screen.say(&style.head())?;
    let mut stage = Stage::set(&proxy).await?;
    let rows = row::all();
    let (mut right, mut gap) = (0, Duration::ZERO);
    for row in &rows {
        screen.playing(row)?;
        let verdict = stage.play(row).await;
        screen.done(&style.row(row, &verdict))?;
        right += usize::from(verdict.is_right());
        gap = gap.max(verdict.gap);
    }
    let asked = Instant::now();
    let stopped = proxy.stop(STOP).await;
    let clean = stopped.is_some_and(|status| status.success());
    let end = match stopped {
        Some(status) if clean => {
            format!("SIGTERM ended the proxy in {} ({status}).", milliseconds(asked.elapsed()))
        }
        Some(status) => format!("SIGTERM ended the proxy badly: {status}."),
        None => "SIGTERM did not end the proxy.".to_owned(),
    };
    let streams = rows.len() * GROUPS.len();
    let hangs = rows.iter().filter(|row| row.litellm == Litellm::Hang).count();
    let scrapes = stage.scrapes;
    let headline = format!("{right} of {} rows are right", rows.len());
    screen.say(&format!(
        "\n{}, in {:.0} s. litellm 1.83.9 (vertex_ai/) hangs in {hangs} of them.\n\
         {streams} faulty streams ran beside {streams} healthy ones; the longest silence in a healthy\n\
         one was {}. /metrics answered {} of {} times, at worst in {}.\n\
         {end}\n\n\
         Next:  tidegate serve                   simulated models, and a curl to paste\n       \
         tidegate serve -c config.yaml    your own litellm configuration",
        style.bold(headline),
        begun.elapsed().as_secs_f64(),
        milliseconds(gap),
        scrapes.answered,
        scrapes.asked,
        milliseconds(scrapes.slowest),
    ))?;
    Ok(right == rows.len() && clean)
}

fn system(error: io::Error) -> Error {
    Error::System(error.to_string())
}

fn quit(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Error> {
    signal(kind).map_err(system)
}

fn interrupted() -> Error {
    Error::System("interrupted; the proxy and the simulator were ended".into())
}

/// Standard output.
struct Screen {
    style: Style,
    terminal: bool,
}

impl Screen {
    fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let columns = terminal_size::terminal_size().map_or(80, |(width, _)| width.0);
        let style = Style { wide: columns >= 120, color: terminal && !dumb && !set("NO_COLOR") };
        Self { style, terminal: terminal && !dumb }
    }

    fn say(&self, text: &str) -> Result<(), Error> {
        writeln!(io::stdout().lock(), "{text}").map_err(system)
    }

    /// Shows which row is under way, where that can be taken back.
    fn playing(&self, row: &Row) -> Result<(), Error> {
        if !self.terminal {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        write!(out, "{}", self.style.playing(row)).and_then(|()| out.flush()).map_err(system)
    }

    /// Puts a row in its place.
    fn done(&self, line: &str) -> Result<(), Error> {
        let back = if self.terminal { "\r\x1b[K" } else { "" };
        self.say(&format!("{back}{line}"))
    }
}
