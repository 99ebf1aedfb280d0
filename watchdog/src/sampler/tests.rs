//! The sampler on a mock clock: the test thread is the worker, and ticks happen inside its polls.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use parking_lot::Mutex;
use quanta::{Clock, Mock};

use super::*;
use crate::config::{Config, Mode};
use crate::dump::Dump;
use crate::incident::{Action, Rule};
use crate::incident::{Incident, Labels};
use crate::journal::Journal;
use crate::probe::Probe;
use crate::record::Cold;
use crate::report::{Kind, Report};
use crate::ticks::Ticks;
use crate::{Hooks, Kill, plugin_enter};

const MS: Duration = Duration::from_millis(1);
const TICK: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Log {
    pokes: AtomicUsize,
    verdicts: Mutex<Vec<Incident>>,
    reports: Mutex<Vec<Incident>>,
    warnings: Mutex<Vec<Incident>>,
    /// What was asked for beyond verdicts, in order.
    asked: Mutex<Vec<String>>,
    /// Threads cannot be raised again.
    unprivileged: AtomicBool,
}

struct LogHooks(Arc<Log>);

impl Hooks for LogHooks {
    fn poke(&self) {
        self.0.pokes.fetch_add(1, Relaxed);
    }
    fn incident(&self, incident: &Arc<Incident>) {
        let log = if incident.verdict.is_some() { &self.0.verdicts } else { &self.0.reports };
        log.lock().push(Incident::clone(incident));
    }
    fn warn(&self, incident: &Incident) {
        self.0.warnings.lock().push(incident.clone());
    }
    fn demote(&self, _: i32) -> bool {
        self.0.asked.lock().push("demote".to_owned());
        true
    }
    fn raise(&self, _: i32) -> bool {
        self.0.asked.lock().push("raise".to_owned());
        !self.0.unprivileged.load(Relaxed)
    }
    fn take_over(&self) {
        self.0.asked.lock().push("take over".to_owned());
    }
    fn give_up(&self, dump: &Dump) {
        let stuck = dump.workers.iter().filter(|worker| !worker.wall.is_zero()).count();
        self.0.asked.lock().push(format!("give up: {stuck} stuck, {} streams", dump.streams.len()));
    }
}

#[derive(Default)]
struct Socket(AtomicUsize);

