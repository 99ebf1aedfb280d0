//! How long calls take. The middle of many, so that a busy machine does not count.

use std::time::{Duration, Instant};

use tidegate_host::{Events, Framing};

use super::Bench;
use super::history::Histories;
use crate::plugin::check::bench::{now, small_input, spoken};
use crate::plugin::check::play::{self, CAPS};

const EVENT: Duration = Duration::from_micros(50);
const CALL: Duration = Duration::from_millis(1);

/// Over the budget is worth a word; so many times over is a fault.
const FAULT: u32 = 100;

const BUDGET: &str = "tidegate.h: 50 us per event, 1 ms per request or decision";

/// Requests and decisions are made up; only events need a recording.
const UNMEASURED: &str = "no recorded answer is in its upstream's dialect";

pub(super) fn budget(bench: &mut Bench) {
    let mut told = Vec::new();
    if bench.plugin.provider().is_some() {
        let Some((provider, _)) = bench.provider() else { return };
        let request = middle(bench, "request", 100, || {
            let started = Instant::now();
            let _ = now(provider.request(&small_input(true)));
            vec![started.elapsed()]
        });
        told.push(judge(bench, "request", "one message", request, CALL));
        let all = bench.transcripts(spoken(bench, &provider));
        // What its upstream never says is refused at once, and the time of that says nothing.
        let it = all.iter().find(|(_, own)| *own).map(|(it, _)| it);
        let (framing, events) =
            it.map_or((Framing::Sse, Vec::new()), |it| (it.framing, play::cut(it.framing, &it.bytes)));
        let event = middle(bench, "stream_event", 50, || {
            let mut out = Events::new(CAPS.0, CAPS.1);
            let Ok(mut stream) = now(provider.open(&play::head(framing))) else { return Vec::new() };
            let mut times = Vec::new();
            for event in &events {
                let started = Instant::now();
                let answer = stream.event(&event.name, &event.data, event.stray, &mut out);
                times.push(started.elapsed());
                if answer.is_err() || out.is_done() {
                    break;
                }
            }
            times
        });
        told.push(judge(bench, "stream_event", "an event of a recorded answer", event, EVENT));
    }
    if bench.plugin.policy().is_some() {
        let Some(policy) = bench.policy() else { return };
        let histories: Vec<_> = Histories::sane(3, 50).collect();
        let decide = middle(bench, "decide", 10, || {
            histories
                .iter()
                .map(|case| {
                    case.with(|history| {
                        let started = Instant::now();
                        let _ = now(policy.decide(history));
                        started.elapsed()
                    })
                })
                .collect()
        });
        told.push(judge(bench, "decide", "a history", decide, CALL));
    }
    bench.verdict.skipped = None;
    bench.did(told.join(", "));
}

/// `None`: there was nothing to call it with.
fn middle(
    bench: &Bench,
    called: &str,
    rounds: usize,
    mut round: impl FnMut() -> Vec<Duration>,
) -> Option<Duration> {
    let mut times = Vec::new();
    for n in 0..rounds {
        bench.trail.at(called, &format!("round {n} of {rounds}"));
        times.extend(round());
        // A call that takes seconds need not be made a hundred times.
        if times.iter().sum::<Duration>() > Duration::from_secs(5) {
            break;
        }
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn judge(bench: &mut Bench, called: &str, with: &str, took: Option<Duration>, allowed: Duration) -> String {
    let Some(took) = took else {
        return format!("{called} not measured: {UNMEASURED}");
    };
    let text = format!("{called} {:.1} us", took.as_secs_f64() * 1e6);
    if took > allowed * FAULT {
        bench.find(called, with, format!("it takes {took:?}, the middle of many calls"), BUDGET);
    } else if took > allowed {
        bench.warn(format!(
            "{called} takes {took:?}, and the contract gives it {allowed:?}; is this an optimized build?"
        ));
    }
    text
}
