//! Prints what a probe adds to a poll: `cargo run --release -p tidegate-watchdog --example probe_cost`.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::hint::black_box;
use std::time::Instant;

use tidegate_watchdog::{Config, Hooks, Incident, Labels, Mode, Probe, Watchdog, plugin_enter};

struct Quiet;

impl Hooks for Quiet {
    fn poke(&self) {}
    fn incident(&self, _: &std::sync::Arc<Incident>) {}
    fn warn(&self, _: &Incident) {}
}

const POLLS: u32 = 10_000_000;

/// The best of five, in nanoseconds per turn.
fn measure(mut turn: impl FnMut(u32)) -> f64 {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            for n in 0..POLLS {
                turn(black_box(n));
            }
            start.elapsed().as_nanos() as f64 / f64::from(POLLS)
        })
        .fold(f64::INFINITY, f64::min)
}

fn probed(mode: Mode, registered: bool) -> std::io::Result<(Watchdog, Probe)> {
    let watchdog = Watchdog::start(Config { mode, ..Config::default() }, Quiet)?;
    if registered {
        watchdog.register_worker();
    } else {
        watchdog.unregister_worker();
    }
    let probe = watchdog.open(Labels::default(), None);
    Ok((watchdog, probe))
}

fn main() -> std::io::Result<()> {
    let clock = quanta::Clock::new();
    println!(
        "two clock reads              {:6.2} ns",
        measure(|_| {
            black_box((clock.raw(), clock.raw()));
        })
    );
    println!(
        "no probe                     {:6.2} ns",
        measure(|n| {
            black_box(n);
        })
    );
    for (name, mode, registered) in [
        ("probe, watchdog off          ", Mode::Off, true),
        ("probe, on, not on a worker   ", Mode::Enforce, false),
        ("probe, on, on a worker       ", Mode::Enforce, true),
    ] {
        let (_watchdog, probe) = probed(mode, registered)?;
        let cost = measure(|n| {
            probe.poll(|| {
                probe.progress(u64::from(n));
                black_box(n);
            });
            black_box(probe.verdict());
        });
        println!("{name}{cost:6.2} ns");
    }
    let (_watchdog, probe) = probed(Mode::Enforce, true)?;
    let cost = probe.poll(|| measure(|n| drop(black_box(plugin_enter(n)))));
    println!("plugin_enter and leave       {cost:6.2} ns");
    Ok(())
}
