//! Where there is no `/proc`: what sysinfo says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::{Identity, Names, Seen};

fn with<T>(pid: u32, read: impl FnOnce(&Process) -> Option<T>) -> Option<T> {
    let pid = Pid::from_u32(pid);
    let system = read_system(ProcessesToUpdate::Some(&[pid]))?;
    read(system.process(pid)?)
}

fn read_system(which: ProcessesToUpdate<'_>) -> Option<System> {
    let mut system = System::new().ok()?;
    let what = ProcessRefreshKind::nothing()
        .with_cpu()
        .with_cmd(UpdateKind::Always)
        .with_user(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(which, true, what);
    Some(system)
}

fn seen(process: &Process) -> Option<Seen> {
    if matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead) {
        return None;
    }
    Some(Seen {
        identity: Identity { pid: process.pid().as_u32(), start: process.start_time() },
        parent: process.parent().map_or(0, Pid::as_u32),
        cpu: Duration::from_millis(process.accumulated_cpu_time()),
    })
}

pub(super) fn look(pid: u32) -> Option<Seen> {
    with(pid, seen)
}

pub(super) fn all() -> Vec<Seen> {
    let system = read_system(ProcessesToUpdate::All);
    system.iter().flat_map(|system| system.processes().values()).filter_map(seen).collect()
}

pub(super) fn names(pid: u32) -> Option<Names> {
    with(pid, |process| {
        Some(Names {
            short: process.name().to_string_lossy().into_owned(),
            words: process.cmd().iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        })
    })
}

pub(super) fn wanted(_: u32) -> Vec<(u32, Duration)> {
    Vec::new()
}

/// `start` is in seconds of the Unix clock here.
pub(super) fn age(identity: Identity) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.saturating_sub(Duration::from_secs(identity.start)))
}

pub(super) fn owner(pid: u32) -> Option<u32> {
    with(pid, |process| process.user_id().map(|user| **user))
}
