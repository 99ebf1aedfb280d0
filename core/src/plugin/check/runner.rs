//! A process for each case: started, watched, and ended when it does not move.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use parking_lot::Mutex;

use super::cases::{self, Case};
use super::report::Report;
use super::trail::{self, Line, Step};
use super::verdict::{Finding, Verdict};
use super::{Options, report};

/// Memory of a child. The program itself takes a few hundred MiB of addresses.
const MEMORY: u64 = 2 << 30;

/// CPU seconds of a child: what ends one whose parent is gone.
const CPU_SECONDS: u64 = 300;

/// A call that has used so much CPU and is not back is not coming back.
const STUCK_CPU: Duration = Duration::from_secs(4);

/// Nor is one that has not come back for so long, and has hardly used any.
const STUCK: Duration = Duration::from_secs(20);
const IDLE_CPU: Duration = Duration::from_millis(500);

/// A case that has not ended by then: each of its calls takes too long.
const CASE: Duration = Duration::from_secs(180);

/// What a call must do.
const RETURNS: &str =
    "tidegate.h: 50 us per event, 1 ms per request or decision; no call may block or loop without end";

/// What is kept of a child's standard error.
const WORDS: u64 = 64 * 1024;

/// What a child gives up before it loads a plugin.
///
/// # Errors
/// The system refuses.
pub(super) fn confine() -> Result<(), String> {
    let limits =
        [(Resource::RLIMIT_AS, MEMORY), (Resource::RLIMIT_CPU, CPU_SECONDS), (Resource::RLIMIT_CORE, 0)];
    for (resource, limit) in limits {
        // macOS has no limit of addresses; the others it has.
        let set = setrlimit(resource, limit, limit);
        if cfg!(target_os = "linux") {
            set.map_err(|error| format!("{resource:?} cannot be limited: {error}"))?;
        }
    }
    Ok(())
}

/// Runs the cases that were asked for, some at a time.
pub(super) fn run(options: &Options) -> Result<Report, String> {
    let first = play(&cases::ALL[0], options)?;
    let mut cases = vec![(cases::ALL[0].name, first)];
    // What does not load cannot be called: the rest would say the same in other words.
    if cases[0].1.holds() {
        let wanted =
            |case: &&Case| options.only.is_empty() || options.only.iter().any(|name| name == case.name);
        let rest: Vec<&Case> = cases::ALL[1..].iter().filter(wanted).collect();
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let threads = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(case) = rest.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let verdict = case_in_processes(case, options);
                        done.lock().push((case.name, verdict));
                    }
                });
            }
        });
        for case in rest {
            let mut done = done.lock();
            if let Some(at) = done.iter().position(|(name, _)| *name == case.name) {
                let (name, verdict) = done.swap_remove(at);
                cases.push((name, verdict?));
            }
        }
    }
    Ok(report::Report { file: options.file.clone(), cases })
}

fn case_in_processes(case: &Case, options: &Options) -> Result<Verdict, String> {
    let mut verdict = play(case, options)?;
    let Some(digest) = verdict.digest.clone() else { return Ok(verdict) };
    let again = play(case, options)?;
    if verdict.holds() && again.holds() && again.digest.as_ref() != Some(&digest) {
        verdict.find(Finding {
            called: "request, the functions of streams, classify, decide and pick".to_owned(),
            with: "the same input in two processes".to_owned(),
            came: "other answers".to_owned(),
            asks: "the same: a worker that was restarted is given a stream's input again, and a policy is a pure \
                   function of its history (tidegate.h: `seed`)"
                .to_owned(),
        });
    }
    Ok(verdict)
}

/// One case in one process. An error is ours or the author's, not the plugin's.
fn play(case: &Case, options: &Options) -> Result<Verdict, String> {
    let told = |error: std::io::Error| format!("the process of the case {}: {error}", case.name);
    let mut child = command(case, options).map_err(told)?.spawn().map_err(told)?;
    let (send, lines) = mpsc::channel();
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(format!("the process of the case {} has no pipes", case.name));
    };
    // Both end with the child: what it leaves behind of its own (a process that the plugin started, say) may hold the
    // pipes open, so nobody waits for these threads.
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = trail::read(&String::from_utf8_lossy(&line));
            if line.is_some_and(|line| send.send(line).is_err()) {
                return;
            }
        }
    });
    let (say, words) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.take(WORDS).read_to_end(&mut text);
        let _ = say.send(String::from_utf8_lossy(&text).into_owned());
    });
    let (end, last, verdict) = watch(&mut child, &lines).map_err(told)?;
    if let Some(verdict) = verdict {
        return Ok(*verdict);
    }
    let words = words.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
    if let End::Exit(status) = end
        && status.code() == Some(i32::from(crate::plugin::command::UNUSABLE))
    {
        return Err(words.trim().trim_start_matches("tidegate: ").to_owned());
    }
    let (came, asks) = end.told(&words);
    Ok(Verdict::of(Finding { called: last.called, with: last.with, came, asks: asks.to_owned() }))
}

