//! One guard: asks, looks, judges and acts, one round after the other.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tidegate_watchdog::{Kind, Report, Watchdog};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::judge::{Class, Heard, Judge, Step};
use super::lag::Lag;
use super::probe::{self, Answer};
use super::process::{self, Cpu, Handle, Share};
use super::shown::{Shown, State};
use super::story::Story;
use super::target::{Finder, Found};
use super::terminate::terminate;
use super::{kinds, run};
use crate::config::{Guard, GuardAction, GuardMode, Run};
use crate::metrics::GuardSeries;

/// What all guards use.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) watchdog: Watchdog,
    pub(super) lag: Lag,
}

pub(super) struct Watch {
    guard: Guard,
    means: Means,
    series: GuardSeries,
    shown: Arc<Mutex<Shown>>,
    judge: Judge,
    story: Story,
    finder: Finder,
    held: Option<Handle>,
    /// Why there is none, if that is no reason to act.
    trouble: Option<String>,
    /// The tree's CPU before the first of the misses in a row.
    before: Option<Cpu>,
    /// Its CPU after the last probe.
    last: Option<Cpu>,
    /// What is so was said already: once for each time that it hangs.
    said: bool,
    /// When something was done, until it answers again.
    acted: Option<Instant>,
}

/// What was done, in a word of the metric, and for people.
struct Done {
    word: &'static str,
    what: String,
}

impl Watch {
    pub(super) fn new(guard: Guard, means: Means, series: GuardSeries, shown: Arc<Mutex<Shown>>) -> Self {
        let judge = Judge::new(&guard);
        Self {
            guard,
            means,
            series,
            shown,
            judge,
            story: Story::default(),
            finder: Finder::default(),
            held: None,
            trouble: None,
            before: None,
            last: None,
            said: false,
            acted: None,
        }
    }

