//! What the owner of a watchdog may choose: the mode, the size of the slab, the thresholds of each rule.

use std::time::Duration;

/// Whether verdicts act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// No thread is started and a probe costs one branch: nothing is counted.
    Off,
    /// Everything is counted and reported, nothing is aborted. Pokes still happen: they cannot hurt.
    Observe,
    /// Verdicts abort.
    #[default]
    Enforce,
}

/// Settings of one watchdog.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether verdicts act.
    pub mode: Mode,
    /// How many live streams can be watched at once. A stream beyond it still runs, unwatched, and is counted.
    /// Each takes 84 bytes.
    pub slots: usize,
    /// How often the workers are looked at.
    pub tick: Duration,
    /// How often all live streams are looked at.
    pub round: Duration,
    /// How many incidents are kept for [`Watchdog::incidents`](crate::Watchdog::incidents).
    pub incidents: usize,
    /// The thresholds.
    pub rules: Rules,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            slots: 16_384,
            tick: Duration::from_millis(10),
            round: Duration::from_millis(250),
            incidents: 256,
            rules: Rules::default(),
        }
    }
}

/// The thresholds of every rule. The defaults leave about three orders of magnitude to the healthy traffic that was
/// measured for them (a plain copy of 50 to 200 streams, slow clients, a saturated machine).
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// R1: consecutive polls that moved nothing.
    pub r1: NoProgress,
    /// R2: CPU spent since the last progress.
    pub r2: Cpu,
    /// R4: one poll that does not return.
    pub r4: StuckPoll,
    /// R4p: waking another worker while one is stuck.
    pub poke: Poke,
    /// How much may be aborted in all.
    pub brake: Brake,
    /// How often a rule has to find the same fault before it acts.
    pub strikes: Strikes,
    /// Plugins and deployments that are to blame.
    pub quarantine: Quarantine,
    /// Warnings beyond this many a minute and rule are only counted.
    pub warnings: Warnings,
}

/// R1. Never a rate: a runaway made 15 million polls a second on an idle machine and 199 on a saturated one, while a
/// healthy stream never made 2 in a row without progress on either.
#[derive(Debug, Clone)]
pub struct NoProgress {
    /// Warn from this many on.
    pub warn_polls: u32,
    /// Abort from this many on.
    pub abort_polls: u32,
    /// Never abort a streak younger than this.
    pub min_age: Duration,
}

impl Default for NoProgress {
    fn default() -> Self {
        Self { warn_polls: 200, abort_polls: 1_000, min_age: Duration::from_millis(500) }
    }
}

/// R2. Time in polls, confirmed by the worker threads' CPU clocks: time alone doubles when others want the cores.
#[derive(Debug, Clone)]
pub struct Cpu {
    /// Warn from here on.
    pub warn: Duration,
    /// Abort from here on.
    pub abort: Duration,
}

impl Default for Cpu {
    fn default() -> Self {
        Self { warn: Duration::from_millis(250), abort: Duration::from_secs(1) }
    }
}

/// R4. HAProxy's watchdog has the same two steps (warn at 100 ms, act after 1 to 2 s of thread CPU).
#[derive(Debug, Clone)]
pub struct StuckPoll {
    /// Warn, and call the worker stuck, when one poll used this much CPU.
    pub warn: Duration,
    /// The same when one poll took this long, though it used less CPU than that. Much longer, because polls on a
    /// machine with more work than cores take 100 ms without any fault of theirs (measured).
    pub warn_wall: Duration,
    /// Abort when one poll used this much CPU, and still runs one tick later.
    pub abort_cpu: Duration,
    /// Abort when one poll took this long, though it used less CPU than that: it is blocked.
    pub abort_wall: Duration,
    /// When a poll that was judged has used this much CPU, its thread runs only when nothing else wants to.
    pub demote_cpu: Duration,
}

impl Default for StuckPoll {
    fn default() -> Self {
        Self {
            warn: Duration::from_millis(100),
            warn_wall: Duration::from_secs(1),
            abort_cpu: Duration::from_secs(1),
            abort_wall: Duration::from_secs(10),
            demote_cpu: Duration::from_secs(3),
        }
    }
}

