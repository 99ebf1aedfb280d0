//! The families `process_*`: the crate's own, but CPU time to the microsecond. The crate counts whole seconds, in which a
//! process that uses a twentieth of a core stands still for twenty and then jumps.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Counter, MetricFamily};

const CPU: &str = "process_cpu_seconds_total";

/// The collector of this process.
pub(super) struct Process(ProcessCollector);

impl Process {
    pub(super) fn new() -> Self {
        Self(ProcessCollector::for_self())
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        let cpu = families.iter_mut().find(|family| family.name() == CPU);
        if let (Some(family), Ok(used)) = (cpu, getrusage(UsageWho::RUSAGE_SELF)) {
            let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
            for metric in family.mut_metric() {
                let mut counter = Counter::default();
                counter.set_value(seconds(used.user_time()) + seconds(used.system_time()));
                metric.set_counter(counter);
            }
        }
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu() -> f64 {
        let families = Process::new().collect();
        let family = families.iter().find(|family| family.name() == CPU).unwrap();
        family.get_metric()[0].get_counter().get_value()
    }

    #[test]
    fn cpu_time_moves_before_a_second_is_full() {
        let (before, mut after) = (cpu(), 0.0);
        // A tenth of a second of work: the test's own clock is the one that is tested.
        for _ in 0..1_000_000 {
            after = cpu();
            if after > before + 0.1 {
                break;
            }
        }
        assert!(after > before && after < before + 1.0, "from {before} to {after}");
    }
}
