//! The watchdog's settings, from the configuration.

use tidegate_watchdog::{Config, Mode};

use crate::config::{Watchdog, WatchdogMode};

pub(super) fn config(from: &Watchdog) -> Config {
    let mode = match from.mode {
        WatchdogMode::Enforce => Mode::Enforce,
        WatchdogMode::Observe => Mode::Observe,
        WatchdogMode::Off => Mode::Off,
    };
    let mut config = Config { mode, ..Config::default() };
    let rules = &mut config.rules;
    let set = |slot: &mut std::time::Duration, value: Option<std::time::Duration>| {
        if let Some(value) = value {
            *slot = value;
        }
    };
    if let Some(polls) = from.r1_polls {
        rules.r1.abort_polls = polls;
        rules.r1.warn_polls = rules.r1.warn_polls.min(polls);
    }
    set(&mut rules.r1.min_age, from.r1_age);
    set(&mut rules.r2.abort, from.r2_cpu);
    set(&mut rules.r4.abort_cpu, from.r4_cpu);
    set(&mut rules.r4.abort_wall, from.r4_wall);
    set(&mut rules.r4.demote_cpu, from.r4_demote);
    set(&mut rules.quarantine.window, from.quarantine.window);
    set(&mut rules.quarantine.trial, from.quarantine.trial);
    if let Some(after) = from.quarantine.after {
        rules.quarantine.after = after;
    }
    set(&mut rules.poke.after, from.r4p_after);
    rules.r2.warn = rules.r2.warn.min(rules.r2.abort);
    rules.r4.warn = rules.r4.warn.min(rules.r4.abort_cpu);
    config
}