fn command(case: &Case, options: &Options) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["plugin", "check", "--case", case.name]).arg(&options.file);
    for (flag, file) in [("--config", &options.config), ("--transcript", &options.transcript)] {
        if let Some(file) = file {
            command.arg(flag).arg(file);
        }
    }
    if let Some(framing) = options.framing {
        command.args(["--framing", framing.name()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// How a child ended without a verdict.
enum End {
    Exit(ExitStatus),
    /// It was in one call, busy.
    Spins,
    /// It was in one call, and did nothing.
    Blocks,
    /// It took too long in all.
    Slow,
}

impl End {
    fn told(self, words: &str) -> (String, &'static str) {
        let last_words = words.lines().rev().find(|line| !line.trim().is_empty());
        let said = last_words.map(|line| format!("; it said: {}", line.trim())).unwrap_or_default();
        match self {
            End::Spins => (format!("it did not return within {} s of CPU", STUCK_CPU.as_secs()), RETURNS),
            End::Blocks => (format!("it did not return within {} s", STUCK.as_secs()), RETURNS),
            End::Slow => (format!("the case was not through after {} s", CASE.as_secs()), RETURNS),
            End::Exit(status) => {
                let signal = status.signal().and_then(|number| Signal::try_from(number).ok());
                let how = match (signal, status.code()) {
                    (Some(signal), _) => format!("the process died of {signal:?}"),
                    (None, code) => format!("the process ended with exit code {}", code.unwrap_or(-1)),
                };
                (
                    how + &said,
                    "a call that comes back: a plugin must not crash, abort or end the process it is loaded into",
                )
            }
        }
    }
}

/// Follows a child to its end: how it ended, what it was about to call last, and its verdict.
fn watch(
    child: &mut Child,
    lines: &mpsc::Receiver<Line>,
) -> std::io::Result<(End, Step, Option<Box<Verdict>>)> {
    let started = Instant::now();
    let mut last = Step { called: "the loader".to_owned(), with: "the plugin's file".to_owned() };
    let (mut moved, mut moved_cpu) = (started, Duration::ZERO);
    let mut verdict = None;
    let end = loop {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(Line::Step(step)) => {
                last = step;
                (moved, moved_cpu) = (Instant::now(), cpu(child.id()).unwrap_or_default());
                continue;
            }
            Ok(Line::Verdict(found)) => {
                verdict = Some(found);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // The pipe is closed: the child is at its end, or the plugin closed it.
            Err(RecvTimeoutError::Disconnected) => std::thread::park_timeout(Duration::from_millis(20)),
        }
        if let Some(status) = child.try_wait()? {
            break End::Exit(status);
        }
        // Where the system does not say how much CPU was used, time counts alone.
        let used = cpu(child.id()).map(|used| used.saturating_sub(moved_cpu));
        if used.is_some_and(|used| used > STUCK_CPU) {
            break End::Spins;
        }
        if moved.elapsed() > STUCK && used.is_none_or(|used| used < IDLE_CPU) {
            break End::Blocks;
        }
        if started.elapsed() > CASE {
            break End::Slow;
        }
    };
    if !matches!(end, End::Exit(_)) {
        child.kill()?;
        child.wait()?;
    }
    // What it said last may still be on its way.
    while let Ok(line) = lines.recv_timeout(Duration::from_millis(100)) {
        match line {
            Line::Step(step) => last = step,
            Line::Verdict(found) => verdict = Some(found),
        }
    }
    // A verdict does not count when the process did not end by itself after it: destructors are the plugin's code too.
    let verdict = verdict.filter(|_| matches!(end, End::Exit(status) if status.success()));
    Ok((end, last, verdict))
}

/// The CPU time that a process has used.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn cpu(pid: u32) -> Option<Duration> {
    let pid = i32::try_from(pid).ok()?;
    // How the kernel's ABI spells "the CPU clock of this process" (posix-timers: CPUCLOCK_SCHED).
    let time = nix::time::ClockId::from_raw((!pid << 3) | 2).now().ok()?;
    Some(Duration::from(time))
}

/// There is no such clock here: only time counts.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn cpu(_pid: u32) -> Option<Duration> {
    None
}
