//! Faults that a request asks for, so that tests can put them where the network would: in the task of one stream. In no
//! build but those with the feature `fault-hooks`.

use std::task::Context;
use std::time::Duration;

use http::HeaderMap;
use nix::time::ClockId;

use crate::config::units;

/// After its first content
/// - `x-tidegate-fault: spin-wake` makes a stream wake itself for ever and move nothing (R1);
/// - `slow-spin` does so with 5 ms of CPU in each poll (R2);
/// - `stuck` makes its poll never return, `stuck=3s` only after so much CPU (R4);
/// - `blocked=12s` makes it return after so long, asleep.
const HEADER: &str = "x-tidegate-fault";

/// What a request asked for.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// Polls without end, each with so much CPU.
    Spin(Duration),
    /// One poll of so much time; `None`: without end.
    Stuck(Option<Duration>),
    /// One poll that sleeps.
    Blocked(Duration),
}

impl Fault {
    /// From the request's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(HEADER).and_then(|value| value.to_str().ok()) else {
            return Self::None;
        };
        let (name, time) = value.split_once('=').map_or((value, None), |(name, time)| (name, Some(time)));
        let time = time.and_then(|time| units::duration(time).ok());
        match name {
            "spin-wake" => Self::Spin(Duration::ZERO),
            "slow-spin" => Self::Spin(Duration::from_millis(5)),
            "stuck" => Self::Stuck(time),
            "blocked" => Self::Blocked(time.unwrap_or_default()),
            _ => Self::None,
        }
    }

    /// Whether this poll of the stream is taken by the fault.
    pub fn takes(&mut self, cx: &Context<'_>) -> bool {
        match *self {
            Self::None => return false,
            Self::Spin(time) => {
                spin(Some(time));
                cx.waker().wake_by_ref();
                return true;
            }
            Self::Stuck(time) => spin(time),
            Self::Blocked(time) => block(time),
        }
        *self = Self::None;
        false
    }
}

#[expect(clippy::disallowed_methods, reason = "to block the worker is the fault")]
fn block(time: Duration) {
    std::thread::sleep(time);
}

/// Uses so much CPU of this thread: on a busy machine that takes longer.
fn spin(time: Option<Duration>) {
    let used = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().map_or(Duration::MAX, Duration::from);
    let until = time.map(|time| used() + time);
    while until.is_none_or(|until| used() < until) {
        std::hint::spin_loop();
    }
}
