//! A credential that expires, and its times.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// It is renewed this long before it expires.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// It is not used in its last seconds: the request has still to travel.
const MARGIN: Duration = Duration::from_secs(10);
/// A longer life than any that a provider grants, and one that clocks can add up.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Token<V: ?Sized> {
    value: Arc<V>,
    life: Duration,
    /// Both clocks must agree: the wall clock may be set back, the other may stand still while a machine is suspended.
    end: Instant,
    wall_end: SystemTime,
}

impl<V: ?Sized> Token<V> {
    pub(super) fn new(value: impl Into<Arc<V>>, life: Duration) -> Self {
        let life = life.min(LONGEST);
        let usable = life - MARGIN.min(life / 10);
        Self { value: value.into(), life, end: Instant::now() + usable, wall_end: SystemTime::now() + usable }
    }

    pub(super) fn value(&self) -> Arc<V> {
        Arc::clone(&self.value)
    }

    pub(super) fn is_valid(&self) -> bool {
        Instant::now() < self.end && SystemTime::now() < self.wall_end
    }

    /// How long after its arrival to ask for the next one.
    pub(super) fn renew_in(&self) -> Duration {
        self.life.saturating_sub(EARLY).max(self.life / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_is_five_minutes_early_or_at_half_life() {
        let renew = |secs| Token::<str>::new("t", Duration::from_secs(secs)).renew_in().as_secs();
        assert_eq!(renew(3600), 3300);
        assert_eq!(renew(600), 300);
        assert_eq!(renew(200), 100);
        assert_eq!(renew(2), 1);
    }

    #[test]
    fn an_endless_life_is_cut_and_a_zero_one_is_none() {
        assert!(Token::<str>::new("t", Duration::MAX).is_valid());
        assert!(!Token::<str>::new("t", Duration::ZERO).is_valid());
    }
}
