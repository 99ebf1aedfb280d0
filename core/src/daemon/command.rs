//! `tidegate service`: what each subcommand does.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::files::{self, Found};
use super::{Place, Whose, launchd, restart};
use crate::cli::{Manager, Service, ServiceSettings, Writing};

/// Runs it. What was done goes to standard output, what was wrong to standard error.
pub fn run(what: Service) -> ExitCode {
    let done = match what {
        Service::Print { settings } => print(&settings),
        Service::Install { settings, writing } => install(&settings, &writing),
        Service::Uninstall { manager, writing } => uninstall(manager, &writing),
        Service::Restart { unit } => restart::restart(&unit),
    };
    match done {
        Ok(said) => {
            // Whoever reads may have seen enough.
            let _ = std::io::stdout().lock().write_all(said.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr().lock(), "tidegate: {}", why.trim_end());
            ExitCode::FAILURE
        }
    }
}

fn print(settings: &ServiceSettings) -> Result<String, String> {
    let files = Whose::of(settings.manager).files(&Place::of(settings, false)?, settings.socket)?;
    // The last one is what was asked for: with --socket, the socket unit.
    files.into_iter().next_back().map(|file| file.text).ok_or_else(|| "there is no file".to_owned())
}

fn install(settings: &ServiceSettings, writing: &Writing) -> Result<String, String> {
    let whose = Whose::of(settings.manager);
    if whose == Whose::Launchd && settings.user.is_none() {
        return Err(format!(
            "launchd has no account for a service alone: name one by --user. {} has to be that account's",
            launchd::KEYS
        ));
    }
    let place = Place::of(settings, writing.root.is_some())?;
    let files = whose.files(&place, settings.socket)?;
    let mut said = String::new();
    // All are looked at before the first is written.
    let mut wanted = Vec::new();
    for file in &files {
        let (path, text) = (under(writing, file.path), files::marked(&file.text, file.comment));
        let found = files::look(&path, file.comment)?;
        if found == Found::Theirs && !writing.force {
            return Err(format!(
                "{} is not as `tidegate service install` wrote it, and is left as it is: --force overwrites it. Changes \
                 of a systemd unit belong to `systemctl edit`, which keeps them",
                path.display()
            ));
        }
        let same = found == Found::Ours && std::fs::read_to_string(&path).is_ok_and(|there| there == text);
        wanted.push((path, text, same));
    }
    for (path, text, same) in &wanted {
        let word = match (same, writing.dry_run) {
            (true, _) => "unchanged",
            (false, true) => "would write",
            (false, false) => {
                files::write(path, text)?;
                "wrote"
            }
        };
        line(&mut said, word, path);
    }
    let keys = under(writing, whose.keys());
    if writing.dry_run {
        if !keys.is_dir() {
            line(&mut said, "would make", &keys);
        }
    } else if files::private_folder(&keys)? {
        line(&mut said, "made", &keys);
    }
    if let Some(mode) = files::open_to_others(&keys) {
        let keys = keys.display();
        // Writing to a String cannot fail.
        let _ = writeln!(
            said,
            "note: {keys} has mode {mode:o}: others may look for keys in it; `chmod 700 {keys}`"
        );
    }
    said.push_str(&left_to_do(whose, &place, settings.socket, writing.root.is_some()));
    Ok(said)
}

fn uninstall(manager: Manager, writing: &Writing) -> Result<String, String> {
    let whose = Whose::of(manager);
    let mut said = String::new();
    let mut kept = Vec::new();
    for (path, comment) in whose.paths() {
        let path = under(writing, path);
        match files::look(&path, *comment)? {
            Found::Nothing => {}
            Found::Theirs if !writing.force => kept.push(path),
            Found::Ours | Found::Theirs if writing.dry_run => line(&mut said, "would remove", &path),
            Found::Ours | Found::Theirs => {
                std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                line(&mut said, "removed", &path);
            }
        }
    }
    let keys = under(writing, whose.keys());
    // A unit that stays has its keys from there.
    if keys.is_dir() && !writing.dry_run && kept.is_empty() {
        // One that has keys in it stays.
        match std::fs::remove_dir(&keys) {
            Ok(()) => line(&mut said, "removed", &keys),
            Err(_) => line(&mut said, "kept, with what is in it,", &keys),
        }
    }
    if said.is_empty() && kept.is_empty() {
        said.push_str("nothing is installed\n");
    } else if writing.root.is_none() && !writing.dry_run && whose == Whose::Systemd {
        said.push_str("now: systemctl daemon-reload\n");
    }
    match kept.as_slice() {
        [] => Ok(said),
        kept => {
            let kept: Vec<String> = kept.iter().map(|path| path.display().to_string()).collect();
            Err(format!(
                "{said}{} is not as it was written, and is kept: --force removes it",
                kept.join(", ")
            ))
        }
    }
}

/// What only the administrator can do, or should see.
fn left_to_do(whose: Whose, place: &Place, socket: bool, packaged: bool) -> String {
    let mut said = String::new();
    let mut say = |text: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(said, "{text}");
    };
    let config = place.config.as_deref().unwrap_or(Path::new(whose.config()));
    for path in [place.program.as_path(), config] {
        if whose == Whose::Systemd && ["/home", "/root", "/tmp"].iter().any(|home| path.starts_with(home)) {
            say(format!(
                "note: the service cannot see {}: the unit hides homes and has a /tmp of its own",
                path.display()
            ));
        }
    }
    if packaged {
        return said;
    }
    if !config.exists() {
        say(format!(
            "note: there is no {} yet; docs/service.md says who must be able to read it",
            config.display()
        ));
    } else if place.drain.is_none() {
        say(format!(
            "note: {0} cannot be read as it is, so its clocks.drain does not count: `tidegate check {0}` says why",
            config.display()
        ));
    }
    say(match (whose, socket) {
        (Whose::Systemd, false) => {
            "now: systemctl daemon-reload && systemctl enable --now tidegate.service".to_owned()
        }
        (Whose::Systemd, true) => {
            "now: systemctl daemon-reload && systemctl enable --now tidegate.socket tidegate.service"
                .to_owned()
        }
        (Whose::Launchd, _) => {
            let account = place.user.as_deref().unwrap_or("ACCOUNT");
            format!(
                "now: sudo chown -R {account} {} && sudo launchctl bootstrap system {}",
                launchd::KEYS,
                launchd::PLIST
            )
        }
    });
    said
}

fn line(said: &mut String, word: &str, path: &Path) {
    // Writing to a String cannot fail.
    let _ = writeln!(said, "{word} {}", path.display());
}

/// A path under the folder that stands for /.
fn under(writing: &Writing, path: &str) -> PathBuf {
    match &writing.root {
        Some(root) => root.join(path.trim_start_matches('/')),
        None => path.into(),
    }
}
