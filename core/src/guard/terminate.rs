//! SIGTERM to a process; after the grace, SIGKILL to what is left of it and of everything it started.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::process::{Handle, Identity, Signal, tree};

/// Between two looks whether it is gone.
const LOOK: Duration = Duration::from_millis(50);

/// A process that is still there so long after SIGKILL waits in the kernel, and nobody can help it.
const LAST: Duration = Duration::from_secs(5);

/// How it ended.
#[derive(Debug, Default)]
pub(super) struct End {
    /// The process itself is gone; of what it started, that may not be so.
    pub(super) is_gone: bool,
    /// These had to be killed.
    pub(super) killed: Vec<u32>,
    /// What could not be done: a sentence each.
    pub(super) trouble: Vec<String>,
}

impl End {
    /// The word of the metric.
    pub(super) fn word(&self) -> &'static str {
        match (self.is_gone, &self.killed[..]) {
            (false, _) => "failed",
            (true, []) => "terminate",
            (true, _) => "kill",
        }
    }

    /// For people.
    pub(super) fn say(&self, grace: Duration) -> String {
        let mut said = Vec::new();
        if self.is_gone && self.killed.is_empty() {
            said.push("SIGTERM ended it".to_owned());
        } else if !self.killed.is_empty() {
            let pids: Vec<String> = self.killed.iter().map(u32::to_string).collect();
            let pids = pids.join(", ");
            said.push(match self.is_gone {
                true => format!("SIGTERM did not end it within {grace:?}, SIGKILL did ({pids})"),
                false => format!("SIGTERM did not end it within {grace:?}, SIGKILL went to {pids}"),
            });
        }
        said.extend_from_slice(&self.trouble);
        said.join("; ")
    }
}

/// Ends the process and everything that descends from it. One that may not be signalled does not keep the others.
pub(super) async fn terminate(root: &Handle, grace: Duration) -> End {
    terminate_by(root, grace, Handle::send).await
}

async fn terminate_by(
    root: &Handle,
    grace: Duration,
    send: impl Fn(&Handle, Signal) -> io::Result<()>,
) -> End {
    let mut known = Known::default();
    let mut end = End::default();
    // Before the first signal: children of a parent that has ended are anybody's.
    known.look(root.identity);
    if let Err(error) = send(root, Signal::Terminate) {
        // It goes on, and so do its children: it would start others in their place.
        end.trouble.push(refusal(root, Signal::Terminate, &error));
        return end;
    }
    if wait(root, &mut known, grace).await {
        end.is_gone = true;
        return end;
    }
    // Twice: for what was started meanwhile.
    for _ in 0..2 {
        // The parent first, which would start others in the place of its children.
        for one in std::iter::once(root).chain(&known.all).filter(|one| one.is_alive()) {
            let identity = one.identity;
            match send(one, Signal::Kill) {
                Ok(()) if !end.killed.contains(&identity.pid) => end.killed.push(identity.pid),
                Ok(()) => {}
                Err(error) if known.refused.insert(identity) => {
                    end.trouble.push(refusal(one, Signal::Kill, &error));
                }
                Err(_) => {}
            }
        }
        if wait(root, &mut known, LAST).await {
            break;
        }
    }
    end.is_gone = !root.is_alive();
    for left in std::iter::once(root).chain(&known.all).filter(|one| known.awaits(one)) {
        end.trouble.push(format!("process {} is still there after SIGKILL", left.identity.pid));
    }
    end
}

/// Everything that was seen below the process.
#[derive(Default)]
struct Known {
    all: Vec<Handle>,
    /// Those, and the process itself, that may not be signalled: nobody waits for them.
    refused: HashSet<Identity>,
}

impl Known {
    /// Adds what is there now, below it and below those that are known already.
    fn look(&mut self, root: Identity) {
        let roots: Vec<Identity> =
            std::iter::once(root).chain(self.all.iter().map(|one| one.identity)).collect();
        for identity in roots.into_iter().flat_map(tree).map(|seen| seen.identity) {
            if identity != root && !self.all.iter().any(|one| one.identity == identity) {
                self.all.extend(Handle::open(identity));
            }
        }
    }

    fn awaits(&self, one: &Handle) -> bool {
        !self.refused.contains(&one.identity) && one.is_alive()
    }
}

