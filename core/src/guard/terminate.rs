//! SIGTERM to a process; after the grace, SIGKILL to what is left of it and of everything it started.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::process::{self, Handle, Identity, Signal, trees};

/// Before the second look whether it is gone; twice as long before each further one, up to [`LONGEST`]. A look reads the whole
/// table of processes, on a machine that has no CPU to spare.
const LOOK: Duration = Duration::from_millis(50);

const LONGEST: Duration = Duration::from_millis(400);

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
    let known = Arc::new(Mutex::new(Known::of(root.identity)));
    let mut end = End::default();
    // Before the first signal: children of a parent that has ended are anybody's.
    look(&known).await;
    if let Err(error) = send(root, Signal::Terminate) {
        // It goes on, and so do its children: it would start others in their place.
        end.trouble.push(refusal(root, Signal::Terminate, &error));
        return end;
    }
    if wait(&known, grace).await {
        end.is_gone = true;
        return end;
    }
    // Twice: for what was started meanwhile.
    for _ in 0..2 {
        kill(root, &mut known.lock(), &mut end, &send);
        if wait(&known, LAST).await {
            break;
        }
    }
    end.is_gone = !root.is_alive();
    let known = known.lock();
    for left in known.identities().filter(|one| known.awaits(*one)) {
        end.trouble.push(format!("process {} is still there after SIGKILL", left.pid));
    }
    end
}

/// The parent first, which would start others in the place of its children.
fn kill(root: &Handle, known: &mut Known, end: &mut End, send: impl Fn(&Handle, Signal) -> io::Result<()>) {
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
}

/// The process, and everything that was seen below it.
struct Known {
    root: Identity,
    all: Vec<Handle>,
    /// Those, and the process itself, that may not be signalled: nobody waits for them.
    refused: HashSet<Identity>,
}

impl Known {
    fn of(root: Identity) -> Self {
        Self { root, all: Vec::new(), refused: HashSet::new() }
    }

    fn identities(&self) -> impl Iterator<Item = Identity> {
        std::iter::once(self.root).chain(self.all.iter().map(|one| one.identity))
    }

    /// Adds what is there now, below it and below those that are known already. `true`: one of them is waited for.
    fn look(&mut self) -> bool {
        let roots: Vec<Identity> = self.identities().collect();
        for identity in trees(&roots).into_iter().map(|seen| seen.identity) {
            if !roots.contains(&identity) {
                self.all.extend(Handle::open(identity));
            }
        }
        self.identities().any(|one| self.awaits(one))
    }

    fn awaits(&self, one: Identity) -> bool {
        !self.refused.contains(&one) && process::look(one.pid).is_some_and(|seen| seen.identity == one)
    }
}

/// [`Known::look`] on another thread: the guards' own lateness is a measure.
async fn look(known: &Arc<Mutex<Known>>) -> bool {
    let known = known.clone();
    // After a panic nothing is known.
    tokio::task::spawn_blocking(move || known.lock().look()).await.unwrap_or(true)
}

/// Whether all of it is gone within the limit.
async fn wait(known: &Arc<Mutex<Known>>, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    let mut pause = LOOK;
    loop {
        if !look(known).await {
            return true;
        }
        let now = Instant::now();
        if now >= until {
            return false;
        }
        tokio::time::sleep(pause.min(until - now)).await;
        pause = (pause * 2).min(LONGEST);
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
    #[expect(clippy::zombie_processes, reason = "`clear` waits for it")]
    async fn family(script: &str, below: usize) -> (Child, Handle, Vec<Identity>) {
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let root = process::look(child.id()).unwrap().identity;
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let seen: Vec<Identity> = trees(&[root]).iter().map(|seen| seen.identity).collect();
            let sleeping =
                |one: &&Identity| process::names(one.pid).is_some_and(|names| names.short == "sleep");
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
