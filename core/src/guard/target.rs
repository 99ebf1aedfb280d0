//! Which process a guard is about: found anew whenever the one it had is gone, and once more before anything is done to it.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::process::{self, Identity, Names};
use super::{pid_file, run};
use crate::config::{GuardTarget, Run};

/// How long systemd may take to say which process it is.
const ASK: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    One(Identity),
    /// It does not run.
    Nobody(String),
    /// It cannot be said which it is, so nothing will be done.
    Trouble(String),
}

/// Looks for a process. One look-up at a time: on a file system that does not answer each would keep a thread for ever.
#[derive(Debug, Default)]
pub(super) struct Finder {
    pending: Option<JoinHandle<Found>>,
}

impl Finder {
    pub(super) async fn find(&mut self, target: &GuardTarget) -> Found {
        match target {
            GuardTarget::Unit { name, user } => unit(name, *user).await,
            GuardTarget::PidFile(file, name) => {
                let (file, name) = (file.clone(), name.clone());
                self.blocking(ASK, move || pid_file::find(&file, name.as_deref())).await
            }
            GuardTarget::Process(name) => {
                let name = name.clone();
                self.blocking(ASK, move || by_name(&name)).await
            }
        }
    }

    /// On a thread of its own: a file system may not answer.
    async fn blocking(&mut self, limit: Duration, find: impl FnOnce() -> Found + Send + 'static) -> Found {
        let late = || Found::Trouble(format!("looking for the process takes longer than {limit:?}"));
        if let Some(before) = &mut self.pending {
            if tokio::time::timeout(limit, before).await.is_err() {
                return late();
            }
            // What it found is of another time.
            self.pending = None;
        }
        let pending = self.pending.insert(tokio::task::spawn_blocking(find));
        let Ok(found) = tokio::time::timeout(limit, pending).await else { return late() };
        self.pending = None;
        found.unwrap_or_else(|error| Found::Trouble(format!("looking for the process failed: {error}")))
    }
}

async fn unit(name: &str, user: bool) -> Found {
    let mut words = vec!["systemctl"];
    if user {
        words.push("--user");
    }
    words.extend(["show", "--property=LoadState", "--property=MainPID", "--", name]);
    let words = words.into_iter().map(str::to_owned).collect();
    let ran = run::run(&Run { words, timeout: ASK }, None).await;
    if !ran.is_ok {
        let said = ran.output.lines().next().unwrap_or_default();
        let why = format!("systemctl show {name}: {} {said}", ran.how);
        return Found::Trouble(why.trim_end_matches([' ', '.']).to_owned());
    }
    let value = |key: &str| ran.output.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    if value("LoadState") == Some("not-found") {
        return Found::Trouble(format!("systemd knows no unit {name}"));
    }
    match value("MainPID").and_then(|text| text.trim().parse().ok()) {
        Some(0) => Found::Nobody(format!("{name} has no main process")),
        Some(pid) => of_id(pid, name),
        None => Found::Trouble(format!("systemctl did not say the main process of {name}")),
    }
}

/// A process that somebody named by its id.
pub(super) fn of_id(pid: u32, who: &str) -> Found {
    if process::is_protected(pid) {
        return Found::Trouble(format!("{who} names process {pid}, which a guard does not touch"));
    }
    match process::look(pid) {
        Some(seen) => Found::One(seen.identity),
        None if process::is_there(pid) && process::owner(pid).is_none() => {
            Found::Trouble(format!("process {pid} of {who} is hidden from this one (hidepid, ProtectProc)"))
        }
        None => Found::Nobody(format!("process {pid} of {who} is gone")),
    }
}

fn by_name(name: &str) -> Found {
    let all = process::all();
    let mut found: Vec<_> = all
        .iter()
        .filter(|seen| {
            let pid = seen.identity.pid;
            !process::is_protected(pid) && process::names(pid).is_some_and(|names| fits(&names, name))
        })
        .collect();
    // Children with their parent's command line, such as workers, are found through it.
    let ids: Vec<u32> = found.iter().map(|seen| seen.identity.pid).collect();
    found.retain(|seen| !ids.contains(&seen.parent));
    match found[..] {
        [] => Found::Nobody(format!("there is no process `{name}`")),
        [one] => Found::One(one.identity),
        _ => {
            let mut ids: Vec<String> =
                found.iter().take(5).map(|seen| seen.identity.pid.to_string()).collect();
            if found.len() > ids.len() {
                ids.push("...".to_owned());
            }
            let (count, ids) = (found.len(), ids.join(", "));
            Found::Trouble(format!(
                "{count} processes are `{name}` ({ids}): say more of its command line, or use a pid file or a unit"
            ))
        }
    }
}