/// Whether all of it is gone within the limit.
async fn wait(root: &Handle, known: &mut Known, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    loop {
        known.look(root.identity);
        if !std::iter::once(root).chain(&known.all).any(|one| known.awaits(one)) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn refusal(to: &Handle, signal: Signal, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "; it is another user's: docs/guard.md says what that takes",
        _ => "",
    };
    format!("process {} cannot be sent {signal:?}: {error}{hint}", to.identity.pid)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// A process with so many below it.
    async fn family(script: &str, below: usize) -> (Child, Handle, Vec<Identity>) {
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let root = super::super::process::look(child.id()).unwrap().identity;
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let seen: Vec<Identity> = tree(root).iter().map(|seen| seen.identity).collect();
            let sleeping = |one: &&Identity| {
                super::super::process::names(one.pid).is_some_and(|names| names.short == "sleep")
            };
            let children: Vec<Identity> = seen.iter().filter(sleeping).copied().collect();
            if children.len() == below {
                return (child, Handle::open(root).unwrap(), children);
            }
            assert!(Instant::now() < until, "{seen:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    fn lives(one: Identity) -> bool {
        Handle::open(one).is_some()
    }

    const DENIED: io::ErrorKind = io::ErrorKind::PermissionDenied;

    /// Sends to all but this one.
    fn but(denied: Identity) -> impl Fn(&Handle, Signal) -> io::Result<()> {
        move |to, signal| if to.identity == denied { Err(DENIED.into()) } else { to.send(signal) }
    }

    fn clear(mut root: Child, rest: &[Identity]) {
        rest.iter().filter_map(|one| Handle::open(*one)).for_each(|one| one.send(Signal::Kill).unwrap());
        // It may have ended.
        let _ = root.kill();
        root.wait().unwrap();
    }

    #[tokio::test]
    async fn one_that_may_not_be_killed_does_not_keep_the_others() {
        let deaf = "trap '' TERM; sleep 600 & sleep 600 & sleep 600 & wait";
        let (child, root, below) = family(deaf, 3).await;
        let end = terminate_by(&root, Duration::from_millis(200), but(below[0])).await;
        let is_left: Vec<bool> = below.iter().map(|one| lives(*one)).collect();
        clear(child, &below);
        assert!(end.is_gone, "{end:?}");
        assert_eq!(is_left, [true, false, false], "{end:?}");
        assert_eq!(end.killed[0], root.identity.pid, "the parent first");
        assert_eq!((end.killed.len(), end.trouble.len(), end.word()), (3, 1, "kill"), "{end:?}");
        let said = end.say(Duration::from_secs(1));
        assert!(said.starts_with("SIGTERM did not end it within 1s, SIGKILL did ("), "{said}");
        assert!(said.contains(&format!("; process {} cannot be sent Kill: ", below[0].pid)), "{said}");
    }

    /// As a worker under another account, whose parent heeds SIGTERM: the port is free, and it can be started.
    #[tokio::test]
    async fn one_that_is_gone_is_gone_whoever_is_left() {
        let (child, root, below) = family("(trap '' TERM; exec sleep 600) & wait", 1).await;
        // The trap is set before the program becomes `sleep`.
        let end = terminate_by(&root, Duration::from_millis(200), but(below[0])).await;
        let is_left = lives(below[0]);
        clear(child, &below);
        assert!(end.is_gone && is_left, "{end:?}");
        assert_eq!((end.word(), end.killed.len(), end.trouble.len()), ("terminate", 0, 1), "{end:?}");
        assert!(end.say(Duration::ZERO).starts_with("SIGTERM ended it; process "), "{end:?}");
    }

    #[tokio::test]
    async fn nothing_below_one_that_goes_on_is_ended() {
        let (child, root, below) = family("sleep 600 & sleep 600 & wait", 2).await;
        let end = terminate_by(&root, Duration::ZERO, but(root.identity)).await;
        let is_left = root.is_alive() && below.iter().all(|one| lives(*one));
        clear(child, &below);
        assert!(is_left && !end.is_gone, "{end:?}");
        assert_eq!((end.word(), end.killed.len(), end.trouble.len()), ("failed", 0, 1));
        assert!(end.say(Duration::ZERO).contains("docs/guard.md"), "{end:?}");
    }
}
