//! Which process a guard is about: found anew whenever the one it had is gone, and once more before anything is done to it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::process::{self, Identity, Names};
use super::run;
use crate::config::{GuardTarget, Run};

/// How long systemd may take to say which process it is.
const ASK: Duration = Duration::from_secs(5);

/// By so much a process may seem younger than the file with its id: the clock's grain, and that of boot time.
const GRAIN: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    One(Identity),
    /// It does not run.
    Nobody(String),
    /// It cannot be said which it is, so nothing will be done.
    Trouble(String),
}

pub(super) async fn find(target: &GuardTarget) -> Found {
    match target {
        GuardTarget::Unit { name, user } => unit(name, *user).await,
        GuardTarget::PidFile(file, name) => {
            let (file, name) = (file.clone(), name.clone());
            blocking(move || pid_file(&file, name.as_deref())).await
        }
        GuardTarget::Process(name) => {
            let name = name.clone();
            blocking(move || by_name(&name)).await
        }
    }
}

/// On a thread of its own: a file system may not answer.
async fn blocking(find: impl FnOnce() -> Found + Send + 'static) -> Found {
    match tokio::time::timeout(ASK, tokio::task::spawn_blocking(find)).await {
        Ok(Ok(found)) => found,
        _ => Found::Trouble(format!("looking for the process took longer than {ASK:?}")),
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
fn of_id(pid: u32, who: &str) -> Found {
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

fn pid_file(path: &Path, name: Option<&str>) -> Found {
    let shown = path.display();
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Found::Nobody(format!("{shown} is not there"));
        }
        Err(error) => return Found::Trouble(format!("{shown}: {error}")),
    };
    let mut text = String::new();
    let (read, meta) = (file.by_ref().take(64).read_to_string(&mut text), file.metadata());
    let Ok(meta) = meta else { return Found::Trouble(format!("{shown} cannot be looked at")) };
    let pid = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    let (Ok(_), Some(pid)) = (read, pid) else {
        return Found::Trouble(format!("{shown} has no process id in its first line"));
    };
    let found = of_id(pid, &shown.to_string());
    let Found::One(identity) = found else { return found };
    // Who may write this file chooses whom a guard with more rights ends.
    let owner = meta.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() && Some(owner) != process::owner(pid) {
        return Found::Trouble(format!("{shown} belongs to user {owner}, and process {pid} does not"));
    }
    if meta.mode() & 0o002 != 0 {
        return Found::Trouble(format!("{shown} can be written by everybody"));
    }
    let written = meta.modified().ok();
    let began = process::age(identity).and_then(|age| SystemTime::now().checked_sub(age));
    if let (Some(written), Some(began)) = (written, began)
        && began > written + GRAIN
    {
        return Found::Nobody(format!("{shown} is older than process {pid}: another process has got its id"));
    }
    if let Some(name) = name
        && !process::names(pid).is_some_and(|names| fits(&names, name))
    {
        return Found::Nobody(format!("process {pid} of {shown} is not `{name}`"));
    }
    found
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
fn fits(names: &Names, wanted: &str) -> bool {
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

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        std::fs::write(&file, text).unwrap();
        (dir, file)
    }

    #[test]
    fn a_pid_file_is_believed_only_where_it_fits() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (_dir, file) = written(&format!("{}\n", child.id()));
        let identity = process::look(child.id()).unwrap().identity;
        assert_eq!(pid_file(&file, None), Found::One(identity));
        assert_eq!(pid_file(&file, Some("sleep")), Found::One(identity));
        assert!(matches!(pid_file(&file, Some("litellm")), Found::Nobody(_)));
        // The process is younger than the file: the id was used again.
        let old = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        assert!(matches!(pid_file(&file, None), Found::Nobody(why) if why.contains("older than process")));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(matches!(pid_file(&file, None), Found::Nobody(_)));
        assert!(matches!(pid_file(Path::new("/nowhere/pid"), None), Found::Nobody(_)));
        for bad in ["", "x", "-1", "99999999999", "12 13"] {
            assert!(matches!(pid_file(&written(bad).1, None), Found::Nobody(_) | Found::Trouble(_)), "{bad}");
        }
        for never in ["0", "1", &std::process::id().to_string()] {
            let (_dir, file) = written(never);
            assert!(
                matches!(pid_file(&file, None), Found::Trouble(why) if why.contains("does not touch")),
                "{never}"
            );
        }
    }

    #[test]
    fn of_several_none_is_chosen() {
        let marks = [format!("{}.5", 3_000 + std::process::id() % 1_000), "77.25".to_owned()];
        let mut children: Vec<_> =
            (0..2).map(|_| std::process::Command::new("sleep").args(&marks).spawn().unwrap()).collect();
        let name = format!("sleep {} {}", marks[0], marks[1]);
        assert!(matches!(by_name(&name), Found::Trouble(why) if why.contains("2 processes are")));
        children[0].kill().unwrap();
        children[0].wait().unwrap();
        assert!(matches!(by_name(&name), Found::One(one) if one.pid == children[1].id()));
        children[1].kill().unwrap();
        children[1].wait().unwrap();
        assert!(matches!(by_name(&name), Found::Nobody(_)));
    }
}
