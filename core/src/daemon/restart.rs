//! `tidegate service restart`: SIGUSR2 to the service's main process, and a wait for what comes of it.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::serve::{RESTART_FAILED, SERVING};

/// A little longer than the service itself waits for its successor.
const PATIENCE: Duration = Duration::from_secs(110);

/// How long the new process may take to say that it serves, once it is the service: it does already.
const WORD: Duration = Duration::from_secs(10);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What systemd knows of a service.
#[derive(Debug, PartialEq, Eq)]
struct State {
    /// `None`: it does not run.
    pid: Option<i32>,
    /// What it said of itself.
    status: String,
}

/// Restarts `unit` without downtime. Answers what to say.
///
/// # Errors
/// A sentence: it does not run, or the new process did not come to serve.
#[expect(clippy::disallowed_methods, reason = "a command of its own, which has nothing else to do")]
pub(super) fn restart(unit: &str) -> Result<String, String> {
    let before = ask(unit)?;
    let Some(old) = before.pid else {
        return Err(format!("{unit} does not run; `systemctl start {unit}` starts it"));
    };
    kill(Pid::from_raw(old), Signal::SIGUSR2).map_err(|error| format!("process {old} of {unit}: {error}"))?;
    let until = Instant::now() + PATIENCE;
    let mut named = None;
    while Instant::now() < until {
        std::thread::sleep(LOOK);
        let now = ask(unit)?;
        match now.pid {
            Some(new) if new != old => {
                let since = *named.get_or_insert_with(Instant::now);
                if !now.status.starts_with(SERVING) && since.elapsed() < WORD {
                    continue;
                }
                return Ok(format!(
                    "{unit}: process {new} serves; process {old} finishes the requests that it has\n"
                ));
            }
            None => return Err(format!("{unit} has ended; `journalctl -u {unit}` says why")),
            Some(_) if now.status != before.status && now.status.starts_with(RESTART_FAILED) => {
                return Err(format!("{unit}: {}; `journalctl -u {unit}` has all of it", now.status));
            }
            Some(_) => {}
        }
    }
    Err(format!("{unit}: process {old} still serves after {PATIENCE:?}; `journalctl -u {unit}` may say why"))
}

fn ask(unit: &str) -> Result<State, String> {
    let mut command = Command::new("systemctl");
    command.args(["show", "--property=MainPID", "--property=StatusText", "--", unit]);
    let output = command.output().map_err(|error| format!("systemctl: {error}"))?;
    if !output.status.success() {
        return Err(format!("systemctl: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(state(&String::from_utf8_lossy(&output.stdout)))
}

fn state(shown: &str) -> State {
    let of = |key: &str| shown.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let pid = of("MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid > 1);
    State { pid, status: of("StatusText").unwrap_or_default().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_says_0_where_nothing_runs() {
        let shown = |text| state(text);
        assert_eq!(
            shown("StatusText=Serving; x=1\nMainPID=71\n"),
            State { pid: Some(71), status: "Serving; x=1".into() }
        );
        assert_eq!(shown("MainPID=0\nStatusText=\n"), State { pid: None, status: String::new() });
        // Process 1 is systemd itself: nothing of ours is to be sent there.
        assert_eq!(shown("MainPID=1\n").pid, None);
    }
}