impl Kill for Socket {
    fn shut(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A watchdog whose time passes only when told. `cpu` is the clock of the one worker: the thread that made it.
struct Bench {
    shared: Arc<Shared>,
    sampler: Sampler,
    time: Arc<Mock>,
    cpu: Arc<AtomicU64>,
    log: Arc<Log>,
    _hooks: Arc<dyn Hooks>,
}

impl Bench {
    fn new(mode: Mode) -> Self {
        Self::with(Config { mode, slots: 512, ..Config::default() })
    }

    fn with(config: Config) -> Self {
        Self::hooked(config, |log| Arc::new(LogHooks(log)))
    }

    fn hooked(config: Config, hooks: impl FnOnce(Arc<Log>) -> Arc<dyn Hooks>) -> Self {
        let (clock, time) = Clock::mock();
        time.increment(1_000_000_u64);
        let log = Arc::new(Log::default());
        let hooks = hooks(Arc::clone(&log));
        let shared = Shared::new(config, Ticks::with(clock), Arc::downgrade(&hooks));
        shared.workers.register(1);
        let ladder = Ladder::new(Arc::clone(&shared));
        let cpu = Arc::new(AtomicU64::new(0));
        let reader = Arc::clone(&cpu);
        let sampler =
            Sampler::new(Arc::clone(&shared), ladder, Box::new(move |_, _| Some(reader.load(Relaxed))));
        Self { shared, sampler, time, cpu, log, _hooks: hooks }
    }

    fn open(&self, request: &str, kill: Option<Weak<dyn Kill>>) -> Probe {
        let labels = Labels { group: "gpt".into(), client: request.into(), ..Labels::default() };
        let opened_at = self.shared.ticks.now();
        let cold =
            Cold { labels, deployment: None, kill, opened_at, journal: Journal::default(), condemned: None };
        let stream = self.shared.slab.open(cold);
        assert!(stream.is_some());
        Probe::new(Arc::clone(&self.shared), stream)
    }

    /// Lets time and the worker's CPU clock go on, without a tick.
    fn pass(&self, wall: Duration, cpu: Duration) {
        self.time.increment(wall);
        self.cpu.fetch_add(nanos(cpu), Relaxed);
    }

    /// One tick later, the worker having used `cpu`.
    fn tick(&mut self, cpu: Duration) {
        self.pass(TICK, cpu);
        self.sampler.tick();
    }

    fn ticks(&mut self, wall: Duration, cpu_per_tick: Duration) {
        for _ in 0..wall.as_millis() / TICK.as_millis() {
            self.tick(cpu_per_tick);
        }
    }

    /// A poll that takes `wall`, all of it CPU if `spins`.
    fn stuck_poll(&mut self, probe: &Probe, wall: Duration, spins: bool) {
        probe.poll(|| self.ticks(wall, if spins { TICK } else { Duration::ZERO }));
    }

    /// Short polls without progress, `per_tick` in each tick, for `wall`.
    fn spin(&mut self, probe: &Probe, wall: Duration, per_tick: u32) {
        for _ in 0..wall.as_millis() / TICK.as_millis() {
            for _ in 0..per_tick {
                probe.poll(|| ());
            }
            self.tick(Duration::ZERO);
        }
    }

    fn verdicts(&self) -> Vec<(Rule, Action)> {
        let log = self.log.verdicts.lock();
        log.iter().filter_map(|incident| incident.verdict.as_ref()).map(|v| (v.rule, v.action)).collect()
    }
}

#[test]
fn a_spin_over_the_threshold_is_aborted_and_its_socket_shut() {
    let mut bench = Bench::new(Mode::Enforce);
    let socket = Arc::new(Socket::default());
    let weak: Weak<dyn Kill> = Arc::<Socket>::downgrade(&socket);
    let probe = bench.open("a", Some(weak));
    let neighbour = bench.open("b", None);
    bench.shared.plugins.name(3, "gemini");
    probe.poll(|| {
        let _plugin = plugin_enter(3);
        bench.ticks(1_100 * MS, TICK);
    });
    assert_eq!(bench.verdicts(), [(Rule::StuckPoll, Action::Shut)]);
    assert_eq!(socket.0.load(Relaxed), 1);
    assert_eq!(probe.verdict(), Some(Rule::StuckPoll));
    assert_eq!(neighbour.verdict(), None);
    let incident = bench.log.verdicts.lock()[0].clone();
    assert_eq!(incident.plugin.as_deref(), Some("gemini"));
    let verdict = incident.verdict.as_ref().unwrap();
    assert_eq!(verdict.stream.as_ref().map(|s| &*s.labels.client), Some("a"));
    assert!(verdict.poll.is_some_and(|poll| poll.cpu >= 1_000 * MS));
    assert!(incident.to_string().contains("in plugin gemini"), "{incident}");
    assert_eq!(bench.shared.incidents.list().len(), 2, "the verdict, and the plugin's quarantine");
    let stats = bench.shared.stats();
    assert_eq!(stats.plugin_stuck, [("gemini".into(), 1)]);
    assert!(stats.worker_stuck >= 900 * MS, "{:?}", stats.worker_stuck);
    assert_eq!((stats.stuck_workers, stats.stuck_plugin.as_deref()), (1, Some("gemini")));
    bench.tick(Duration::ZERO);
    assert_eq!(bench.shared.stats().stuck_workers, 0);
}

#[test]
fn a_spin_under_the_threshold_is_warned_about_once_and_a_short_one_is_not_seen() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    bench.stuck_poll(&probe, 90 * MS, true);
    assert_eq!(bench.log.warnings.lock().len(), 0);
    bench.tick(Duration::ZERO);
    bench.stuck_poll(&probe, 900 * MS, true);
    assert_eq!(bench.log.warnings.lock().len(), 1);
    assert_eq!(bench.verdicts(), []);
    assert_eq!(probe.verdict(), None);
}

#[test]
fn many_short_polls_are_not_one_long_one() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    for _ in 0..500 {
        // Every tick falls into a poll, and the worker is never idle.
        probe.poll(|| {
            bench.tick(TICK);
            probe.progress(1);
        });
    }
    assert_eq!(bench.verdicts(), []);
    assert_eq!(bench.log.warnings.lock().len(), 0);
    assert_eq!(bench.log.pokes.load(Relaxed), 0);
}

#[test]
fn a_blocked_poll_is_left_alone_for_ten_seconds() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    bench.stuck_poll(&probe, 9_900 * MS, false);
    assert_eq!(bench.verdicts(), []);
    bench.tick(Duration::ZERO);
    bench.stuck_poll(&probe, 10_100 * MS, false);
    assert_eq!(bench.verdicts(), [(Rule::StuckPoll, Action::Aborted)]);
}

