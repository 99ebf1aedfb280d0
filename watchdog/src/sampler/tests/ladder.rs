//! The rungs after the abort: quarantine, demotion, another runtime, the end.

use super::*;
use crate::config::Brake;
use crate::gates::Suspected;

impl Bench {
    fn asked(&self) -> Vec<String> {
        self.log.asked.lock().clone()
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.shared.incidents.list().iter().map(|incident| incident.kind.as_str()).collect()
    }

    fn is_open(&self, what: Suspected, name: &str) -> bool {
        self.shared.gates.get(&self.shared, what, name).is_open()
    }

    /// A stream of this deployment that spins until it is judged.
    fn runaway(&mut self, deployment: &str) {
        let probe = self.open("runaway", None);
        probe.deployment(deployment.into());
        self.spin(&probe, 2_000 * MS, 20);
        assert_eq!(probe.verdict(), Some(Rule::NoProgress));
    }
}

#[test]
fn one_call_that_does_not_return_quarantines_its_plugin_alone() {
    let mut bench = Bench::new(Mode::Enforce);
    bench.shared.plugins.name(3, "bad");
    let probe = bench.open("a", None);
    probe.deployment("dep".into());
    probe.poll(|| {
        let _plugin = plugin_enter(3);
        bench.ticks(1_100 * MS, TICK);
    });
    assert!(!bench.is_open(Suspected::Plugin, "bad"));
    assert!(bench.is_open(Suspected::Deployment, "dep"), "the plugin is to blame");
    assert_eq!(bench.kinds(), ["stream_verdict", "plugin_quarantined"]);
    let incident = bench.shared.incidents.list()[1].clone();
    assert_eq!(incident.plugin.as_deref(), Some("bad"));
    assert!(incident.sentence.contains(&bench.shared.incidents.list()[0].id.to_string()), "{incident}");
}

#[test]
fn three_runaways_quarantine_their_deployment_and_two_do_not() {
    let mut bench = Bench::new(Mode::Enforce);
    bench.runaway("dep");
    bench.runaway("dep");
    bench.runaway("other");
    assert!(bench.is_open(Suspected::Deployment, "dep"));
    bench.runaway("dep");
    assert!(!bench.is_open(Suspected::Deployment, "dep"));
    assert!(bench.is_open(Suspected::Deployment, "other"));
    let quarantined: Vec<_> = bench.shared.stats().quarantines;
    let now: Vec<_> =
        quarantined.iter().filter(|one| one.quarantined).map(|one| (&*one.name, one.total)).collect();
    assert_eq!(now, [("dep", 1)]);
}

#[test]
fn observing_quarantines_nothing() {
    let mut bench = Bench::new(Mode::Observe);
    let probe = bench.open("a", None);
    probe.poll(|| {
        let _plugin = plugin_enter(3);
        bench.ticks(5_000 * MS, TICK);
    });
    assert_eq!(bench.verdicts(), [(Rule::StuckPoll, Action::Observed)]);
    assert!(bench.is_open(Suspected::Plugin, "#3"));
    assert_eq!(bench.asked(), [""; 0], "nor is the thread demoted");
}

#[test]
fn what_the_brake_holds_back_escalates_to_quarantine() {
    let mut config = Config { slots: 512, ..Config::default() };
    config.rules.brake = Brake { per_minute: 0, share: 0.0 };
    let mut bench = Bench::with(config);
    let probe = bench.open("a", None);
    probe.deployment("dep".into());
    bench.spin(&probe, 2_000 * MS, 20);
    assert_eq!((bench.verdicts(), probe.verdict()), (vec![(Rule::NoProgress, Action::Braked)], None));
    assert!(!bench.is_open(Suspected::Deployment, "dep"));
}