/// Programs whose first argument is the program that people mean.
const INTERPRETERS: [&str; 9] = ["python", "pypy", "node", "ruby", "perl", "sh", "bash", "env", "uv"];

/// Whether the first word of `wanted` is the program's name, and the others are among its arguments.
pub(super) fn fits(names: &Names, wanted: &str) -> bool {
    let mut wanted = wanted.split_whitespace();
    let Some(program) = wanted.next() else { return false };
    let file = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    let words = &names.words;
    // Nobody has set these: a kernel's thread.
    let Some(first) = words.first() else { return false };
    let mut called = vec![names.short.clone(), first.clone(), file(first)];
    let own = file(first);
    if INTERPRETERS.iter().any(|name| {
        own.strip_prefix(name).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
    }) {
        let rest = &words[1..];
        let script = match rest.iter().position(|word| word == "-m") {
            Some(at) if rest[..at].iter().all(|word| word.starts_with('-')) => rest.get(at + 1),
            _ => rest.iter().find(|word| !word.starts_with('-')),
        };
        called.extend(script.into_iter().flat_map(|script| [script.clone(), file(script)]));
    }
    called.iter().any(|name| name == program) && wanted.all(|word| words.iter().any(|own| own == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(short: &str, line: &str) -> Names {
        Names { short: short.into(), words: line.split_whitespace().map(str::to_owned).collect() }
    }

    #[test]
    fn a_program_is_known_by_its_name_and_its_arguments() {
        let litellm =
            names("litellm", "/venv/bin/python3.11 /venv/bin/litellm --config /etc/litellm.yaml --port 4000");
        for good in
            ["litellm", "/venv/bin/litellm", "python3.11", "litellm --port 4000", "litellm /etc/litellm.yaml"]
        {
            assert!(fits(&litellm, good), "{good}");
        }
        for bad in ["lite", "python", "litellm --port 4001", "/etc/litellm.yaml", "--config", " "] {
            assert!(!fits(&litellm, bad), "{bad}");
        }
        let module = names("python3", "python3 -u -m litellm.proxy --port 1");
        assert!(fits(&module, "litellm.proxy") && !fits(&module, "litellm"));
        assert!(!fits(&names("vim", "vim litellm"), "litellm"), "an editor of its file is not it");
        assert!(!fits(&names("tail", "tail -f /var/log/litellm"), "litellm"));
        assert!(!fits(&names("kworker", ""), "kworker"), "a kernel's thread");
        assert!(fits(&names("gunicorn", "gunicorn: master [x]"), "gunicorn"));
    }

    /// A folder that does not answer: one look-up waits for it, however often it is asked for.
    #[tokio::test]
    async fn one_look_up_at_a_time() {
        const SHORT: Duration = Duration::from_millis(50);
        let mut finder = Finder::default();
        let (answer, waits) = std::sync::mpsc::channel::<()>();
        let stuck = move || {
            let _ = waits.recv();
            Found::Nobody("of another time".into())
        };
        assert!(matches!(finder.blocking(SHORT, stuck).await, Found::Trouble(_)));
        for _ in 0..3 {
            let second = || panic!("a second one was started");
            assert!(
                matches!(finder.blocking(SHORT, second).await, Found::Trouble(why) if why.contains("longer"))
            );
        }
        drop(answer);
        let now = Found::Nobody("now".into());
        let found = now.clone();
        assert_eq!(finder.blocking(Duration::from_secs(30), || found).await, now);
    }

    #[test]
    fn of_several_none_is_chosen() {
        let marks = [format!("{}.5", 3_000 + std::process::id() % 1_000), "77.25".to_owned()];
        let mut children: Vec<_> =
            (0..2).map(|_| std::process::Command::new("sleep").args(&marks).spawn().unwrap()).collect();
        let name = format!("sleep {} {}", marks[0], marks[1]);
        // For a moment after exec a process has no words.
        let named =
            |child: &std::process::Child| process::names(child.id()).is_some_and(|names| fits(&names, &name));
        for _ in 0..1_000_000 {
            if children.iter().all(named) {
                break;
            }
            std::thread::yield_now();
        }
        assert!(matches!(by_name(&name), Found::Trouble(why) if why.contains("2 processes are")));
        children[0].kill().unwrap();
        children[0].wait().unwrap();
        assert!(matches!(by_name(&name), Found::One(one) if one.pid == children[1].id()));
        children[1].kill().unwrap();
        children[1].wait().unwrap();
        assert!(matches!(by_name(&name), Found::Nobody(_)));
    }
}
