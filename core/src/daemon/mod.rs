//! `tidegate service`: the files by which systemd or launchd runs this program, and a restart that loses no request.
//!
//! What the files say stands once, in `packaging/`, and works there as it is. Installing puts other paths in, and a last line
//! that tells a file nobody has changed from one that somebody has.

pub mod command;
mod files;
mod launchd;
mod restart;
mod systemd;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::{Manager, ServiceSettings};
use crate::config::{self, ProcessEnv};

/// Time beyond the drain until a service manager may kill: last words, and a machine that is busy.
const SLACK: Duration = Duration::from_secs(30);

/// What differs between one machine and the next.
#[derive(Debug)]
struct Place {
    program: PathBuf,
    config: Option<PathBuf>,
    user: Option<String>,
    /// How long the configuration lets requests finish.
    drain: Option<Duration>,
}

/// A file to install, and where.
#[derive(Debug)]
struct File {
    path: &'static str,
    text: String,
    /// The last line of an installed file is a comment between these.
    comment: (&'static str, &'static str),
}

/// Whose files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Systemd,
    Launchd,
}

impl Whose {
    fn of(manager: Manager) -> Self {
        match (manager.systemd, manager.launchd) {
            (true, _) => Self::Systemd,
            (_, true) => Self::Launchd,
            _ if cfg!(target_os = "macos") => Self::Launchd,
            _ => Self::Systemd,
        }
    }

    /// Every file that may have been installed.
    fn paths(self) -> &'static [(&'static str, (&'static str, &'static str))] {
        match self {
            Self::Systemd => &[(systemd::SERVICE, systemd::COMMENT), (systemd::SOCKET, systemd::COMMENT)],
            Self::Launchd => &[(launchd::PLIST, launchd::COMMENT)],
        }
    }

    /// The folder of the keys.
    fn keys(self) -> &'static str {
        match self {
            Self::Systemd => systemd::KEYS,
            Self::Launchd => launchd::KEYS,
        }
    }

    /// Where the configuration is, if nobody says.
    fn config(self) -> &'static str {
        match self {
            Self::Systemd => systemd::CONFIG,
            Self::Launchd => launchd::CONFIG,
        }
    }

    /// The configuration to look into: the usual one too, but not where another machine's is meant.
    fn read(self, given: Option<&Path>, packaged: bool) -> Option<&Path> {
        given.or((!packaged).then_some(Path::new(self.config())))
    }

    fn files(self, place: &Place, socket: bool) -> Result<Vec<File>, String> {
        match self {
            Self::Systemd => systemd::files(place, socket),
            Self::Launchd => launchd::files(place),
        }
    }
}

impl Place {
    /// `packaged`: for a folder that stands for /, where this program is not what will run.
    fn of(settings: &ServiceSettings, packaged: bool) -> Result<Self, String> {
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()));
        let whose = Whose::of(settings.manager);
        let program = match (&settings.program, packaged) {
            (Some(program), _) => absolute(program)?,
            (None, true) => PathBuf::from(match whose {
                Whose::Systemd => systemd::PROGRAM,
                Whose::Launchd => launchd::PROGRAM,
            }),
            (None, false) => {
                std::env::current_exe().map_err(|error| format!("this program's path: {error}"))?
            }
        };
        let config = settings.config.as_deref().map(absolute).transpose()?;
        let user = settings.user.clone();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if let Some(user) = user.as_deref().filter(|user| user.is_empty() || !user.chars().all(plain)) {
            return Err(format!("\"{user}\" is no name of an account"));
        }
        let drain = whose.read(config.as_deref(), packaged).and_then(drain);
        Ok(Self { program, config, user, drain })
    }

    /// Seconds from the request to end until the service manager kills, if the files' own would be too few.
    fn patience(&self, usual: u64) -> Option<u64> {
        let wanted = (self.drain? + SLACK).as_secs();
        (wanted > usual).then_some(wanted)
    }
}

/// How long the configuration lets requests finish, if it can be read; whether it can is `tidegate check`'s to say.
fn drain(config: &Path) -> Option<Duration> {
    config::load(config, &ProcessEnv).ok().map(|config| config.tidegate.clocks.drain)
}

/// Puts `new` in the place of `old`, which a template has once.
fn put(text: &str, old: &str, new: &str) -> Result<String, String> {
    match text.matches(old).count() {
        0 => Err(format!("the template has no `{old}`")),
        _ => Ok(text.replace(old, new)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_configuration_counts_on_the_machine_that_has_it() {
        for whose in [Whose::Systemd, Whose::Launchd] {
            let given = Path::new("/srv/t.yaml");
            assert_eq!(whose.read(None, false), Some(Path::new(whose.config())));
            assert_eq!(whose.read(None, true), None);
            assert_eq!(
                (whose.read(Some(given), false), whose.read(Some(given), true)),
                (Some(given), Some(given))
            );
        }
    }
}
