//! The commands: what `tests/bench` calls.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use tokio::task::LocalSet;

use crate::client::{Check, Connection, Url};
use crate::page::Results;
use crate::run::{Load, Plan};
use crate::sample::Sample;
use crate::{idle, run, upstream};

#[derive(Parser)]
#[command(version, about = "The upstream, the load generator and the meters behind tests/bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve OpenAI's dialect; the last message of a streaming request says how: events=N, events=N;flush, events=N;hz=H or idle
    Upstream {
        /// Port 0 picks a free one; the address is written to stdout
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Load one target and measure
    Run(RunArgs),
    /// Wait until GET URL answers 200
    Wait {
        /// What to ask for
        #[arg(long)]
        url: Url,
        /// How long to wait
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
    },
    /// Print free ports of 127.0.0.1, one a line
    FreePorts {
        /// How many
        count: usize,
    },
    /// Work out a file of samples: the page to stdout, exit 1 if answers were wrong
    Report {
        /// What `run --json` wrote, one sample a line
        samples: PathBuf,
        /// Write the page here too
        #[arg(long)]
        markdown: Option<PathBuf>,
        /// Write everything as JSON here
        #[arg(long)]
        json: Option<PathBuf>,
        /// A fact about the machine or the run, NAME=VALUE
        #[arg(long = "note")]
        notes: Vec<String>,
        /// Exit 1 if a floor was missed, or none was measured
        #[arg(long)]
        strict: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Non-streaming requests
    Request,
    /// 12-event streams that the upstream sends in three writes
    Stream,
    /// 12-event streams that the upstream sends in a write for each event
    Flushed,
    /// Streams of 200 events at 1 kHz
    Paced,
    /// Streams that stay open and silent; needs --meter-pid
    Idle,
}

#[derive(clap::Args)]
struct RunArgs {
    /// http://ADDRESS:PORT/v1/chat/completions
    #[arg(long)]
    url: Url,
    /// What is asked for
    #[arg(long)]
    case: Case,
    /// Connections, each with one request in flight
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Length of the measured window
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Time before the window
    #[arg(long, default_value_t = 0.3)]
    warmup: f64,
    /// Read the CPU time or memory of this process and its descendants
    #[arg(long)]
    meter_pid: Option<u32>,
    /// The target's name in the sample
    #[arg(long, default_value = "target")]
    target: String,
    /// The sample's group
    #[arg(long, default_value = "main")]
    group: String,
    /// The sample's round
    #[arg(long, default_value_t = 1)]
    round: u32,
    /// Write the sample as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command line. Errors are sentences for the user.
pub(crate) fn main() -> Result<ExitCode, String> {
    match Cli::parse().command {
        Command::Upstream { listen } => block_on(async {
            let listener = tokio::net::TcpListener::bind(listen).await;
            let listener = listener.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
            print(&format!("{}\n", listener.local_addr().map_err(|error| error.to_string())?))?;
            upstream::serve(listener).await
        })?,
        Command::Run(args) => {
            let sample = block_on(measure(&args))?;
            print(&if args.json { json_line(&sample)? } else { words(&sample) })?;
        }
        Command::Wait { url, seconds } => block_on(wait(&url, duration("seconds", seconds)?))?,
        Command::FreePorts { count } => print(&free_ports(count).map_err(|error| error.to_string())?)?,
        Command::Report { samples, markdown, json, notes, strict } => {
            let results =
                Results::of(&read_samples(&samples)?, notes.iter().map(|note| note_pair(note)).collect());
            let page = results.markdown();
            print(&page)?;
            if let Some(path) = markdown {
                write(&path, &page)?;
            }
            if let Some(path) = json {
                let text = serde_json::to_string_pretty(&results).map_err(|error| error.to_string())?;
                write(&path, &format!("{text}\n"))?;
            }
            if !results.faults.is_empty() || (strict && !results.floors_hold()) {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?;
    runtime.block_on(LocalSet::new().run_until(work))
}

async fn measure(args: &RunArgs) -> Result<Sample, String> {
    let load = match args.case {
        Case::Request => Load::Request,
        Case::Stream => Load::Stream(12),
        Case::Flushed => Load::Flushed(12),
        Case::Paced => Load::Paced(200),
        Case::Idle => {
            let pid = args.meter_pid.ok_or("--case idle weighs a process: name it with --meter-pid")?;
            return Ok(name(idle::measure(&args.url, args.connections, pid).await?, args));
        }
    };
    let plan = Plan {
        url: args.url.clone(),
        load,
        connections: args.connections,
        warmup: duration("warmup", args.warmup)?,
        window: duration("seconds", args.seconds)?,
        meter: args.meter_pid,
    };
    Ok(name(run::measure(&plan).await?, args))
}

fn name(sample: Sample, args: &RunArgs) -> Sample {
    let case = args.case.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    Sample { target: args.target.clone(), group: args.group.clone(), round: args.round, case, ..sample }
}

fn words(sample: &Sample) -> String {
    let mut text = format!(
        "{} {}: {} answers, {} events, {} errors in {:.2} s, {:.0} answers/s\n",
        sample.target,
        sample.key(),
        sample.answers,
        sample.events,
        sample.errors,
        sample.seconds,
        sample.per_second()
    );
    for (name, percentiles) in [("latency", sample.latency_us), ("gap", sample.gap_us)] {
        if let Some(p) = percentiles {
            text.push_str(&format!(
                "{name}: p50 {:.0} us, p99 {:.0} us, max {:.0} us\n",
                p.p50, p.p99, p.max
            ));
        }
    }
    for (name, value, unit) in [
        ("CPU per answer", sample.cpu_per_answer(), "us"),
        ("CPU per event", sample.cpu_per_event(), "us"),
        ("load generator's share of a core", sample.generator_busy, ""),
        ("resident", sample.resident_kib.map(|kib| kib as f64), "KB"),
        ("memory per stream", sample.stream_kib, "KB"),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("{name}: {value:.2} {unit}\n"));
        }
    }
    if let Some(error) = &sample.first_error {
        text.push_str(&format!("first error: {error}\n"));
    }
    text
}

async fn wait(url: &Url, limit: Duration) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let attempt = tokio::time::timeout(Duration::from_secs(1), get(url)).await;
        let sentence = match attempt {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(sentence)) => sentence,
            Err(_) => "no answer within a second".to_owned(),
        };
        if began.elapsed() > limit {
            return Err(format!("http://{}{} did not answer 200: {sentence}", url.address, url.path));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn get(url: &Url) -> Result<(), String> {
    let mut connection = Connection::open(url).await?;
    connection.send(&url.get()).await?;
    while !connection.receive(&mut Check::Any).await? {}
    Ok(())
}

/// Holds all listeners until every port is known, so that no port is named twice.
fn free_ports(count: usize) -> std::io::Result<String> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    listeners.iter().map(|listener| Ok(format!("{}\n", listener.local_addr()?.port()))).collect()
}

fn duration(name: &str, seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("--{name} {seconds}: {error}"))
}

fn note_pair(note: &str) -> (String, String) {
    let (name, value) = note.split_once('=').unwrap_or((note, ""));
    (name.to_owned(), value.to_owned())
}

fn read_samples(path: &PathBuf) -> Result<Vec<Sample>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line)
                .map_err(|error| format!("{} line {}: {error}", path.display(), number + 1))
        })
        .collect()
}

fn json_line(sample: &Sample) -> Result<String, String> {
    serde_json::to_string(sample).map(|line| line + "\n").map_err(|error| error.to_string())
}

fn write(path: &PathBuf, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| format!("stdout: {error}"))
}