#[test]
fn a_stuck_thread_is_demoted_once_and_raised_when_its_poll_returns() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    bench.stuck_poll(&probe, 2_900 * MS, true);
    bench.tick(Duration::ZERO);
    assert_eq!(bench.asked(), [""; 0], "not before 3 s of CPU");
    bench.stuck_poll(&probe, 5_000 * MS, true);
    bench.tick(Duration::ZERO);
    assert_eq!(bench.asked(), ["demote", "raise"]);
    let stats = bench.shared.stats();
    assert_eq!((stats.demoted_threads, stats.lost_workers), (0, 0));
    // One that is blocked takes nobody's time.
    bench.stuck_poll(&probe, 20_000 * MS, false);
    assert_eq!(bench.asked().len(), 2);
}

#[test]
fn a_thread_that_cannot_be_raised_again_stays_lost() {
    let mut bench = Bench::new(Mode::Enforce);
    bench.log.unprivileged.store(true, Relaxed);
    let probe = bench.open("a", None);
    bench.stuck_poll(&probe, 5_000 * MS, true);
    bench.ticks(1_000 * MS, Duration::ZERO);
    let stats = bench.shared.stats();
    assert_eq!((stats.demoted_threads, stats.lost_workers), (1, 1));
}

/// Another runtime of one worker is made, and serves.
fn serve(bench: &Bench) {
    let workers = &bench.shared.workers;
    workers.serves(workers.made(1));
}

#[test]
fn a_runtime_that_was_made_and_does_not_serve_takes_nothing_over() {
    let mut bench = Bench::new(Mode::Enforce);
    serve(&bench);
    let probe = bench.open("a", None);
    probe.poll(|| {
        bench.ticks(1_200 * MS, TICK);
        assert_eq!(bench.asked(), ["take over"]);
        bench.shared.workers.made(1);
        bench.ticks(11_000 * MS, Duration::ZERO);
        assert_eq!(bench.asked().last().map(String::as_str), Some("give up: 1 stuck, 1 streams"));
    });
}

#[test]
fn a_runtime_whose_workers_are_stuck_is_replaced_twice_and_then_the_process_ends() {
    let mut bench = Bench::new(Mode::Enforce);
    serve(&bench);
    let probe = bench.open("a", None);
    probe.poll(|| {
        bench.ticks(900 * MS, TICK);
        assert_eq!(bench.asked(), [""; 0]);
        bench.ticks(300 * MS, TICK);
        assert_eq!(bench.asked(), ["take over"]);
        serve(&bench);
        bench.ticks(1_000 * MS, Duration::ZERO);
        assert_eq!(bench.asked(), ["take over"], "the stuck one is not the new runtime's");
        assert_eq!(bench.shared.stats().takeovers, 1);
    });
    bench.tick(Duration::ZERO);
    for (runtime, expected) in [(2, "take over"), (3, "give up: 1 stuck, 1 streams")] {
        std::thread::scope(|_| bench.shared.workers.register(runtime));
        bench.stuck_poll(&probe, 1_200 * MS, true);
        bench.tick(Duration::ZERO);
        assert_eq!(bench.asked().last().map(String::as_str), Some(expected));
        serve(&bench);
    }
    bench.stuck_poll(&probe, 2_500 * MS, true);
    assert_eq!(bench.asked().len(), 3, "once");
    let gave_up = bench.shared.incidents.list().iter().find(|one| one.kind == Kind::GaveUp).cloned().unwrap();
    assert!(gave_up.events[0].what.starts_with("worker 0 (thread "), "{:?}", gave_up.events);
}

#[test]
fn a_runtime_that_does_not_come_is_not_waited_for() {
    let mut bench = Bench::new(Mode::Enforce);
    serve(&bench);
    let probe = bench.open("a", None);
    bench.stuck_poll(&probe, 9_000 * MS, false);
    bench.stuck_poll(&probe, 25_000 * MS, false);
    assert_eq!(bench.asked(), ["take over", "give up: 1 stuck, 1 streams"]);
}

