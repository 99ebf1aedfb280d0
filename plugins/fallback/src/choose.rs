//! One target out of several, by the strategy and then at random. Random only through the history's seed: same history, same choice.

use tidegate_plugin_sdk::History;

use crate::decide::Scene;
use crate::strategy::{self, Candidate};

/// The target and its delay: of the lowest order, then of the shortest delay, the best by the strategy.
pub(crate) fn soonest<'a>(
    scene: &Scene<'_>,
    candidates: impl Iterator<Item = Candidate<'a>>,
) -> Option<(u32, u64)> {
    let candidates: Vec<_> = candidates.collect();
    let best = candidates.iter().map(|(_, target, delay_ms)| (target.order, *delay_ms)).min()?;
    let best: Vec<_> =
        candidates.into_iter().filter(|(_, target, delay_ms)| (target.order, *delay_ms) == best).collect();

    let best = strategy::narrow(scene.config, best);
    let weigh = strategy::by_weight(scene.config);
    let total: u64 = best.iter().filter(|_| weigh).map(|(_, target, _)| u64::from(target.weight)).sum();
    let drawn = random(scene.history, u64::MAX);
    let (index, _, delay_ms) = if total == 0 {
        // No weights, or all of them 0: each as likely as the other.
        *best.get(usize::try_from(drawn.checked_rem(best.len() as u64)?).ok()?)?
    } else {
        let mut rest = drawn % total;
        *best.iter().find(|(_, target, _)| {
            let weight = u64::from(target.weight);
            let here = rest < weight;
            rest = rest.saturating_sub(weight);
            here
        })?
    };
    Some((index, delay_ms))
}

/// A number that depends on the history's seed, the attempt and the purpose. SplitMix64's output function.
pub(crate) fn random(history: &History<'_>, purpose: u64) -> u64 {
    let attempt = history.attempts.len() as u64;
    let mut x = history
        .seed
        .wrapping_add(attempt.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(purpose.wrapping_mul(0xD1B5_4A32_D192_ED03));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