/// R4p. A stuck worker may be the one that waits for IO on behalf of all (tokio-rs/tokio#4730).
#[derive(Debug, Clone)]
pub struct Poke {
    /// Poke when a worker is in one poll for longer than this.
    pub after: Duration,
    /// At most this often.
    pub every: Duration,
}

impl Default for Poke {
    fn default() -> Self {
        Self { after: Duration::from_millis(20), every: Duration::from_millis(50) }
    }
}

/// The global brake. Many verdicts at once mean that something is wrong with all, and aborting all is no cure.
#[derive(Debug, Clone)]
pub struct Brake {
    /// Always allow this many aborts a minute.
    pub per_minute: usize,
    /// Allow more where this share of the live streams is more.
    pub share: f64,
}

impl Default for Brake {
    fn default() -> Self {
        Self { per_minute: 5, share: 0.05 }
    }
}

/// Hysteresis.
#[derive(Debug, Clone)]
pub struct Strikes {
    /// Rounds that must find a fault before it is acted on; a clean round takes one back.
    pub needed: u8,
}

impl Default for Strikes {
    fn default() -> Self {
        Self { needed: 2 }
    }
}

/// When who is to blame for verdicts is no longer asked, and for how long.
#[derive(Debug, Clone)]
pub struct Quarantine {
    /// Streams aborted by R1 or R2 within the window. One poll that does not return from a plugin is enough in any case.
    pub after: u32,
    /// The window.
    pub window: Duration,
    /// The pause before one request tries it again.
    pub trial: Duration,
}

impl Default for Quarantine {
    fn default() -> Self {
        Self { after: 3, window: Duration::from_secs(300), trial: Duration::from_secs(60) }
    }
}

/// The limit on warnings.
#[derive(Debug, Clone)]
pub struct Warnings {
    /// A minute, for each rule.
    pub per_minute: usize,
    /// Incidents that the owner reports, a minute and kind.
    pub reports_per_minute: usize,
}

impl Default for Warnings {
    fn default() -> Self {
        Self { per_minute: 5, reports_per_minute: 10 }
    }
}

impl Config {
    /// A sentence on the first setting that would make a rule fire on healthy streams, or never.
    pub fn check(&self) -> Result<(), String> {
        let Rules { r1, r2, r4, brake, strikes, quarantine, .. } = &self.rules;
        let fault = if self.tick.is_zero() {
            "tick must be longer than 0"
        } else if self.round < self.tick {
            "round must not be shorter than tick"
        } else if self.slots > u32::MAX as usize {
            "slots must be below 2^32"
        } else if r1.warn_polls < 2 {
            "r1.warn_polls must be at least 2: healthy streams reach 1"
        } else if r1.abort_polls < r1.warn_polls {
            "r1.abort_polls must not be below r1.warn_polls"
        } else if r2.warn.is_zero() || r2.abort < r2.warn {
            "r2.warn must be longer than 0 and not above r2.abort"
        } else if r4.warn.is_zero() || r4.abort_cpu < r4.warn || r4.abort_wall < r4.abort_cpu {
            "r4 must be in the order 0 < warn <= abort_cpu <= abort_wall"
        } else if r4.warn_wall < r4.warn || r4.abort_wall < r4.warn_wall {
            "r4 must be in the order warn <= warn_wall <= abort_wall"
        } else if !(0.0..=1.0).contains(&brake.share) {
            "brake.share must be between 0 and 1"
        } else if strikes.needed == 0 {
            "strikes.needed must be at least 1"
        } else if quarantine.after == 0 || quarantine.window.is_zero() {
            "quarantine.after must be at least 1, and quarantine.window longer than 0"
        } else {
            return Ok(());
        };
        Err(format!("watchdog: {fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_nonsense_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let mut bad = Config::default();
        bad.rules.r1.warn_polls = 1;
        assert!(bad.check().is_err_and(|e| e.contains("r1.warn_polls")));
        let mut bad = Config::default();
        bad.rules.r4.abort_cpu = Duration::from_millis(1);
        assert!(bad.check().is_err_and(|e| e.contains("r4")));
    }
}
