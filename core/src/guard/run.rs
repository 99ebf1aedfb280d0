//! A command of the configuration: run for a bounded time, its last words kept.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::config::Run;

/// Bytes that are kept of each of its two outputs.
const KEPT: usize = 16 << 10;

/// How long its outputs are read after it has ended: what it left running may hold them for ever.
const REST: Duration = Duration::from_millis(200);

/// What is ours alone: a service manager's words to this process.
const OURS: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// What became of a command.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) is_ok: bool,
    /// How it ended: half a sentence.
    pub(super) how: String,
    pub(super) output: String,
}

/// Runs it, `{pid}` in its words filled in.
pub(super) async fn run(run: &Run, pid: Option<u32>) -> Ran {
    let mut words = Vec::with_capacity(run.words.len());
    for word in &run.words {
        match pid {
            Some(pid) => words.push(word.replace("{pid}", &pid.to_string())),
            None if word.contains("{pid}") => {
                return failed("it was not run: there is no process for its {pid}".to_owned());
            }
            None => words.push(word.clone()),
        }
    }
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    OURS.iter().for_each(|name| {
        command.env_remove(name);
    });
    // A group of its own: all of it can be ended, and a signal to ours does not end it.
    command.process_group(0).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return failed(format!("it cannot be run: {error}")),
    };
    let group = child.id();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = {
        let reading = async { tokio::join!(read(stdout, &mut out), read(stderr, &mut err)) };
        tokio::pin!(reading);
        let mut is_read = false;
        let ended = {
            let waiting = tokio::time::timeout(run.timeout, child.wait());
            tokio::pin!(waiting);
            tokio::select! {
                ended = &mut waiting => ended,
                _ = &mut reading => {
                    is_read = true;
                    waiting.await
                }
            }
        };
        if ended.is_err()
            && let Some(group) = group.and_then(|group| rustix::process::Pid::from_raw(group.cast_signed()))
        {
            // It has not been waited for, so the id is its own.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        if !is_read {
            // At the limit what came is what there is.
            let _ = tokio::time::timeout(REST, reading).await;
        }
        ended
    };
    let mut output = String::from_utf8_lossy(&out).into_owned();
    output.push_str(&String::from_utf8_lossy(&err));
    let (is_ok, how) = match ended {
        Ok(Ok(status)) => (status.success(), how(status)),
        Ok(Err(error)) => (false, format!("it cannot be waited for: {error}")),
        Err(_) => (false, format!("it did not end within {:?} and was killed", run.timeout)),
    };
    Ran { is_ok, how, output }
}

fn failed(how: String) -> Ran {
    Ran { is_ok: false, how, output: String::new() }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => "it ended well".to_owned(),
        (Some(code), _) => format!("it ended with {code}"),
        (_, Some(signal)) => format!("it was ended by signal {signal}"),
        _ => "it ended".to_owned(),
    }
}

/// The first bytes; the rest is read and forgotten, so that the command does not wait for us.
async fn read(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut piece = [0; 4096];
    while let Ok(count) = from.read(&mut piece).await {
        if count == 0 {
            return;
        }
        let room = KEPT.saturating_sub(into.len()).min(count);
        into.extend_from_slice(&piece[..room]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, timeout_ms: u64, pid: Option<u32>) -> Ran {
        let words = ["sh", "-c", script, "sh", "{pid}"].map(str::to_owned);
        let words = if pid.is_some() { words.to_vec() } else { words[..4].to_vec() };
        run(&Run { words, timeout: Duration::from_millis(timeout_ms) }, pid).await
    }

    #[tokio::test]
    async fn it_is_told_the_process_and_its_words_are_kept() {
        let ran = shell("echo of $1; echo bad >&2; exit 3", 30_000, Some(77)).await;
        assert!(!ran.is_ok);
        assert_eq!((&*ran.how, &*ran.output), ("it ended with 3", "of 77\nbad\n"));
        let long = shell("yes | head -c 1000000", 30_000, None).await;
        assert!(long.is_ok && long.output.len() == KEPT, "{}", long.how);
    }

    #[tokio::test]
    async fn it_may_take_no_longer_than_it_may_and_leave_something_running() {
        let ran = shell("echo first; sleep 600 & sleep 600", 300, None).await;
        assert!(ran.how.contains("was killed"), "{}", ran.how);
        assert_eq!(ran.output, "first\n");
        let left = shell("sleep 5 & echo done", 30_000, None).await;
        assert!(left.is_ok);
        assert_eq!(left.output, "done\n");
    }

    #[tokio::test]
    async fn what_cannot_be_run_says_why() {
        let nothing = Run { words: vec!["/nowhere/tidegate".into()], timeout: Duration::from_secs(1) };
        assert!(run(&nothing, None).await.how.contains("cannot be run"));
        let of = Run { words: vec!["echo".into(), "{pid}".into()], timeout: Duration::from_secs(1) };
        assert!(run(&of, None).await.how.contains("no process"));
    }
}
