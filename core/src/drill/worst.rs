//! The longest that a cell can take, by the clocks of the configuration it came from.

use std::time::Duration;

use tidegate_sim::{Dialect, Expect, Mode};

use super::client_fault::ClientFault;
use super::fault::{Fault, is_normal};
use super::link::Link;
use super::promise::Terms;
use crate::config::{Clocks, Config};

/// The policy's computed back-off: from half a second, doubled each time, at most 8 s; and up to 0.75 s of jitter.
const JITTER: Duration = Duration::from_millis(750);
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(8);

/// Of one request for `group` of `config`. A wait that an upstream asks for comes on top, within the total clock.
pub(super) fn of(fault: Fault, mode: Mode, terms: &Terms, config: &Config, group: &str) -> Duration {
    let own = config.deployments.iter().filter(|deployment| deployment.group == config.resolved(group));
    let clocks: Vec<Clocks> =
        own.clone().map(|deployment| config.clocks_of(deployment, mode == Mode::Stream)).collect();
    let longest = |clock: fn(&Clocks) -> Duration| clocks.iter().map(clock).max().unwrap_or_default();
    let alone = terms.own.first().map_or(Expect::Normal, |dialect: &Dialect| fault.alone(*dialect, mode));
    let each = match (fault, &alone) {
        (Fault::Link(Link::TlsSilence), _) => longest(|clocks| clocks.connect),
        (Fault::Client(ClientFault::SlowReader), _) => longest(|clocks| clocks.client_idle),
        (_, Expect::Stalled { committed: false }) => longest(|clocks| clocks.first_content),
        (_, Expect::Stalled { .. } | Expect::Failed { .. }) => {
            longest(|clocks| clocks.content_idle.min(clocks.byte_idle))
        }
        _ => Duration::ZERO,
    };
    if is_normal(&alone) {
        return each;
    }
    let router = config.router.retries();
    let retries = own.map(|deployment| deployment.num_retries.unwrap_or(router)).max().unwrap_or(router);
    let waits: Duration = (0..retries.min(terms.budget.saturating_sub(1)))
        .map(|done| (FIRST * 2_u32.pow(done.min(4))).min(LONGEST) + JITTER)
        .sum();
    let early = !super::fault::is_committed(&alone);
    let worst = if early { each * terms.budget + waits } else { each };
    worst.min(longest(|clocks| clocks.total))
}

/// For people: whole seconds, minutes or hours, rounded up; nothing where no clock has to run out.
pub(super) fn shown(worst: Duration) -> String {
    let seconds = worst.as_millis().div_ceil(1000);
    match seconds {
        0 => "-".into(),
        1..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_rounded_up() {
        let shown_ms = |ms| shown(Duration::from_millis(ms));
        assert_eq!(
            [0, 1, 1000, 119_000, 121_000, 7_200_001].map(shown_ms),
            ["-", "1 s", "1 s", "119 s", "3 min", "3 h"]
        );
    }
}
