//! An entry of `guard:` in words, for `tidegate check`: what will be done, and who has to do the rest.

use std::fmt;

use super::guard::{Action, Guard, GuardMode, Run, Target};
use crate::config::units::show;

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let probe = &self.probe;
        writeln!(f, "guard {}: {}", self.name, Subject(self.target.as_ref()))?;
        writeln!(
            f,
            "  asks     {} every {}, and waits {} for all of a {}",
            probe.shown(),
            show(probe.every),
            show(probe.timeout),
            probe.status
        )?;
        let first = show(probe.every * (probe.misses - 1) + probe.timeout);
        writeln!(
            f,
            "  acts     after {} misses in a row, at most {first} from the first one's begin; never for CPU alone",
            probe.misses
        )?;
        if let Some(before) = &self.before {
            writeln!(f, "  before   {before}; what it writes is kept in the incident")?;
        }
        match &self.action {
            _ if self.mode == GuardMode::Observe => {
                writeln!(f, "  does     nothing but say what it would do (mode: observe)")?;
            }
            Action::Command(run) => {
                writeln!(f, "  does     {run}")?;
            }
            Action::Terminate { grace, restart } => {
                writeln!(f, "  does     SIGTERM; SIGKILL to it and its children after {}", show(*grace))?;
                match (restart, &self.target) {
                    (Some(run), _) => writeln!(f, "  restarts {run}")?,
                    (None, Some(Target::Unit { name, .. })) => writeln!(
                        f,
                        "  restarts nothing: {name} needs Restart=always, since a process that heeds SIGTERM ends well"
                    )?,
                    (None, _) => writeln!(f, "  restarts nothing: whoever started it must start it again")?,
                }
            }
        }
        let (backoff, grace) = (&self.backoff, show(self.start_grace));
        writeln!(
            f,
            "  then     gives it {grace} to come up; acts again after {} or later, twice as long each time up to {}",
            show(backoff.first),
            show(backoff.longest)
        )?;
        writeln!(
            f,
            "  gives up after {} within {}, and goes on asking",
            match backoff.give_up {
                1 => "1 action".to_owned(),
                count => format!("{count} actions"),
            },
            show(backoff.window)
        )
    }
}

struct Subject<'a>(Option<&'a Target>);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("no process is named; the command knows"),
            Some(Target::Unit { name, user: false }) => write!(f, "the main process of {name}"),
            Some(Target::Unit { name, user: true }) => {
                write!(f, "the main process of {name}, of this user's systemd")
            }
            Some(Target::PidFile(file, None)) => write!(f, "the process that {} names", file.display()),
            Some(Target::PidFile(file, Some(name))) => {
                write!(f, "the process that {} names, if it is `{name}`", file.display())
            }
            Some(Target::Process(name)) => write!(f, "the one process `{name}`"),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "runs `{}`, for at most {}", self.words.join(" "), show(self.timeout))
    }
}
