//! The closed loop: so many connections, each sending its next request when the last answer is whole.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::LocalSet;

use crate::client::{Check, Connection, Url};
use crate::meter::Cpu;
use crate::sample::Sample;
use crate::sse::Events;
use crate::stats::Percentiles;

/// Events a second of each paced stream.
pub(crate) const PACE_HZ: u32 = 1_000;

/// After an error a connection waits this long, so that a dead target is not hammered.
const AFTER_ERROR: Duration = Duration::from_millis(20);

/// What each connection asks for, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// A non-streaming answer.
    Request,
    /// A stream of so many events in a handful of upstream writes.
    Stream(u32),
    /// A stream of so many events, each an upstream write of its own.
    Flushed(u32),
    /// A stream of so many events, [`PACE_HZ`] a second.
    Paced(u32),
}

impl Load {
    fn request(self, url: &Url) -> Bytes {
        match self {
            Self::Request => url.chat(false, "When does the tide turn?"),
            Self::Stream(events) => url.chat(true, &format!("events={events}")),
            Self::Flushed(events) => url.chat(true, &format!("events={events};flush")),
            Self::Paced(events) => url.chat(true, &format!("events={events};hz={PACE_HZ}")),
        }
    }

    fn check(self) -> Check {
        match self {
            Self::Request => Check::Json(Vec::with_capacity(1024)),
            Self::Stream(events) | Self::Flushed(events) | Self::Paced(events) => {
                Check::Stream(Events::default(), events.into())
            }
        }
    }
}

/// How long, how wide, and whose clocks to read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where requests go.
    pub(crate) url: Url,
    /// What is asked for.
    pub(crate) load: Load,
    /// Connections.
    pub(crate) connections: usize,
    /// Runs before the window opens.
    pub(crate) warmup: Duration,
    /// Length of the window.
    pub(crate) window: Duration,
    /// The process whose CPU is read, descendants included.
    pub(crate) meter: Option<u32>,
}

#[derive(Debug, Default)]
struct Tally {
    open: bool,
    answers: u64,
    events: u64,
    latencies: Vec<u64>,
    gaps: Vec<u64>,
    errors: u64,
    first_error: Option<String>,
}

/// Runs the plan and fills in what it measured. Answers in flight when the window closes are dropped uncounted.
pub(crate) async fn measure(plan: &Plan) -> Result<Sample, String> {
    let tally = Rc::new(RefCell::new(Tally::default()));
    let request = plan.load.request(&plan.url);
    let tasks = LocalSet::new();
    for _ in 0..plan.connections {
        tasks.spawn_local(keep_asking(plan.url.clone(), plan.load, request.clone(), Rc::clone(&tally)));
    }
    tasks
        .run_until(async {
            tokio::time::sleep(plan.warmup).await;
            let cpu = plan.meter.map(Cpu::read).transpose()?;
            let own = Cpu::read(std::process::id())?;
            let opened = Instant::now();
            tally.borrow_mut().open = true;
            tokio::time::sleep(plan.window).await;
            tally.borrow_mut().open = false;
            let seconds = opened.elapsed().as_secs_f64();
            let own = Cpu::read(std::process::id())?.since(&own);
            let cpu = match (plan.meter, cpu) {
                (Some(pid), Some(before)) => Some(Cpu::read(pid)?.since(&before)),
                _ => None,
            };
            let tally = std::mem::take(&mut *tally.borrow_mut());
            Ok(Sample {
                connections: plan.connections,
                seconds,
                answers: tally.answers,
                events: tally.events,
                errors: tally.errors,
                first_error: tally.first_error,
                latency_us: Percentiles::of(tally.latencies),
                gap_us: Percentiles::of(tally.gaps),
                cpu_seconds: cpu,
                generator_busy: Some(own / seconds),
                ..Sample::default()
            })
        })
        .await
}

async fn keep_asking(url: Url, load: Load, request: Bytes, tally: Rc<RefCell<Tally>>) {
    let mut connection = None;
    loop {
        let Err(sentence) = ask(&url, load, &request, &mut connection, &tally).await else { continue };
        connection = None;
        {
            let mut tally = tally.borrow_mut();
            tally.errors += 1;
            tally.first_error.get_or_insert(sentence);
        }
        tokio::time::sleep(AFTER_ERROR).await;
    }
}

/// One request and its whole answer.
async fn ask(
    url: &Url,
    load: Load,
    request: &[u8],
    slot: &mut Option<Connection>,
    tally: &RefCell<Tally>,
) -> Result<(), String> {
    let connection = match slot {
        Some(open) => open,
        None => slot.insert(Connection::open(url).await?),
    };
    let began = Instant::now();
    connection.send(request).await?;
    let mut check = load.check();
    let mut last_event: Option<Instant> = None;
    let mut whole = false;
    while !whole {
        let before = check.events();
        whole = connection.receive(&mut check).await?;
        let came = check.events() - before;
        if came == 0 {
            continue;
        }
        let mut tally = tally.borrow_mut();
        if tally.open {
            tally.events += came;
        }
        if matches!(load, Load::Paced(..)) {
            let now = Instant::now();
            if tally.open {
                // Of events that came in one read, the first ends the gap and the others have none.
                tally.gaps.extend(last_event.map(|last| nanoseconds(now - last)));
                tally.gaps.extend((1..came).map(|_| 0));
            }
            last_event = Some(now);
        }
    }
    let took = nanoseconds(began.elapsed());
    let closes = connection.closes();
    if closes {
        *slot = None;
    }
    let mut tally = tally.borrow_mut();
    if tally.open {
        tally.answers += 1;
        tally.latencies.push(took);
    }
    Ok(())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn against_the_upstream(load: Load) -> Sample {
        LocalSet::new()
            .run_until(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let url: Url =
                    format!("http://{}/v1/chat/completions", listener.local_addr().unwrap()).parse().unwrap();
                tokio::task::spawn_local(crate::upstream::serve(listener));
                let plan = Plan {
                    url,
                    load,
                    connections: 3,
                    warmup: Duration::from_millis(50),
                    window: Duration::from_millis(200),
                    meter: Some(std::process::id()),
                };
                measure(&plan).await.unwrap()
            })
            .await
    }

    #[tokio::test]
    async fn each_load_is_answered_rightly() {
        for load in [Load::Request, Load::Stream(12), Load::Flushed(12), Load::Paced(20)] {
            let sample = against_the_upstream(load).await;
            assert_eq!((sample.errors, sample.first_error.as_deref()), (0, None), "{load:?}");
            assert!(sample.answers > 0 && sample.cpu_per_answer().is_some(), "{load:?}: {sample:?}");
            assert_eq!(sample.events > 0, load != Load::Request, "{load:?}");
            assert_eq!(sample.gap_us.is_some(), matches!(load, Load::Paced(..)), "{load:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_not_an_answer() {
        let sample = against_the_upstream(Load::Stream(0)).await;
        assert_eq!(sample.answers, 0);
        assert!(sample.first_error.expect("an error").starts_with("status 400"));
    }
}
