//! The books: what was opened is closed, what was asked has ended once. Pure: counts go in, lines with a verdict come out.

use tidegate_tests::Metrics;

use crate::process::Process;

/// Everything that is counted, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// By the proxy.
    pub(crate) proxy: Counts,
    /// By the system.
    pub(crate) process: Process,
    /// Connections that the simulated providers see open.
    pub(crate) sim_connections: f64,
    /// Answers that they are giving.
    pub(crate) sim_active: f64,
}

macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident: $metrics:ident => $read:expr;)*) => {
        /// Of one scrape of `/metrics`.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Counts { $($(#[$doc])* pub(crate) $field: f64,)* }

        impl Counts {
            /// # Panics
            /// A family is not there.
            pub(crate) fn of(metrics: &Metrics) -> Self {
                Self { $($field: { let $metrics = metrics; $read },)* }
            }
        }
    };
}

counts! {
    requests: m => m.sum("tidegate_requests_total", &[]);
    endings: m => m.sum("tidegate_request_endings_total", &[]);
    complete: m => m.sum("tidegate_request_endings_total", &[("kind", "complete")]);
    error: m => m.sum("tidegate_request_endings_total", &[("kind", "error")]);
    stream_error: m => m.sum("tidegate_request_endings_total", &[("kind", "stream_error")]);
    attempts: m => m.sum("tidegate_attempts_total", &[]);
    attempts_of_requests: m => m.sum("tidegate_attempts_per_request_sum", &[]);
    active: m => m.sum("tidegate_active_streams", &[]);
    records: m => m.sum("tidegate_watchdog_live_streams", &[]);
    unwatched: m => m.sum("tidegate_watchdog_unwatched_streams_total", &[]);
    in_flight: m => m.sum("tidegate_deployment_in_flight", &[]);
    tasks: m => m.sum("tidegate_tasks", &[]);
    clients: m => m.sum("tidegate_client_connections", &[]);
    upstreams: m => m.sum("tidegate_upstream_connections", &[]);
    idle: m => m.sum("tidegate_upstream_idle_connections", &[]);
    /// Calls that opened a stream in a plugin.
    opened: m => m.sum("tidegate_plugin_calls_total", &[("call", "stream_open")])
        - m.sum("tidegate_plugin_errors_total", &[("call", "stream_open")]);
    closed: m => m.sum("tidegate_plugin_calls_total", &[("call", "stream_close")]);
    panics: m => m.sum("tidegate_plugin_errors_total", &[("kind", "panic")]);
    /// Only a plugin that has had a worker process has these series.
    failed_calls: m => match m.get("tidegate_plugin_worker_starts_total", &[]) {
        Some(_) => m.sum("tidegate_plugin_worker_failed_calls_total", &[]),
        None => 0.0,
    };
    aborted: m => m.get("tidegate_watchdog_verdicts_total", &[("action", "aborted")]).unwrap_or(0.0);
}

/// What the clients counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clients {
    pub(crate) sent: f64,
    pub(crate) complete: f64,
    pub(crate) error: f64,
    pub(crate) stream_error: f64,
    pub(crate) wrong: f64,
}

/// Resident memory, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Levels {
    /// After the warm-up, under load.
    pub(crate) warm: u64,
    /// At the end, under load.
    pub(crate) end: u64,
    /// When all was quiet.
    pub(crate) quiet: u64,
}

/// How far memory may be above its level after the warm-up.
const GROWTH: f64 = 1.10;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Book {
    pub(crate) name: &'static str,
    /// What must be, in words.
    pub(crate) must: String,
    pub(crate) found: f64,
    pub(crate) balances: bool,
}

