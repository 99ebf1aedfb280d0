//! Medians, spreads and percentiles.

use serde::Serialize;

/// The middle of some values, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The median: of an even number of values, the mean of the two in the middle.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
    /// How many there were.
    pub(crate) count: usize,
}

impl Spread {
    /// The spread of `values`, or `None` of nothing.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max, count: sorted.len() })
    }
}

/// The interval that holds the true median of what `values` were drawn from with at least 95 % confidence, from
/// order statistics alone: no distribution is assumed. `None` under six values, where no such interval exists.
pub(crate) fn median_interval(values: &[f64]) -> Option<[f64; 2]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    // The interval from the k-th smallest to the k-th largest misses the median with probability
    // 2 * P(Binomial(n, 1/2) < k).
    let mut term = 0.5_f64.powi(i32::try_from(n).ok()?);
    let mut below = term;
    let mut k = 0;
    while 2.0 * below <= 0.05 {
        k += 1;
        term *= (n - k + 1) as f64 / k as f64;
        below += term;
    }
    (k > 0).then(|| [sorted[k - 1], sorted[n - k]])
}

/// Percentiles of a set of durations.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, Serialize)]
pub(crate) struct Percentiles {
    /// Half of them took at most this long, in microseconds.
    pub(crate) p50: f64,
    /// 99 in 100 took at most this long, in microseconds.
    pub(crate) p99: f64,
    /// The longest, in microseconds.
    pub(crate) max: f64,
}

impl Percentiles {
    /// The percentiles of `nanoseconds` by the nearest-rank method, or `None` of nothing.
    pub(crate) fn of(mut nanoseconds: Vec<u64>) -> Option<Self> {
        nanoseconds.sort_unstable();
        let rank = |share: usize| {
            let index = (nanoseconds.len() * share).div_ceil(100).checked_sub(1)?;
            nanoseconds.get(index).map(|&value| value as f64 / 1e3)
        };
        Some(Self { p50: rank(50)?, p99: rank(99)?, max: rank(100)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0, count: 3 }));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of(&[7.0]).map(|spread| (spread.min, spread.max)), Some((7.0, 7.0)));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn nearest_rank() {
        let hundred = Percentiles::of((1..=100).rev().map(|value| value * 1000).collect()).expect("some");
        assert_eq!(hundred, Percentiles { p50: 50.0, p99: 99.0, max: 100.0 });
        assert_eq!(Percentiles::of(vec![5000]), Some(Percentiles { p50: 5.0, p99: 5.0, max: 5.0 }));
        assert_eq!(Percentiles::of(vec![]), None);
    }

    #[test]
    fn median_intervals_match_the_published_ranks() {
        // Ranks for 95 %: n = 6 is 1..6, n = 10 is 2..9, n = 20 is 6..15 (any table of the sign test).
        for (n, low, high) in [(6, 1.0, 6.0), (10, 2.0, 9.0), (20, 6.0, 15.0)] {
            let values: Vec<f64> = (1..=n).map(f64::from).collect();
            assert_eq!(median_interval(&values), Some([low, high]), "n = {n}");
        }
        assert_eq!(median_interval(&[1.0; 5]), None);
    }
}