#[test]
fn a_verdict_tells_the_streams_last_seconds() {
    let mut bench = Bench::new(Mode::Enforce);
    let probe = bench.open("a", None);
    probe.note("attempt", 1, "", Some("openai/sim".into()));
    bench.ticks(500 * MS, Duration::ZERO);
    probe.note("first content", 0, "", None);
    bench.spin(&probe, 2_000 * MS, 20);
    let incident = bench.shared.incidents.list()[0].clone();
    let told: Vec<_> = incident.events.iter().map(|event| event.what.as_str()).collect();
    assert_eq!(told, ["attempt 1 openai/sim", "first content"]);
    assert_eq!(incident.events[0].before - incident.events[1].before, 500 * MS);
    assert!(incident.samples.len() >= 2, "{:?}", incident.samples);
    assert!(
        incident.samples.is_sorted_by(|a, b| a.before > b.before && a.polls < b.polls),
        "{:?}",
        incident.samples
    );
    assert!(incident.samples.iter().all(|sample| sample.before < 1_500 * MS));
}

#[test]
fn nothing_is_kept_of_healthy_streams() {
    let mut bench = Bench::new(Mode::Enforce);
    let probes: Vec<_> = (0..100).map(|_| bench.open("healthy", None)).collect();
    for _ in 0..100 {
        for probe in &probes {
            probe.poll(|| probe.progress(1));
        }
        bench.tick(TICK);
    }
    assert_eq!(bench.sampler.streams.len(), 0);
}

#[test]
fn a_call_outside_of_any_stream_is_judged_like_a_poll() {
    let mut bench = Bench::new(Mode::Enforce);
    bench.shared.plugins.name(3, "bad");
    serve(&bench);
    let call = plugin_enter(3);
    bench.ticks(1_100 * MS, TICK);
    assert!(!bench.is_open(Suspected::Plugin, "bad"));
    assert_eq!(bench.verdicts(), [(Rule::StuckPoll, Action::Counted)]);
    assert_eq!(bench.kinds(), ["stream_verdict", "plugin_quarantined", "runtime_replaced"]);
    let incident = bench.shared.incidents.list()[0].clone();
    assert_eq!((incident.plugin.as_deref(), &incident.client), (Some("bad"), &None));
    assert!(bench.shared.stats().pokes > 0);
    bench.ticks(2_000 * MS, TICK);
    assert_eq!(bench.asked(), ["take over", "demote"]);
    drop(call);
    bench.tick(Duration::ZERO);
    assert_eq!(bench.shared.stats().lost_workers, 0);
}

#[test]
fn observing_a_call_outside_of_any_stream_quarantines_nothing() {
    let mut bench = Bench::new(Mode::Observe);
    let _call = plugin_enter(3);
    bench.ticks(5_000 * MS, TICK);
    assert_eq!(bench.verdicts(), [(Rule::StuckPoll, Action::Observed)]);
    assert!(bench.is_open(Suspected::Plugin, "#3"));
}

#[test]
fn a_thread_that_serves_nobody_is_counted_and_demoted_and_nothing_else() {
    let mut bench = Bench::new(Mode::Enforce);
    bench.shared.plugins.name(3, "bad");
    serve(&bench);
    bench.shared.workers.register(0);
    let _call = plugin_enter(3);
    bench.ticks(4_000 * MS, TICK);
    assert_eq!(bench.kinds(), ["stream_verdict", "thread_demoted"]);
    assert_eq!(bench.asked(), ["demote"]);
    assert!(bench.is_open(Suspected::Plugin, "bad"));
    let stats = bench.shared.stats();
    assert_eq!((stats.lost_workers, stats.pokes), (1, 0));
}

#[test]
fn a_process_that_drains_is_left_to_its_drain() {
    let mut bench = Bench::new(Mode::Enforce);
    serve(&bench);
    let probe = bench.open("a", None);
    probe.poll(|| {
        bench.ticks(1_200 * MS, TICK);
        assert_eq!(bench.asked(), ["take over"]);
        bench.shared.draining.store(true, Relaxed);
        bench.ticks(60_000 * MS, Duration::ZERO);
        assert_eq!(bench.asked(), ["take over"]);
    });
}
