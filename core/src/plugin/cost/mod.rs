//! `tidegate plugin cost`: what a call of a plugin costs, in this process and in one of its own.
//!
//! Each call is made one at a time, and its answer awaited: the time that it adds to a request. Rounds of both modes take
//! turns, so that what else the machine does falls on both; the median of the rounds is shown.

mod bench;
mod samples;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bench::{Bench, Call};
use tidegate_host::{Isolation, LoadOptions, ProcessOptions};

/// What is measured without a file.
const SHIPPED: [&str; 4] = ["openai", "anthropic", "gemini", "fallback"];

/// A batch of calls is made this long, to be worth a look at the clock.
const BATCH: Duration = Duration::from_millis(20);

/// And has no more calls than this.
const MOST: u32 = 1 << 16;

/// What to measure.
pub(super) struct Options {
    /// A plugin; `None`: the shipped ones.
    pub(super) file: Option<PathBuf>,
    /// Rounds, at least 1.
    pub(super) rounds: u32,
    /// The data of the event to translate; `None`: one of the dialect that the provider says its upstream speaks.
    pub(super) event: Option<String>,
}

/// The table, in Markdown.
///
/// # Errors
/// A plugin that does not load, or has no answer for what it is asked.
pub(super) fn cost(options: &Options) -> Result<String, String> {
    let files = match &options.file {
        Some(file) => vec![file.clone()],
        None => SHIPPED.iter().map(|name| shipped(name)).collect::<Result<_, _>>()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let mut table = String::from("| plugin | call | inline | process | more |\n|---|---|---:|---:|---:|\n");
    for file in files {
        for row in runtime.block_on(rows(&file, options))? {
            let Row { plugin, call, inline, process } = row;
            let more = time(process - inline);
            let _ = writeln!(table, "| {plugin} | {call} | {} | {} | {more} |", time(inline), time(process));
        }
    }
    Ok(table)
}

/// Nanoseconds of one call, or of one event where the call is several.
struct Row {
    plugin: String,
    call: &'static str,
    inline: f64,
    process: f64,
}

async fn rows(file: &Path, options: &Options) -> Result<Vec<Row>, String> {
    let worker = std::env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    let modes = [Isolation::Inline, Isolation::Process(ProcessOptions::new(worker))];
    let mut benches = Vec::new();
    for isolation in modes {
        let loaded = tidegate_host::load(file, &LoadOptions { sha256: None, isolation });
        let plugin = loaded.map_err(|error| error.to_string())?;
        benches.push(Bench::new(plugin, options.event.as_deref()).await?);
    }
    let mut rows = Vec::new();
    for call in Call::ALL {
        if !benches[0].can(call) {
            continue;
        }
        let mut counts = Vec::new();
        for bench in &benches {
            counts.push(calibrate(bench, call).await?);
        }
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..options.rounds.max(1) {
            for (mode, bench) in benches.iter().enumerate() {
                let took = bench.batch(call, counts[mode]).await?;
                times[mode].push(took.as_secs_f64() * 1e9 / f64::from(counts[mode] * call.events()));
            }
        }
        let [inline, process] = times.map(median);
        rows.push(Row { plugin: benches[0].plugin.name().to_owned(), call: call.name(), inline, process });
    }
    Ok(rows)
}

/// How many calls make a batch.
async fn calibrate(bench: &Bench, call: Call) -> Result<u32, String> {
    let mut count = 8;
    while count < MOST && bench.batch(call, count).await? < BATCH {
        count *= 2;
    }
    Ok(count)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn time(nanos: f64) -> String {
    match nanos.abs() {
        below if below < 1e3 => format!("{nanos:.0} ns"),
        below if below < 1e5 => format!("{:.1} us", nanos / 1e3),
        below if below < 1e6 => format!("{:.0} us", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}

/// Where a shipped plugin is: beside the executable, or where packages put it.
fn shipped(name: &str) -> Result<PathBuf, String> {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let file = format!("{prefix}tidegate_plugin_{name}{suffix}");
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let folders = beside.into_iter().chain([PathBuf::from("/usr/lib/tidegate/plugins")]);
    let mut files = folders.map(|folder| folder.join(&file));
    files.find(|file| file.is_file()).ok_or_else(|| {
        format!("the plugin \"{name}\" was not found beside the executable; name a file, or `cargo build --workspace`")
    })
}
