//! What is counted of guards. Their names come from the configuration, at most 64 of them.

use std::time::Duration;

use prometheus::{Gauge, GaugeVec, Histogram, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec};

use super::Metrics;
use crate::guard::words::{ACTIONS, Answer, Class};

/// The families: the guards' thread keeps them.
#[derive(Clone, Debug)]
pub struct GuardFamilies {
    up: IntGaugeVec,
    found: IntGaugeVec,
    probes: IntCounterVec,
    seconds: HistogramVec,
    cpu: GaugeVec,
    actions: IntCounterVec,
    given_up: IntGaugeVec,
}

/// Of one guard.
#[derive(Clone, Debug)]
pub struct GuardSeries {
    name: String,
    up: IntGauge,
    found: IntGauge,
    probes: IntCounterVec,
    seconds: Histogram,
    cpu: Gauge,
    actions: IntCounterVec,
    given_up: IntGauge,
}

impl Metrics {
    /// See [`GuardFamilies`].
    pub fn of_guards(&self) -> GuardFamilies {
        GuardFamilies {
            up: self.guard_up.clone(),
            found: self.guard_found.clone(),
            probes: self.guard_probes.clone(),
            seconds: self.guard_seconds.clone(),
            cpu: self.guard_cpu.clone(),
            actions: self.guard_actions.clone(),
            given_up: self.guard_given_up.clone(),
        }
    }
}

impl GuardFamilies {
    /// The series of one guard, at 0 from here on.
    pub fn series(&self, name: &str) -> GuardSeries {
        for word in Answer::WORDS {
            self.probes.with_label_values(&[name, word]);
        }
        for class in Class::ALL {
            for action in ACTIONS {
                self.actions.with_label_values(&[name, class.word(), action]);
            }
        }
        GuardSeries {
            name: name.to_owned(),
            up: self.up.with_label_values(&[name]),
            found: self.found.with_label_values(&[name]),
            probes: self.probes.clone(),
            seconds: self.seconds.with_label_values(&[name]),
            cpu: self.cpu.with_label_values(&[name]),
            actions: self.actions.clone(),
            given_up: self.given_up.with_label_values(&[name]),
        }
    }

    /// It is guarded no more: what was so of it last would be so for ever. Only where no guard of the name runs, whose series
    /// would be lost.
    pub fn forget(&self, name: &str) {
        for family in [&self.up, &self.found, &self.given_up] {
            // It may never have been there.
            let _ = family.remove_label_values(&[name]);
        }
        let _ = self.cpu.remove_label_values(&[name]);
    }
}

impl GuardSeries {
    /// A probe had this result, took so long, and the process kept so many cores busy meanwhile.
    pub fn probed(&self, result: &str, took: Duration, cores: f64) {
        self.probes.with_label_values(&[&*self.name, result]).inc();
        self.seconds.observe(took.as_secs_f64());
        self.cpu.set(cores);
    }

    /// Whether it answered, whether there is a process to act on, and whether nothing more is done.
    pub fn state(&self, up: bool, found: bool, given_up: bool) {
        self.up.set(up.into());
        self.found.set(found.into());
        self.given_up.set(given_up.into());
    }

    /// Something was done, or not, for a reason.
    pub fn acted(&self, class: &str, action: &str) {
        self.actions.with_label_values(&[&*self.name, class, action]).inc();
    }
}
