//! How large a scrape is, and how long one takes: 50 groups with 4 deployments each, after traffic of every kind on all.
//! `cargo run --release -p tidegate --example scrape`
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it prints what it measured, or why it could not"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tidegate::dialects::Usage;
use tidegate::metrics::{Ending, Known, Metrics, WatchdogCollector, labels};
use tidegate_host::Op;
use tidegate_watchdog::{Config, Hooks, Incident, Suspected, Watchdog};

const GROUPS: usize = 50;

/// What stands behind each group; more than one provider's longest names.
const DEPLOYMENTS: [&str; 4] = [
    "openai/gpt-4.1-mini",
    "azure/gpt-4.1-mini-eu",
    "vertex_ai/gemini-2.5-flash",
    "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
];

/// What clients are told as a rule; other statuses have no series before they come.
const STATUSES: [u16; 9] = [200, 400, 401, 429, 499, 500, 502, 503, 504];

/// Scrapes that are timed.
const ROUNDS: usize = 101;

/// What a scrape may have: bytes, and time in a release build.
pub(crate) const LIMITS: (usize, Duration) = (1_000_000, Duration::from_millis(10));

struct Quiet;

impl Hooks for Quiet {
    fn poke(&self) {}
    fn incident(&self, _: &std::sync::Arc<Incident>) {}
    fn warn(&self, _: &Incident) {}
}

/// One with nothing to watch: its families and the gates of deployments are in a scrape too.
///
/// # Panics
/// Its thread cannot be started.
pub(crate) fn watchdog() -> Watchdog {
    Watchdog::start(Config::default(), Quiet).expect("a thread can be started")
}

/// Metrics of a process that has seen every status and every outcome on everything: no series is missing, and no number is
/// short.
///
/// # Errors
/// A name is not legal: a defect of the program.
pub(crate) fn busy() -> prometheus::Result<Metrics> {
    let metrics = Metrics::new()?;
    let words = |name: &str| match labels().into_iter().find(|one| one.name == name).map(|one| one.values) {
        Some(tidegate::metrics::Values::Words(words)) => words,
        _ => Vec::new(),
    };
    let usage = Usage {
        input: Some(123_456_789),
        output: Some(12_345_678),
        cached: Some(98_765_432),
        cache_write: Some(1_234_567),
        reasoning: Some(7_654_321),
        ..Usage::default()
    };
    let times = [0.004, 0.03, 0.7, 4.2, 25.0, 700.0];
    let plugins = metrics.of_plugins();
    for name in ["openai", "azure", "gemini", "bedrock", "fallback"] {
        Op::ALL.iter().for_each(|op| plugins.call(name, op.name()).calls.inc_by(1_234_567));
    }
    let watchdog = watchdog();
    for number in 0..GROUPS {
        let name = format!("assistant-{number}");
        let group = metrics.group(&name);
        for status in STATUSES {
            (0..1234).for_each(|_| group.ended(status, Ending::Complete));
        }
        for time in times.iter().cycle().take(123) {
            group.duration.observe(time * 1.0123);
            group.first_token.observe(time * 0.7123);
            group.gap.observe(time * 0.0123);
            group.attempts_per_request.observe(time.ceil());
        }
        metrics.fell(&group, &metrics.deployment("assistant-0", &format!("{}#0", DEPLOYMENTS[0])));
        for model in DEPLOYMENTS {
            let deployment = metrics.deployment(&name, &format!("{model}#{number}"));
            // A wrong key or a wrong name is not everywhere.
            let everywhere =
                |outcome: &str| !["auth", "permission", "not_found", "unknown"].contains(&outcome);
            for outcome in words("outcome").into_iter().filter(|one| number % 10 == 0 || everywhere(one)) {
                (0..1234).for_each(|_| deployment.ended(outcome));
            }
            for mid_stream in [false, true] {
                (0..1234).for_each(|_| deployment.limited(mid_stream));
            }
            (0..1234).for_each(|_| deployment.put_aside());
            times.iter().for_each(|time| deployment.first_content.observe(time * 0.5123));
            for guessed in [false, true] {
                deployment.spend(&usage, guessed, guessed);
            }
            watchdog.gate(Suspected::Deployment, deployment.label());
        }
    }
    metrics.register(WatchdogCollector::new(watchdog)?)?;
    Ok(metrics)
}

/// Bytes by family, the largest first.
fn by_family(scrape: &str) -> Vec<(usize, &str)> {
    let mut families: Vec<(usize, &str)> = Vec::new();
    for line in scrape.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            families.push((0, rest.split(' ').next().unwrap_or_default()));
        }
        if let Some((bytes, _)) = families.last_mut() {
            *bytes += line.len() + 1;
        }
    }
    families.sort_by(|a, b| b.cmp(a));
    families
}

/// CPU that this thread has used.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

fn main() -> prometheus::Result<ExitCode> {
    let (metrics, others) = (busy()?, Known::new());
    let mut took = Vec::new();
    let mut scrape = Vec::new();
    let mut busy = Vec::new();
    for _ in 0..ROUNDS {
        let (began, cpu_before) = (Instant::now(), cpu());
        scrape = metrics.encode(&[], &others);
        took.push(began.elapsed());
        busy.push(cpu().saturating_sub(cpu_before));
    }
    took.sort();
    busy.sort();
    let bytes = scrape.len();
    // On a machine that others use the clock tells of them; the thread's CPU is what it takes by itself.
    let (median, cpu) = (took[ROUNDS / 2], busy[ROUNDS / 2]);
    println!("{GROUPS} groups, {} deployments, {ROUNDS} scrapes", GROUPS * DEPLOYMENTS.len());
    println!(
        "{bytes} bytes; {cpu:.2?} of CPU; by the clock {median:.2?}, at least {:.2?} (medians)",
        took[0]
    );
    for (bytes, family) in by_family(&String::from_utf8_lossy(&scrape)).into_iter().take(8) {
        println!("{bytes:>9} {family}");
    }
    let (most_bytes, most_time) = LIMITS;
    let good = bytes < most_bytes && cpu < most_time;
    println!("{}: below {most_bytes} bytes and {most_time:?} of CPU", if good { "kept" } else { "NOT kept" });
    Ok(ExitCode::from(u8::from(!good)))
}
