//! The whole watchdog on real threads and the real clock: spins of known length, with an injected report. Bounds are
//! generous on purpose; exact ones are tested on a mock clock.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidegate_watchdog::{
    Action, Config, Hooks, Incident, Kill, Labels, Mode, Probe, Rule, Watchdog, plugin_enter,
};

const LONG: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Report {
    pokes: AtomicUsize,
    verdicts: Mutex<Vec<Incident>>,
}

struct Reporter(Arc<Report>);

impl Hooks for Reporter {
    fn poke(&self) {
        self.0.pokes.fetch_add(1, Relaxed);
    }
    fn incident(&self, incident: &Arc<Incident>) {
        if incident.verdict.is_some() {
            self.0.verdicts.lock().push(Incident::clone(incident));
        }
    }
    fn warn(&self, _: &Incident) {}
}

struct Socket(mpsc::Sender<()>);

impl Kill for Socket {
    fn shut(&self) {
        self.0.send(()).ok();
    }
}

fn start(config: Config) -> (Watchdog, Arc<Report>) {
    let report = Arc::new(Report::default());
    (Watchdog::start(config, Reporter(Arc::clone(&report))).unwrap(), report)
}

fn labels(request: &str) -> Labels {
    Labels { group: "gpt".into(), client: request.into(), ..Labels::default() }
}

/// Runs `f` on a registered thread of its own.
fn on_worker<R: Send + 'static>(
    watchdog: &Watchdog,
    f: impl FnOnce() -> R + Send + 'static,
) -> std::thread::JoinHandle<R> {
    let watchdog = watchdog.clone();
    std::thread::spawn(move || {
        watchdog.register_worker();
        let result = f();
        watchdog.unregister_worker();
        result
    })
}

fn spin_until(mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > LONG {
            return false;
        }
    }
    true
}

#[test]
fn a_poll_that_does_not_return_costs_its_own_stream_alone() {
    let (watchdog, report) = start(Config::default());
    watchdog.name_plugin(7, "endless");
    let (sender, shut) = mpsc::channel();
    let socket = Arc::new(Socket(sender));
    let kill: Weak<dyn Kill> = Arc::<Socket>::downgrade(&socket);
    let probe = watchdog.open(labels("stuck"), Some(kill));
    let neighbour = watchdog.open(labels("fine"), None);
    let stuck = on_worker(&watchdog, {
        let probe = probe.clone();
        move || {
            probe.poll(|| {
                let _plugin = plugin_enter(7);
                spin_until(|| probe.verdict().is_some() && shut.try_recv().is_ok())
            })
        }
    });
    assert!(stuck.join().unwrap(), "no verdict, or its socket was not shut");
    assert_eq!((probe.verdict(), neighbour.verdict()), (Some(Rule::StuckPoll), None));
    assert!(spin_until(|| report.verdicts.lock().len() == 1));
    let incident = report.verdicts.lock()[0].clone();
    let verdict = incident.verdict.unwrap();
    assert_eq!((verdict.rule, verdict.action), (Rule::StuckPoll, Action::Shut));
    assert_eq!(incident.plugin.as_deref(), Some("endless"));
    assert_eq!(verdict.stream.map(|stream| stream.labels.client.to_string()).as_deref(), Some("stuck"));
    assert!(report.pokes.load(Relaxed) > 0);
    assert!(spin_until(|| watchdog.incidents().len() == 2), "the verdict, and the plugin's quarantine");
    assert_eq!(watchdog.stats().plugin_stuck, [("endless".into(), 1)]);
}

#[test]
fn a_runaway_ends_itself_and_a_healthy_stream_goes_on() {
    let (watchdog, report) = start(Config::default());
    let runaway = watchdog.open(labels("runaway"), None);
    let healthy = watchdog.open(labels("healthy"), None);
    let ended = on_worker(&watchdog, move || {
        spin_until(|| {
            healthy.poll(|| ());
            healthy.poll(|| healthy.progress(100));
            runaway.poll(|| ());
            assert_eq!(healthy.verdict(), None);
            runaway.verdict() == Some(Rule::NoProgress)
        })
    });
    assert!(ended.join().unwrap());
    assert!(spin_until(|| report.verdicts.lock().len() == 1));
    assert_eq!(watchdog.stats().verdict(Rule::NoProgress, Action::Aborted), 1);
}

