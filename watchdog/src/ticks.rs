//! The clock of the probes: raw ticks of the time-stamp counter where it is sound, else of the monotonic clock.

use quanta::Clock;

/// Reads ticks and turns differences of them into time.
#[derive(Debug, Clone)]
pub(crate) struct Ticks {
    clock: Clock,
    /// Nanoseconds in 2^32 ticks.
    scale: u64,
}

impl Ticks {
    /// Takes up to 200 ms the first time in a process, when the counter is calibrated.
    pub(crate) fn new() -> Self {
        Self::with(Clock::new())
    }

    pub(crate) fn with(clock: Clock) -> Self {
        // From now on, not from 0: the clock cannot scale ticks before its own calibration.
        let base = clock.raw();
        let scale = clock.delta_as_nanos(base, base.wrapping_add(1 << 32));
        Self { clock, scale }
    }

    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.clock.raw()
    }

    /// Nanoseconds in so many ticks.
    #[inline]
    pub(crate) fn nanos(&self, ticks: u64) -> u64 {
        ((u128::from(ticks) * u128::from(self.scale)) >> 32) as u64
    }

    /// Nanoseconds from one reading to a later one; 0 when it is not later (cores may differ by a few ticks).
    #[inline]
    pub(crate) fn between(&self, start: u64, end: u64) -> u64 {
        self.nanos(end.saturating_sub(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_scaled_to_time() {
        let ticks = Ticks::new();
        let (start, clock) = (ticks.now(), std::time::Instant::now());
        while clock.elapsed().as_millis() < 20 {}
        let nanos = ticks.between(start, ticks.now());
        assert!((19_000_000..10_000_000_000).contains(&nanos), "{nanos} ns for 20 ms or a little more");
        assert_eq!(ticks.between(5, 4), 0);
    }
}