#[test]
fn r1_ends_a_stream_that_is_polled_for_nothing() {
    let mut bench = Bench::new(Mode::Enforce);
    let socket = Arc::new(Socket::default());
    let weak: Weak<dyn Kill> = Arc::<Socket>::downgrade(&socket);
    let probe = bench.open("a", Some(weak));
    let healthy = bench.open("b", None);
    for _ in 0..100 {
        probe.poll(|| ());
        healthy.poll(|| ());
        healthy.poll(|| healthy.progress(10));
        bench.spin(&probe, TICK, 100);
    }
    assert_eq!(bench.verdicts(), [(Rule::NoProgress, Action::Aborted)]);
    assert_eq!((probe.verdict(), healthy.verdict()), (Some(Rule::NoProgress), None));
    assert_eq!(socket.0.load(Relaxed), 0, "it needs its socket for the terminal error");
}

#[test]
fn r1_spares_a_stream_that_makes_progress_at_last() {
    for progress in [
        |p: &Probe| p.progress(1),
        |p: &Probe| p.phase(crate::Phase::Connecting),
        |p: &Probe| {
            p.moved();
        },
    ] {
        let mut bench = Bench::new(Mode::Enforce);
        let probe = bench.open("a", None);
        for _ in 0..20 {
            bench.spin(&probe, 400 * MS, 500);
            probe.poll(|| progress(&probe));
        }
        assert_eq!(bench.verdicts(), []);
    }
}

#[test]
fn bytes_that_bring_the_client_nothing_do_not_excuse_cpu() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    for _ in 0..40 {
        probe.poll(|| {
            bench.ticks(50 * MS, TICK);
            probe.moved();
        });
    }
    assert_eq!(bench.verdicts(), [(Rule::Cpu, Action::Aborted)]);
}

#[test]
fn phases_that_spend_nothing_are_no_progress() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    for _ in 0..100 {
        for phase in [crate::Phase::Deciding, crate::Phase::Backoff, crate::Phase::Waiting] {
            probe.poll(|| probe.phase(phase));
        }
        bench.spin(&probe, TICK, 20);
    }
    assert_eq!(bench.verdicts(), [(Rule::NoProgress, Action::Aborted)]);
}

#[test]
fn r2_ends_a_slow_spinner_by_cpu_and_not_by_time() {
    for (cpu, expected) in
        [(10 * MS, vec![(Rule::Cpu, Action::Aborted)]), (Duration::from_micros(900), vec![])]
    {
        let mut bench = Bench::new(Mode::Enforce);
        let probe = bench.open("a", None);
        // 4 s in 80 polls of 50 ms: far too few for R1, each too short for R4.
        for _ in 0..80 {
            probe.poll(|| bench.ticks(50 * MS, cpu));
        }
        assert_eq!(bench.verdicts(), expected);
    }
}

#[test]
fn a_stream_is_condemned_once() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    // Its one long poll returned at last; by its busy time it would now be R2's as well.
    bench.stuck_poll(&probe, 1_500 * MS, true);
    bench.ticks(1_000 * MS, Duration::ZERO);
    assert_eq!(bench.verdicts(), [(Rule::StuckPoll, Action::Aborted)]);
}

#[test]
fn observing_counts_and_touches_nothing() {
    let mut bench = Bench::new(Mode::Observe);
    let socket = Arc::new(Socket::default());
    let weak: Weak<dyn Kill> = Arc::<Socket>::downgrade(&socket);
    let probe = bench.open("a", Some(weak));
    bench.stuck_poll(&probe, 1_500 * MS, true);
    probe.poll(|| probe.progress(1));
    bench.spin(&probe, 2_000 * MS, 500);
    let verdicts = bench.verdicts();
    assert!(verdicts.contains(&(Rule::StuckPoll, Action::Observed)));
    assert!(verdicts.contains(&(Rule::NoProgress, Action::Observed)));
    assert_eq!(verdicts.len(), 2, "each only once: {verdicts:?}");
    assert_eq!((probe.verdict(), socket.0.load(Relaxed)), (None, 0));
}