    /// Until it is told to stop; never in the middle of a round.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut rounds = tokio::time::interval(self.guard.probe.every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Where both are so, no round begins.
                biased;
                _ = stop.changed() => return,
                _ = rounds.tick() => self.round().await,
            }
        }
    }

    async fn round(&mut self) {
        self.locate().await;
        let start = self.cpu().await;
        if self.judge.streak() == 0 {
            self.before = start.clone();
        }
        let (answer, took) = self.ask().await;
        let end = self.cpu().await;
        let now = Instant::now();
        let share = |since: &Option<Cpu>| end.as_ref()?.since(since.as_ref()?);
        // A probe that is answered at once is too short to tell.
        let cpu = share(&start).or_else(|| share(&self.last)).unwrap_or_default().cores;
        let over = share(&self.before).unwrap_or_default();
        self.last = end;
        self.series.probed(answer.word(), took, cpu);
        let heard = match answer {
            Answer::Ok => Heard::Answer,
            Answer::Starved => Heard::Nothing,
            _ => Heard::Miss,
        };
        if heard != Heard::Answer {
            self.story.tell(format!("{}; CPU {:.0} % of a core", answer.say(&self.guard.probe), 100.0 * cpu));
        }
        let step = self.judge.hear(now, heard);
        self.show(step, answer, took, cpu);
        match step {
            Step::Healthy => {
                if self.acted.is_some() {
                    // What was started in this round was not there when it began.
                    self.locate().await;
                }
                self.well();
            }
            Step::Act => self.due(over).await,
            Step::GiveUp => self.give_up(),
            Step::Loading | Step::Missed(_) | Step::Pausing | Step::GivenUp | Step::Unclear => {}
        }
    }

    async fn ask(&self) -> (Answer, Duration) {
        let began = Instant::now();
        let (answer, took) = probe::ask(&self.guard.probe).await;
        let late = self.means.lag.worst_since(began);
        // A refusal and a wrong status are what they are, however late they are seen.
        if answer == Answer::Timeout && late > probe::tolerated(self.guard.probe.timeout) {
            return (Answer::Starved, took);
        }
        (answer, took)
    }

    /// The process that this is about now.
    async fn locate(&mut self) {
        let Some(target) = &self.guard.target else { return };
        if self.held.as_ref().is_some_and(Handle::is_alive) {
            return;
        }
        if let Some(gone) = self.held.take() {
            self.story.tell(format!("process {} is gone", gone.identity.pid));
        }
        self.trouble = None;
        match self.finder.find(target).await {
            Found::One(identity) => {
                self.held = Handle::open(identity);
                let age = process::age(identity).unwrap_or_default();
                if self.judge.meet(Instant::now(), identity, age) {
                    self.said = false;
                    self.story.tell(format!("process {} is there, {age:.1?} old", identity.pid));
                }
            }
            Found::Nobody(why) => tracing::debug!(guard = %self.guard.name, "{why}"),
            Found::Trouble(why) => {
                if self.shown.lock().trouble.as_ref() != Some(&why) {
                    tracing::warn!(guard = %self.guard.name, "{why}");
                }
                self.trouble = Some(why);
            }
        }
    }

    /// The table of processes is read on another thread: this one's lateness is a measure.
    async fn cpu(&self) -> Option<Cpu> {
        let root = self.held.as_ref()?.identity;
        tokio::task::spawn_blocking(move || Cpu::of(root)).await.ok()
    }

    fn show(&self, step: Step, answer: Answer, took: Duration, cpu: f64) {
        let pid = self.held.as_ref().map(|held| held.identity.pid);
        let is_found = pid.is_some() || self.guard.target.is_none();
        self.series.state(step == Step::Healthy, is_found, self.judge.has_given_up());
        let mut shown = self.shown.lock();
        shown.pid = pid;
        shown.trouble.clone_from(&self.trouble);
        shown.cpu = cpu;
        shown.misses = self.judge.streak();
        shown.answer = Some((answer.word(), took.as_secs_f64()));
        let state = match step {
            _ if self.judge.has_given_up() && step != Step::Healthy => State::GivenUp,
            Step::Healthy => State::Healthy,
            Step::Loading => State::Loading,
            Step::Missed(_) => State::Missing,
            Step::Act | Step::Pausing | Step::GiveUp | Step::GivenUp => State::Hung,
            Step::Unclear => shown.state(),
        };
        shown.become_(state);
    }

    /// It answers. If something had been done, that is the end of its story.
    fn well(&mut self) {
        if let Some(acted) = self.acted.take() {
            let pid = self
                .held
                .as_ref()
                .map(|held| format!(", as process {}", held.identity.pid))
                .unwrap_or_default();
            let down = self.story.began().map_or(Duration::ZERO, |began| began.elapsed());
            let sentence = format!(
                "{} answers again{pid}, {:.1} s after something was done and {:.1} s after its first miss",
                self.guard.name,
                acted.elapsed().as_secs_f64(),
                down.as_secs_f64()
            );
            self.story.tell("answered");
            self.report(self.story.report(kinds::RECOVERED, sentence));
        }
        self.story.clear();
        self.said = false;
    }

    /// It has missed often enough.
    async fn due(&mut self, cpu: Share) {
        let class = match (&self.guard.target, &self.held) {
            (None, _) => Class::Unknown,
            (_, Some(_)) => Class::of(cpu),
            _ => Class::Gone,
        };
        let who = self.who();
        let percent = 100.0 * cpu.cores;
        let found = match class {
            Class::Spin if cpu.cores < cpu.wanted => {
                format!("{who} answers nobody and takes all the CPU that it gets, {percent:.0} % of a core")
            }
            Class::Spin => format!("{who} answers nobody and keeps {percent:.0} % of a core busy"),
            Class::Blocked => format!("{who} answers nobody and uses {percent:.0} % of a core"),
            Class::Gone => format!("{} is gone", self.guard.name),
            Class::Unknown => format!("{} answers nobody", self.guard.name),
        };
        if let Some(why) = &self.trouble {
            let sentence = format!("{} answers nobody, and nothing can be done: {why}", self.guard.name);
            return self.say_once(class, "failed", kinds::FAILED, sentence);
        }
        if self.guard.mode == GuardMode::Observe {
            let sentence = format!("{found}; in mode observe nothing is done");
            return self.say_once(class, "observe", kinds::OBSERVED, sentence);
        }
        if class == Class::Gone && matches!(self.guard.action, GuardAction::Terminate { restart: None, .. }) {
            let sentence = format!("{found}, and it is not this guard's to start it");
            return self.say_once(class, "wait", kinds::GONE, sentence);
        }
        self.shown.lock().become_(State::Acting);
        if !self.is_still_so().await {
            return;
        }
        let Some(diagnosis) = self.diagnose().await else { return };
        let done = self.act(class).await;
        let now = Instant::now();
        self.judge.acted(now);
        self.acted = Some(now);
        self.count(class, done.word);
        let kind = if done.word == "failed" { kinds::FAILED } else { kinds::ACTED };
        let actions = self.judge.actions(now);
        {
            let mut shown = self.shown.lock();
            shown.become_(if done.word == "failed" { State::Hung } else { State::Loading });
            shown.last = Some((SystemTime::now(), done.what.clone()));
            shown.actions = actions;
        }
        let sentence = format!("{found}: {}", done.what);
        let report = self.story.report(kind, sentence).counter("actions", actions.into());
        self.report(match diagnosis {
            Some(text) => report.detail(text),
            None => report,
        });
    }

    /// Looks once more which process it is. Another one than the one that missed is none of this, and so is one that came up
    /// where there was none.
    async fn is_still_so(&mut self) -> bool {
        let Some(target) = &self.guard.target else { return true };
        let held = self.held.as_ref().map(|held| held.identity);
        let why = match (held, self.finder.find(target).await) {
            (Some(held), Found::One(now)) if held == now => return true,
            (None, Found::Nobody(_)) => return true,
            (Some(held), _) => format!("process {} is not the one any more: nothing is done to it", held.pid),
            (None, Found::One(now)) => format!("process {} has come up: nothing is done", now.pid),
            (None, Found::Trouble(why)) => format!("nothing is done: {why}"),
        };
        tracing::info!(guard = %self.guard.name, "{why}");
        self.story.tell(why);
        // Found anew in the next round.
        self.held = None;
        false
    }

    /// Runs the diagnosis and asks once more after it, since it takes its time. `None`: it answered.
    async fn diagnose(&mut self) -> Option<Option<String>> {
        let (Some(before), Some(held)) = (self.guard.before.clone(), &self.held) else { return Some(None) };
        let ran = run::run(&before, Some(held.identity.pid)).await;
        self.story.tell(format!("{}: {}", before.shown(), ran.how));
        let (answer, took) = self.ask().await;
        self.series.probed(answer.word(), took, 0.0);
        if answer == Answer::Ok {
            self.story.tell("it answered before anything was done to it");
            self.judge.hear(Instant::now(), Heard::Answer);
            self.shown.lock().become_(State::Healthy);
            tracing::info!(guard = %self.guard.name, "it answered before anything was done to it");
            return None;
        }
        Some(Some(ran.output))
    }

    async fn act(&mut self, class: Class) -> Done {
        let pid = self.held.as_ref().map(|held| held.identity.pid);
        match self.guard.action.clone() {
            GuardAction::Command(run) => self.command("command", &run, pid).await,
            GuardAction::Terminate { restart: Some(run), .. } if class == Class::Gone => {
                self.command("restart", &run, None).await
            }
            GuardAction::Terminate { grace, restart } => {
                let Some(held) = self.held.take() else {
                    return Done { word: "failed", what: "there is no process".to_owned() };
                };
                tracing::warn!(guard = %self.guard.name, pid = held.identity.pid, "SIGTERM");
                self.story.tell(format!("SIGTERM to {}", held.identity.pid));
                let end = terminate(&held, grace).await;
                let (word, what) = (end.word(), end.say(grace));
                self.story.tell(what.clone());
                if !end.is_gone {
                    self.held = Some(held);
                    return Done { word, what };
                }
                let Some(run) = restart else { return Done { word, what } };
                let started = self.command(word, &run, None).await;
                Done { word: started.word, what: format!("{what}; {}", started.what) }
            }
        }
    }

    async fn command(&mut self, word: &'static str, command: &Run, pid: Option<u32>) -> Done {
        let program = command.shown();
        tracing::warn!(guard = %self.guard.name, "running {program}");
        let ran = run::run(command, pid).await;
        let what = format!("`{program}`: {}", ran.how);
        self.story.tell(what.clone());
        for said in ran.output.lines().take(5) {
            self.story.tell(format!("  {said}"));
        }
        Done { word: if ran.is_ok { word } else { "failed" }, what }
    }

    fn give_up(&mut self) {
        let backoff = self.guard.backoff;
        let sentence = format!(
            "{} hangs again after {} actions within {:?}: nothing more is done until it has been well for as long, or the \
             configuration changes",
            self.who(),
            backoff.give_up,
            backoff.window
        );
        self.report(self.story.report(kinds::GAVE_UP, sentence));
    }

    fn say_once(&mut self, class: Class, word: &'static str, kind: Kind, sentence: String) {
        if !std::mem::replace(&mut self.said, true) {
            self.count(class, word);
            self.report(self.story.report(kind, sentence));
        }
    }

    fn count(&self, class: Class, word: &str) {
        self.series.acted(class.word(), word);
    }

    fn report(&self, report: Report) {
        self.means.watchdog.report(report);
    }

    fn who(&self) -> String {
        match &self.held {
            Some(held) => format!("{} (process {})", self.guard.name, held.identity.pid),
            None => self.guard.name.clone(),
        }
    }
}
