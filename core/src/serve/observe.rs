//! What looks on: the watchdog's settings, and the traces, from the configuration.

use tidegate_watchdog::{Config, Mode};

use crate::config::{self, ProcessEnv, Watchdog, WatchdogMode};
use crate::metrics::Metrics;
use crate::traces::{self, Traces};

/// Traces are made where an endpoint for them is named.
pub(super) fn traces(from: &config::Traces, metrics: &Metrics) -> std::io::Result<Traces> {
    let mut complain = |what: String| tracing::warn!("traces: {what}");
    let Some(settings) = traces::Settings::of(from, &ProcessEnv, &mut complain) else {
        return Ok(Traces::off(from.propagate));
    };
    #[cfg(feature = "otlp")]
    {
        let dropped = |reason| metrics.traces_dropped.with_label_values(&[reason]);
        // A key may stand in a query.
        let endpoint = settings.endpoint.split('?').next().unwrap_or_default();
        tracing::info!(endpoint, "traces are sent");
        let counts = traces::Counts {
            exported: metrics.traces_exported.clone(),
            full: dropped("queue"),
            refused: dropped("collector"),
        };
        Traces::start(settings, counts)
    }
    #[cfg(not(feature = "otlp"))]
    {
        let _ = (settings, metrics);
        tracing::warn!("traces: this build cannot send any: it was made without the feature `otlp`");
        Ok(Traces::off(from.propagate))
    }
}

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
    rules.r4.warn_wall = rules.r4.warn_wall.min(rules.r4.abort_wall);
    rules.r4.warn = rules.r4.warn.min(rules.r4.abort_cpu).min(rules.r4.warn_wall);
    config
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn short_thresholds_take_their_warnings_with_them() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let short = Watchdog {
            r1_polls: Some(2),
            r2_cpu: ms(1),
            r4_cpu: ms(20),
            r4_wall: ms(50),
            ..Watchdog::default()
        };
        assert_eq!(config(&short).check(), Ok(()));
        // Blocked is longer than busy: the watchdog says so itself.
        let odd = Watchdog { r4_cpu: ms(500), r4_wall: ms(50), ..Watchdog::default() };
        assert!(config(&odd).check().is_err());
    }
}
