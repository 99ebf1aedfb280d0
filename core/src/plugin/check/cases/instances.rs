//! What is opened and closed, created and destroyed, leaves nothing behind.

use tidegate_host::{Close, Events, Framing, Provider, ProviderInstance};

use super::Bench;
use crate::plugin::check::bench::{now, spoken};
use crate::plugin::check::play::{self, CAPS};

/// Rounds between two looks at the memory, and looks.
const ROUNDS: usize = 2500;
const WINDOWS: usize = 4;

/// A window that grew by less has not grown: an allocator gives pages out in pieces.
const PAGES: u64 = 64 * 1024;

const KEEPS: &str = "tidegate.h: `create` and `destroy`, `stream_open` and `stream_close` come in pairs, and each side \
                     frees what it allocated; a daemon runs for months";

pub(super) fn balance(bench: &mut Bench) {
    let mut did = Vec::new();
    if let Some(provider) = bench.plugin.provider() {
        let Some((instance, offer)) = bench.provider() else { return };
        let config = bench.config_for(&offer);
        let events = events(bench, &instance);
        grows(bench, "stream_open, stream_event, stream_close", |n| stream_rounds(&instance, &events, n));
        grows(bench, "create, destroy", |n| instance_rounds(&provider, &config, n));
        did.push("streams and instances");
    }
    if let Some(policy) = bench.plugin.policy() {
        let config = bench.policy_config();
        grows(bench, "create, destroy", |n| (0..n).for_each(|_| drop(policy.create(&config))));
        did.push("instances of the policy");
    }
    bench.did(format!("{} rounds each of {}", ROUNDS * (WINDOWS + 1), did.join(" and ")));
}

/// The first events of an answer that it understands, else of any.
fn events(bench: &Bench, instance: &ProviderInstance) -> Vec<Vec<u8>> {
    let all = bench.transcripts(spoken(bench, instance));
    let it = all.iter().find(|(it, own)| *own && it.framing == Framing::Sse).or(all.first());
    let text = it.map(|(it, _)| String::from_utf8_lossy(&it.bytes).into_owned()).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .take(3)
        .map(|data| data.as_bytes().to_vec())
        .collect()
}

/// Streams that are closed at their end, in the middle, and at once.
fn stream_rounds(instance: &ProviderInstance, events: &[Vec<u8>], rounds: usize) {
    let mut out = Events::new(CAPS.0, CAPS.1);
    for round in 0..rounds {
        let Ok(mut stream) = now(instance.open(&play::head(Framing::Sse))) else { return };
        for event in events.iter().take(round % 4) {
            let _ = stream.event(b"", event, false, &mut out);
        }
        if round % 3 == 0 {
            let _ = stream.end(&mut out);
        }
        stream.close([Close::End, Close::Cancelled, Close::Failed][round % 3]);
    }
}

fn instance_rounds(provider: &Provider, config: &serde_json::Value, rounds: usize) {
    for _ in 0..rounds {
        drop(provider.create(config));
    }
}

/// Runs rounds and looks at the memory in between. It grew when it did in every window: what an allocator keeps for
/// itself stops growing, a leak does not.
fn grows(bench: &mut Bench, called: &str, rounds: impl Fn(usize)) {
    let with = format!("{ROUNDS} rounds");
    bench.trail.at(called, &with);
    rounds(ROUNDS);
    let mut before = resident();
    let mut windows = Vec::new();
    for _ in 0..WINDOWS {
        bench.trail.at(called, &with);
        rounds(ROUNDS);
        let after = resident();
        windows.push(after.saturating_sub(before));
        before = after;
    }
    if windows.iter().all(|grown| *grown > PAGES) {
        let each = windows.iter().sum::<u64>() / (WINDOWS * ROUNDS) as u64;
        bench.find(
            called,
            &format!("{} rounds", WINDOWS * ROUNDS),
            format!("about {each} bytes are left behind in each round"),
            KEEPS,
        );
    }
}

/// Memory that this process holds, in bytes; 0 where the system does not say.
fn resident() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else { return 0 };
    let pid = sysinfo::Pid::from_u32(std::process::id());
    let memory = sysinfo::ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::Some(&[pid]), true, memory);
    system.process(pid).map_or(0, sysinfo::Process::memory)
}