/// Holds the moment after the load against the one before it.
pub(crate) fn balance(before: &Snapshot, after: &Snapshot, clients: Clients, levels: Levels) -> Vec<Book> {
    let mut books = Vec::new();
    let mut exact = |name, what: &str, must: f64, found: f64| {
        let must_text = if what.is_empty() { must.to_string() } else { format!("{must} ({what})") };
        books.push(Book { name, must: must_text, found, balances: must == found });
    };
    let (old, new) = (&before.proxy, &after.proxy);
    exact("requests and terminals", "requests", new.requests, new.endings);
    exact("attempts and requests", "the requests' own", new.attempts_of_requests, new.attempts);
    exact("active streams", "", 0.0, new.active);
    exact("records of the watchdog", "", 0.0, new.records);
    exact("streams without a record", "", 0.0, new.unwatched);
    exact("calls in flight", "", 0.0, new.in_flight);
    exact("tasks", "at the start", old.tasks, new.tasks);
    exact("client connections", "", 0.0, new.clients);
    exact("upstream connections", "idle", new.idle, new.upstreams);
    exact("the same, seen by the providers", "idle", new.idle, after.sim_connections);
    exact("answers of the providers", "", 0.0, after.sim_active);
    exact("plugin streams closed", "opened", new.opened, new.closed + new.panics);
    exact("panics of plugins", "", 0.0, new.panics);
    exact("aborts by the watchdog", "", 0.0, new.aborted);
    let descriptors = before.process.descriptors as f64 - old.upstreams + new.upstreams;
    exact("descriptors", "at the start, and idle", descriptors, after.process.descriptors as f64);
    let mut within = |name, low: f64, high: f64, found: f64| {
        let balances = (low..=high).contains(&found);
        books.push(Book { name, must: format!("{low} to {high}"), found, balances });
    };
    // What a worker of a plugin was at when it ended fails with it.
    within("broken promises to clients", 0.0, new.failed_calls, clients.wrong);
    // A client that left may have been counted in any way, and one that left inside its body is no request.
    let left = clients.sent - clients.complete - clients.error - clients.stream_error;
    within("requests that were sent", clients.sent - left, clients.sent, new.requests - old.requests);
    for (name, seen, counted) in [
        ("normal ends", clients.complete, new.complete - old.complete),
        ("HTTP errors", clients.error, new.error - old.error),
        ("error events", clients.stream_error, new.stream_error - old.stream_error),
    ] {
        within(name, seen, seen + left, counted);
    }
    within("threads", 0.0, before.process.threads as f64, after.process.threads as f64);
    let limit = (levels.warm as f64 * GROWTH).round();
    within("resident memory under load, KiB", 0.0, limit, levels.end as f64);
    within("resident memory when quiet, KiB", 0.0, limit, levels.quiet as f64);
    books
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> (Snapshot, Snapshot, Clients, Levels) {
        let process = Process { descriptors: 20, threads: 6, resident_kib: 30_000 };
        let before = Snapshot {
            proxy: Counts {
                requests: 3.0,
                endings: 3.0,
                complete: 3.0,
                tasks: 4.0,
                upstreams: 3.0,
                idle: 3.0,
                ..Counts::default()
            },
            process,
            ..Snapshot::default()
        };
        let proxy = Counts {
            requests: 103.0,
            endings: 103.0,
            complete: 63.0,
            error: 20.0,
            stream_error: 10.0,
            attempts: 140.0,
            attempts_of_requests: 140.0,
            tasks: 4.0,
            upstreams: 5.0,
            idle: 5.0,
            opened: 90.0,
            closed: 90.0,
            ..Counts::default()
        };
        let after = Snapshot {
            proxy,
            process: Process { descriptors: 22, ..process },
            sim_connections: 5.0,
            sim_active: 0.0,
        };
        let clients = Clients { sent: 101.0, complete: 58.0, error: 20.0, stream_error: 10.0, wrong: 0.0 };
        (before, after, clients, Levels { warm: 100, end: 109, quiet: 110 })
    }

    fn unbalanced(change: impl Fn(&mut Snapshot, &mut Clients, &mut Levels)) -> Vec<&'static str> {
        let (before, mut after, mut clients, mut levels) = good();
        change(&mut after, &mut clients, &mut levels);
        let books = balance(&before, &after, clients, levels);
        books.iter().filter(|book| !book.balances).map(|book| book.name).collect()
    }

    #[test]
    fn good_books_balance() {
        assert_eq!(unbalanced(|_, _, _| {}), Vec::<&str>::new());
    }

    #[test]
    fn each_leak_and_each_lie_unbalances_its_own_book() {
        type Change = fn(&mut Snapshot, &mut Clients, &mut Levels);
        let changes: [(Change, &str); 25] = [
            (|a, _, _| a.proxy.endings += 1.0, "requests and terminals"),
            (|a, _, _| a.proxy.attempts -= 1.0, "attempts and requests"),
            (|a, _, _| a.proxy.active = 1.0, "active streams"),
            (|a, _, _| a.proxy.records = 1.0, "records of the watchdog"),
            (|a, _, _| a.proxy.unwatched = 1.0, "streams without a record"),
            (|a, _, _| a.proxy.in_flight = 1.0, "calls in flight"),
            (|a, _, _| a.proxy.tasks += 1.0, "tasks"),
            (|a, _, _| a.proxy.clients = 1.0, "client connections"),
            (
                |a, _, _| {
                    a.proxy.upstreams += 1.0;
                    a.process.descriptors += 1;
                },
                "upstream connections",
            ),
            (|a, _, _| a.sim_connections += 1.0, "the same, seen by the providers"),
            (|a, _, _| a.sim_active = 1.0, "answers of the providers"),
            (|a, _, _| a.proxy.closed -= 1.0, "plugin streams closed"),
            (|a, _, _| a.proxy.closed += 1.0, "plugin streams closed"),
            (
                |a, _, _| {
                    a.proxy.panics = 1.0;
                    a.proxy.closed -= 1.0;
                },
                "panics of plugins",
            ),
            (|a, _, _| a.proxy.aborted = 1.0, "aborts by the watchdog"),
            (|a, _, _| a.process.descriptors += 1, "descriptors"),
            (|_, c, _| c.wrong = 1.0, "broken promises to clients"),
            (
                |a, _, _| {
                    a.proxy.requests += 2.0;
                    a.proxy.endings += 2.0;
                },
                "requests that were sent",
            ),
            (|a, _, _| a.proxy.complete = 60.0, "normal ends"),
            (|a, _, _| a.proxy.complete = 75.0, "normal ends"),
            (|a, _, _| a.proxy.error = 19.0, "HTTP errors"),
            (|a, _, _| a.proxy.stream_error = 9.0, "error events"),
            (|a, _, _| a.process.threads += 1, "threads"),
            (|_, _, l| l.end = 111, "resident memory under load, KiB"),
            (|_, _, l| l.quiet = 111, "resident memory when quiet, KiB"),
        ];
        let (before, after, clients, levels) = good();
        let mut named: Vec<&str> = changes.iter().map(|(_, name)| *name).collect();
        for (change, name) in changes {
            assert_eq!(unbalanced(change), [name]);
        }
        named.dedup();
        let all: Vec<&str> = balance(&before, &after, clients, levels).iter().map(|book| book.name).collect();
        assert_eq!(named, all, "a book that no change unbalances");
    }
}