#[test]
fn a_sleeping_poll_is_not_a_spinning_one() {
    let mut config = Config::default();
    config.rules.r4.warn = Duration::from_millis(20);
    config.rules.r4.abort_cpu = Duration::from_millis(200);
    let (watchdog, report) = start(config);
    let probe = watchdog.open(labels("sleeper"), None);
    let (_open, gate) = mpsc::channel::<()>();
    let sleep = |time| move |gate: &mpsc::Receiver<()>| gate.recv_timeout(time).is_err();
    let nap = sleep(Duration::from_millis(1_000));
    let slept = on_worker(&watchdog, move || probe.poll(|| nap(&gate)));
    assert!(slept.join().unwrap());
    assert!(watchdog.stats().ticks > 1, "it was watched");
    assert_eq!(report.verdicts.lock().len(), 0);
}

#[test]
fn a_probe_works_anywhere_and_beyond_the_last_slot() {
    let (watchdog, _) = start(Config { slots: 1, ..Config::default() });
    let first = watchdog.open(labels("first"), None);
    let second = watchdog.open(labels("second"), None);
    assert_eq!((first.poll(|| 1), second.poll(|| 2)), (1, 2));
    second.progress(5);
    assert_eq!(second.id(), None);
    assert_eq!(second.verdict(), None);
    first.progress(3);
    first.poll(|| ());
    first.deployment("eu".into());
    let streams = watchdog.streams();
    assert_eq!(streams.len(), 1);
    assert_eq!((streams[0].polls, streams[0].bytes, streams[0].chunks), (2, 3, 1));
    assert_eq!(streams[0].deployment.as_deref(), Some("eu"));
    let stats = watchdog.stats();
    assert_eq!((stats.live_streams, stats.unwatched_streams), (1, 1));
    drop(first);
    assert!(watchdog.streams().is_empty());
}

#[test]
fn off_is_off_and_nonsense_is_refused() {
    let (watchdog, _) = start(Config { mode: Mode::Off, ..Config::default() });
    let probe: Probe = watchdog.open(labels("a"), None);
    assert_eq!(probe.poll(|| 5), 5);
    assert!(watchdog.streams().is_empty());
    assert_eq!(watchdog.stats().ticks, 0);
    let nonsense = Config { tick: Duration::ZERO, ..Config::default() };
    let error = Watchdog::start(nonsense, Reporter(Arc::default())).unwrap_err();
    assert!(error.to_string().contains("tick"), "{error}");
}

#[test]
fn the_worker_sums_are_those_of_the_polls() {
    let (watchdog, _) = start(Config::default());
    let probe = watchdog.open(labels("a"), None);
    on_worker(&watchdog, move || {
        for _ in 0..10 {
            probe.poll(|| probe.progress(1));
        }
        for _ in 0..5 {
            probe.poll(|| ());
        }
    })
    .join()
    .unwrap();
    let stats = watchdog.stats();
    assert_eq!((stats.polls, stats.no_progress_polls, stats.workers), (15, 5, 0));
    let counted: u64 = stats.poll_durations.buckets.iter().map(|(_, polls)| polls).sum();
    assert_eq!(counted + stats.poll_durations.over, 15);
}

#[test]
fn it_stops_when_told_and_when_dropped() {
    let (watchdog, report) = start(Config::default());
    watchdog.stop();
    watchdog.stop();
    drop(watchdog);
    assert_eq!(Arc::strong_count(&report), 1, "the thread is gone, and its hooks with it");
    let (watchdog, report) = start(Config::default());
    let probe = watchdog.open(labels("a"), None);
    drop(watchdog);
    assert_eq!(Arc::strong_count(&report), 1);
    assert_eq!(probe.poll(|| 1), 1);
}
