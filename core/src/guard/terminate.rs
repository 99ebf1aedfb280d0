//! SIGTERM to a process; after the grace, SIGKILL to what is left of it and of everything it started.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::process::{Handle, Identity, Signal, tree};

/// Between two looks whether it is gone.
const LOOK: Duration = Duration::from_millis(50);

/// A process that is still there so long after SIGKILL waits in the kernel, and nobody can help it.
const LAST: Duration = Duration::from_secs(5);

/// How it ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// All of it heeded SIGTERM.
    Heeded,
    /// These had to be killed.
    Killed(Vec<u32>),
}

/// Ends the process and everything that descends from it.
///
/// # Errors
/// A sentence: a signal may not be sent, or something is still there.
pub(super) async fn terminate(root: &Handle, grace: Duration) -> Result<Ended, String> {
    let mut known = Known(Vec::new());
    // Before the first signal: children of a parent that has ended are anybody's.
    known.look(root.identity);
    send(root, Signal::Terminate)?;
    if wait(root, &mut known, grace).await {
        return Ok(Ended::Heeded);
    }
    let mut killed = Vec::new();
    // The parent first, which would start others in the place of its children.
    for one in std::iter::once(root).chain(&known.0).filter(|one| one.is_alive()) {
        send(one, Signal::Kill)?;
        killed.push(one.identity.pid);
    }
    if wait(root, &mut known, LAST).await {
        return Ok(Ended::Killed(killed));
    }
    // What was started meanwhile.
    for one in known.0.iter().filter(|one| one.is_alive()) {
        send(one, Signal::Kill)?;
        if !killed.contains(&one.identity.pid) {
            killed.push(one.identity.pid);
        }
    }
    if wait(root, &mut known, LAST).await {
        return Ok(Ended::Killed(killed));
    }
    Err(format!("it is still there {LAST:?} after SIGKILL"))
}

/// Everything that was seen below the process.
struct Known(Vec<Handle>);

impl Known {
    /// Adds what is there now, below it and below those that are known already.
    fn look(&mut self, root: Identity) {
        let roots: Vec<Identity> =
            std::iter::once(root).chain(self.0.iter().map(|one| one.identity)).collect();
        for identity in roots.into_iter().flat_map(tree).map(|seen| seen.identity) {
            if identity != root && !self.0.iter().any(|one| one.identity == identity) {
                self.0.extend(Handle::open(identity));
            }
        }
    }
}

/// Whether all of it is gone within the limit.
async fn wait(root: &Handle, known: &mut Known, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    loop {
        known.look(root.identity);
        if !root.is_alive() && !known.0.iter().any(Handle::is_alive) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn send(to: &Handle, signal: Signal) -> Result<(), String> {
    to.send(signal).map_err(|error| {
        let (pid, hint) = (
            to.identity.pid,
            match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "; it is another user's: docs/guard.md says what that takes"
                }
                _ => "",
            },
        );
        format!("process {pid} cannot be sent {signal:?}: {error}{hint}")
    })
}