/// Runs `streams` runaways at once and answers how many were aborted.
fn abort_all(bench: &mut Bench, streams: usize) -> usize {
    let probes: Vec<_> = (0..streams).map(|n| bench.open(&n.to_string(), None)).collect();
    for _ in 0..150 {
        for probe in &probes {
            for _ in 0..20 {
                probe.poll(|| ());
            }
        }
        bench.tick(Duration::ZERO);
    }
    probes.iter().filter(|probe| probe.verdict().is_some()).count()
}

#[test]
fn the_brake_lets_five_go_and_counts_the_others_once() {
    let mut bench = Bench::new(Mode::Enforce);
    assert_eq!(abort_all(&mut bench, 8), 5);
    let stats = bench.shared.stats();
    assert_eq!((stats.verdict(Rule::NoProgress, Action::Aborted), stats.braked), (5, 3));
    assert_eq!(bench.log.verdicts.lock().len(), 8);
}

#[test]
fn the_brake_follows_the_number_of_streams() {
    let mut bench = Bench::new(Mode::Enforce);
    let healthy: Vec<_> = (0..192).map(|n| bench.open(&n.to_string(), None)).collect();
    assert_eq!(abort_all(&mut bench, 8), 8);
    drop(healthy);
    let mut config = Config::default();
    config.rules.brake.per_minute = usize::MAX;
    assert_eq!(abort_all(&mut Bench::with(config), 8), 8, "a mutant without a brake aborts all");
}

#[test]
fn what_the_brake_held_back_is_aborted_when_it_lets_go() {
    let mut bench = Bench::new(Mode::Enforce);
    abort_all(&mut bench, 5);
    let probe = bench.open("late", None);
    bench.spin(&probe, 5_000 * MS, 20);
    assert_eq!(probe.verdict(), None);
    bench.spin(&probe, 60_000 * MS, 20);
    assert_eq!(probe.verdict(), Some(Rule::NoProgress));
}

#[test]
fn a_pause_of_the_whole_process_makes_no_poll_older() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    probe.poll(|| {
        bench.ticks(50 * MS, Duration::ZERO);
        for _ in 0..5 {
            bench.pass(Duration::from_secs(3_600), Duration::ZERO);
            bench.sampler.tick();
            bench.ticks(20 * MS, Duration::ZERO);
        }
    });
    assert_eq!(bench.verdicts(), []);
    assert_eq!(bench.log.warnings.lock().len(), 0, "240 ms were seen");
    let stats = bench.shared.stats();
    assert_eq!(stats.skipped_ticks, 5);
    assert!(stats.tick_lag_max >= Duration::from_secs(3_599));
}

#[test]
fn a_machine_that_is_always_late_is_watched_all_the_same() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    probe.poll(|| {
        for _ in 0..40 {
            bench.pass(100 * MS, 90 * MS);
            bench.sampler.tick();
        }
    });
    assert_eq!(bench.verdicts(), [(Rule::StuckPoll, Action::Aborted)]);
}

#[test]
fn a_stuck_worker_is_poked_for_but_not_too_often() {
    let mut bench = Bench::new(Mode::Observe);
    let probe = bench.open("a", None);
    bench.stuck_poll(&probe, 20 * MS, true);
    assert_eq!(bench.log.pokes.load(Relaxed), 0);
    bench.tick(Duration::ZERO);
    bench.stuck_poll(&probe, 520 * MS, true);
    assert_eq!(bench.log.pokes.load(Relaxed), 10);
    assert_eq!(bench.shared.stats().pokes, 10);
}

#[test]
fn warnings_beyond_five_a_minute_are_only_counted() {
    let mut bench = Bench::new(Mode::Enforce);
    for n in 0..7 {
        let probe = bench.open(&n.to_string(), None);
        bench.stuck_poll(&probe, 200 * MS, true);
        bench.tick(Duration::ZERO);
    }
    assert_eq!(bench.log.warnings.lock().len(), 5);
    let stats = bench.shared.stats();
    assert_eq!((stats.verdict(Rule::StuckPoll, Action::Warned), stats.warnings_suppressed), (7, 2));
}

#[test]
fn a_new_stream_does_not_inherit_the_old_ones_sins() {
    let mut bench = Bench::new(Mode::Enforce);
    for _ in 0..20 {
        let probe = bench.open("a", None);
        bench.spin(&probe, 400 * MS, 500);
        probe.poll(|| bench.ticks(90 * MS, TICK));
    }
    assert_eq!(bench.verdicts(), []);
}

