//! Soak: hundreds of clients ask for healthy answers and for every fault at once, do wrong themselves, and at the end the
//! books must balance. The real `tidegate` runs as a child process, from the folder that this program was built in.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a broken assumption ends the run with its sentence")]

mod books;
mod h2c;
mod job;
mod load;
mod misdeed;
mod process;
mod report;
mod rng;
mod tally;
mod world;

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tidegate_tests::client::chat;
use tidegate_tests::{Conn, Metrics};
use tokio::time::sleep;

use books::{Clients, Levels, Snapshot, balance};
use load::{HANG, Load};
use process::{Memory, Process};
use report::Report;
use world::{ENDLESS, World};

/// How often memory is looked at under load.
const SAMPLE: Duration = Duration::from_millis(500);

/// How long the books may take to balance after the last client is gone.
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Parser)]
#[command(
    version,
    about = "Mixed faults at many streams for a set time; exit 1 unless the books balance at the end"
)]
struct Cli {
    /// How long the load lasts
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Clients at once
    #[arg(long, default_value_t = 500)]
    streams: usize,
    /// Another seed is another mix
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write the proxy's log here at the end
    #[arg(long)]
    log: Option<std::path::PathBuf>,
    /// Run every plugin in a process of its own, and kill these processes once in the middle
    #[arg(long)]
    isolated: bool,
    /// Leave one stream open at the end: the books must not balance then
    #[arg(long)]
    leak: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Each stream is two sockets here and two in the child, which inherits the limit.
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 20), hard);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let report = runtime.expect("the runtime can be started").block_on(run(&cli));
    let text = if cli.json { format!("{}\n", report.json()) } else { report.text() };
    let _ = std::io::stdout().write_all(text.as_bytes());
    if report.balances() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(cli: &Cli) -> Report {
    let world = World::start(cli.isolated).await;
    let before = first_look(&world).await;
    let load = Load::new(world.proxy.data);
    let mut clients = load.start(cli.streams, cli.seed);

    let began = Instant::now();
    let length = Duration::from_secs(cli.seconds);
    // Long enough for every scenario to have come, and for the pools and the allocator to have their size.
    let warm_up = (length / 2).min(Duration::from_secs(180));
    let window = (length / 6).clamp(SAMPLE * 4, Duration::from_secs(60));
    let (mut memory, mut active) = (Memory::default(), Vec::new());
    let mut to_kill = cli.isolated;
    while began.elapsed() < length {
        if to_kill && began.elapsed() > length / 2 {
            to_kill = false;
            if process::kill_workers(world.proxy.pid()) == 0 {
                load.tally.broken("no plugin runs in a process of its own".into());
            }
        }
        memory.sample(Process::look(world.proxy.pid()).resident_kib);
        if let Some(metrics) = Metrics::try_scrape(world.proxy.admin, SAMPLE * 4).await {
            active.push(metrics.sum("tidegate_active_streams", &[]));
        } else {
            load.tally.broken("/metrics did not answer within 2 s".into());
        }
        sleep(SAMPLE).await;
    }
    let loaded = Instant::now();
    load.stop();
    let left_open = if cli.leak { Some(leave_open(&world).await) } else { None };
    while let Some(ended) = clients.join_next().await {
        if let Err(error) = ended {
            load.tally.broken(format!("a client met what it does not know: {error}"));
        }
    }

    let calm = Instant::now();
    let (wrong, sentences) = load.tally.wrong();
    let tally = &load.tally;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed) as f64;
    let seen = Clients {
        sent: count(&tally.sent) + f64::from(u8::from(cli.leak)),
        complete: count(&tally.complete),
        error: count(&tally.error),
        stream_error: count(&tally.stream_error),
        wrong: wrong as f64,
    };
    let (warm, end) = (memory.level(began + warm_up, window), memory.level(loaded - window, window));
    // What was left open on purpose is not waited for.
    let patience = if cli.leak { PATIENCE / 8 } else { PATIENCE };
    let (books, levels) = loop {
        let after = world.look().await;
        let levels = Levels { warm, end, quiet: after.process.resident_kib };
        let books = balance(&before, &after, seen, levels);
        if books.iter().all(|book| book.balances) || calm.elapsed() > patience {
            break (books, levels);
        }
        sleep(SAMPLE).await;
    };
    drop(left_open);
    if let Some(file) = &cli.log {
        std::fs::write(file, world.proxy.log()).expect("the log can be written");
    }
    Report {
        seconds: cli.seconds,
        streams: cli.streams,
        seed: cli.seed,
        active: (
            active.iter().sum::<f64>() / (active.len() as f64).max(1.0),
            active.iter().copied().fold(0.0, f64::max),
        ),
        clients: seen,
        misdeeds: tally.misdeeds.load(Relaxed),
        canaries: tally.canaries.load(Relaxed),
        gaps: tally.gaps(),
        levels,
        highest: memory.highest(),
        quiet_after: calm.elapsed(),
        books,
        sentences,
    }
}

/// After requests to every deployment, so that what is made once and kept is there: the keeper of each Google token.
async fn first_look(world: &World) -> Snapshot {
    for model in world.models() {
        let mut conn = Conn::open(world.proxy.data).await.expect("the proxy can be reached");
        conn.send(&chat(&model, "fast", true)).await.expect("the proxy takes a request");
        assert_eq!(conn.answer(HANG).await.status, 200, "{model} does not answer");
    }
    // What a blocking thread does for them, such as fetching a token, is a task while it lasts.
    let (mut look, until) = (world.look().await, Instant::now() + PATIENCE);
    loop {
        sleep(SAMPLE * 2).await;
        let again = world.look().await;
        let settled = again.proxy.clients == 0.0 && again.proxy.tasks == look.proxy.tasks;
        look = again;
        if settled || Instant::now() > until {
            return look;
        }
    }
}

/// A stream that nobody ends.
async fn leave_open(world: &World) -> Conn {
    let mut conn = Conn::open(world.proxy.data).await.expect("the proxy can be reached");
    conn.send(&chat("gemini", ENDLESS, true)).await.expect("the proxy takes a request");
    conn.read_until(HANG, |answer| !answer.body.is_empty()).await;
    conn
}
