//! `tidegate demo`: sets the stage, shows each row as it ends, and says what it all came to.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tidegate_sim::{Settings, service_account_json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::config::{self, GROUPS, KEY};
use super::play::{PACE, Stage};
use super::proxy::Proxy;
use super::row::{self, Litellm};
use super::scrape::Scrapes;
use super::screen::Screen;
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
        let mut hangup = quit(SignalKind::hangup())?;
        // Whatever is dropped here ends: the proxy, the simulator, the temporary folder.
        tokio::select! {
            result = perform() => result,
            _ = term.recv() => Err(interrupted()),
            _ = int.recv() => Err(interrupted()),
            _ = hangup.recv() => Err(interrupted()),
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

    screen.say(&introduction(screen.style, &file, simulator.addr, &proxy)).map_err(system)?;
    screen.say(&screen.style.head()).map_err(system)?;
    let mut stage = Stage::set(&proxy).await?;
    let mut total = Total::default();
    for row in row::all() {
        screen.playing(&row).map_err(system)?;
        let verdict = stage.play(&row).await;
        screen.done(&screen.style.row(&row, &verdict)).map_err(system)?;
        total.rows += 1;
        total.right += usize::from(verdict.is_right());
        total.hangs += usize::from(row.litellm == Litellm::Hang);
        total.gap = total.gap.max(verdict.gap);
    }
    let asked = Instant::now();
    let ended = proxy.stop(STOP).await;
    let good = total.right == total.rows && ended.is_some_and(|status| status.success());
    screen.say(&total.summary(screen.style, begun.elapsed(), stage.scrapes)).map_err(system)?;
    let end = match ended {
        Some(status) => format!("SIGTERM ended the proxy in {} ({status}).", milliseconds(asked.elapsed())),
        None => format!("SIGTERM did not end the proxy within {STOP:?}."),
    };
    screen.say(&end).map_err(system)?;
    if good {
        screen.say(NEXT)
    } else {
        screen.say(&format!("\nThe proxy's last words:\n{}", proxy.last_words()))
    }
    .map_err(system)?;
    Ok(good)
}

const NEXT: &str = "
Next:  tidegate serve                   simulated models, and a curl to paste
       tidegate serve -c config.yaml    your own litellm configuration";

fn introduction(style: Style, file: &Path, upstream: SocketAddr, proxy: &Proxy) -> String {
    let title = style.bold("The stream that hung litellm (BerriAI/litellm#26015), through Tidegate");
    let told = style.dim(
        "             the report's own: vertex_ai/gemini-3.1-pro-preview, num_retries: 0,
             allowed_fails: 0, cooldown_time: 0, no fallbacks; and the same for
             gemini/ and openai/. Only addresses and credentials lead elsewhere.",
    );
    let (file, pid, data, admin) = (file.display(), proxy.pid(), proxy.data, proxy.admin);
    format!(
        "{title}\n
  config     {file}
{told}
  upstream   simulated Vertex AI, Gemini API and OpenAI on {upstream}
  proxy      pid {pid}, http://{data}, http://{admin}/metrics
"
    )
}

/// What all rows came to.
#[derive(Debug, Default)]
struct Total {
    rows: usize,
    right: usize,
    /// Rows that hang litellm.
    hangs: usize,
    /// The longest silence of any neighbour.
    gap: Duration,
}

impl Total {
    fn summary(&self, style: Style, took: Duration, scrapes: Scrapes) -> String {
        let Self { rows, right, hangs, gap } = self;
        let headline = style.bold(format!("{right} of {rows} rows are right"));
        let streams = rows * GROUPS.len();
        let Scrapes { asked, answered, slowest } = scrapes;
        format!(
            "
{headline}, in {:.0} s. litellm 1.83.9 hangs in {hangs} of them.
{streams} faulty streams ran beside {streams} healthy ones; the longest silence in a healthy
one was {}. /metrics answered {answered} of {asked} times, at worst in {}.",
            took.as_secs_f64(),
            milliseconds(*gap),
            milliseconds(slowest),
        )
    }
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