#[test]
fn cpu_from_before_the_progress_does_not_count() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    for _ in 0..18 {
        probe.poll(|| bench.ticks(50 * MS, 2 * TICK));
    }
    probe.poll(|| probe.progress(1));
    for _ in 0..40 {
        probe.poll(|| bench.ticks(50 * MS, Duration::ZERO));
    }
    assert_eq!(bench.verdicts(), []);
}

#[test]
fn a_thread_that_takes_over_a_slot_does_not_bring_its_past_along() {
    let mut bench = Bench::new(Mode::Enforce);
    let first = crate::cpu::current();
    bench.sampler.read_cpu =
        Box::new(move |tid, _| Some(if tid == first { 0 } else { nanos(Duration::from_secs(3_600)) }));
    let probe = bench.open("a", None);
    // A worker that is never seen idle between the two threads.
    probe.poll(|| bench.tick(Duration::ZERO));
    bench.shared.workers.unregister();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            bench.shared.workers.register(1);
            for _ in 0..40 {
                probe.poll(|| bench.ticks(50 * MS, Duration::ZERO));
            }
        });
    });
    assert_eq!(bench.sampler.slots.len(), 1);
    assert_eq!(bench.verdicts(), []);
}

#[test]
fn healthy_streams_are_forgotten() {
    let mut bench = Bench::new(Mode::Enforce);
    let probes: Vec<_> = (0..50).map(|n| bench.open(&n.to_string(), None)).collect();
    for probe in &probes[..40] {
        probe.poll(|| bench.tick(TICK));
        probe.poll(|| probe.progress(1));
    }
    for probe in &probes[40..] {
        probe.poll(|| bench.tick(TICK));
        probe.progress(1);
    }
    bench.ticks(500 * MS, Duration::ZERO);
    assert_eq!(bench.sampler.streams.len(), 0);
}

#[test]
fn a_poll_without_a_record_is_counted_against_its_plugin() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = Probe::new(Arc::clone(&bench.shared), None);
    probe.poll(|| {
        let _plugin = plugin_enter(9);
        bench.ticks(1_100 * MS, TICK);
    });
    assert_eq!(bench.verdicts(), [(Rule::StuckPoll, Action::Counted)]);
    assert_eq!(bench.log.verdicts.lock()[0].plugin.as_deref(), Some("#9"));
    assert_eq!(probe.verdict(), None);
}

#[test]
fn a_hook_that_panics_does_not_end_the_watch() {
    struct Bad;
    impl Hooks for Bad {
        fn poke(&self) {
            panic!("poke");
        }
        fn incident(&self, _: &Arc<Incident>) {
            panic!("incident");
        }
        fn warn(&self, _: &Incident) {
            panic!("warn");
        }
    }
    let mut bench = Bench::hooked(Config { slots: 512, ..Config::default() }, |_| Arc::new(Bad));
    let probe = bench.open("a", None);
    bench.stuck_poll(&probe, 1_100 * MS, true);
    assert_eq!(probe.verdict(), Some(Rule::StuckPoll));
    assert!(bench.shared.stats().hook_panics >= 3);
}

#[test]
fn a_poll_that_panics_still_ends() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| probe.poll(|| panic!("task"))));
    assert!(caught.is_err());
    bench.ticks(2_000 * MS, TICK);
    assert_eq!(bench.verdicts(), []);
    assert_eq!(bench.shared.stats().polls, 1);
}

#[test]
fn what_is_no_verdict_is_reported_to_the_ring_and_the_owner_within_limits() {
    let bench = Bench::new(Mode::Enforce);
    let report = || {
        Report::new(Kind::Owner("loop"), "again and again")
            .group("gpt")
            .counter("turns", 3)
            .event(20 * MS, "turn")
    };
    let limit = Config::default().rules.warnings.reports_per_minute;
    (0..=limit).for_each(|_| {
        let _ = bench.shared.report(report());
    });
    assert_eq!((bench.shared.incidents.list().len(), bench.log.reports.lock().len()), (limit, limit));
    assert_eq!(bench.shared.stats().reports_suppressed, 1);
    let incident = bench.shared.incidents.list()[0].clone();
    assert_eq!(incident.to_string(), "loop: again and again group=gpt turns=3");
    assert_eq!((incident.events.len(), incident.kind), (1, Kind::Owner("loop")));
    bench.pass(60_001 * MS, Duration::ZERO);
    bench.shared.report(report());
    assert_eq!(bench.shared.incidents.list().len(), limit + 1);
}

mod ladder;
