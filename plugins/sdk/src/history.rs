//! What has happened to one request, as a policy sees it. Times are milliseconds since the request came.

use crate::{Action, ErrorKind};

/// One attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Index in [`History::targets`].
    pub target: u32,
    /// How it failed.
    pub error: ErrorKind,
    /// The upstream's status.
    pub http_status: u32,
    /// The same request may succeed later.
    pub retryable: bool,
    /// A quota that does not come back in minutes.
    pub quota: bool,
    /// Content had gone to the client.
    pub committed: bool,
    /// When it began.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// How long the upstream asked to wait, when it said so.
    pub retry_after_ms: Option<u64>,
    /// Bytes that went to the client.
    pub bytes_to_client: u64,
}

/// One deployment that the request could go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target<'a> {
    /// Of the deployment.
    pub id: &'a str,
    /// The model group that it serves.
    pub group: &'a str,
    /// Its weight.
    pub weight: u32,
    /// Its order: lower first.
    pub order: u32,
    /// Its provider is quarantined, or it is at its limit of parallel calls.
    pub unavailable: bool,
    /// Its group follows a prompt that is too long or refused, and no other failure.
    pub special: bool,
    /// Calls in flight.
    pub inflight: u32,
    /// Failures over the last 60 s, this one included.
    pub fails_minute: u32,
    /// Successes over the last 60 s.
    pub oks_minute: u32,
    /// What is left of its cooldown; 0: none.
    pub cooldown_ms: u64,
    /// A moving average to the first content; 0: not known.
    pub latency_us: u64,
    /// Failures of which none came later after the one before than the target's cooldown time, this one included. 0
    /// from a host of minor 0, which does not say.
    pub fails_recent: u32,
    /// Calls that began in this minute of the clock; 0 also where they are not counted.
    pub requests_minute: u32,
    /// The same of the tokens that its answers cost.
    pub tokens_minute: u64,
    /// An average over the last answers of the request's kind, in microseconds: to the first content of a stream, by token
    /// of a whole answer. 0: not known.
    pub answer_us: u64,
    /// The price of a token of the prompt, in 1e-12 US dollars; `None`: not known.
    pub input_cost: Option<u64>,
    /// The price of a token of the answer, in 1e-12 US dollars; `None`: not known.
    pub output_cost: Option<u64>,
    /// A moving average from the call to the end of a good answer, in microseconds; 0: not known.
    pub total_us: u64,
}

/// What has happened to one request.
#[derive(Clone, Debug, Default)]
pub struct History<'a> {
    /// Now.
    pub now_ms: u64,
    /// When the request's time is up.
    pub deadline_ms: u64,
    /// A random number.
    pub seed: u64,
    /// Attempts that the budget still holds.
    pub attempts_left: u32,
    /// Retries that the group's bucket still holds.
    pub retry_tokens: u32,
    /// The group that the client asked for.
    pub group: &'a str,
    /// Request-level options, a JSON object, or empty.
    pub options: &'a str,
    /// Oldest first; empty when `pick` is asked for the first target.
    pub attempts: Vec<Attempt>,
    /// Every deployment of the group and of the groups it can fall back to.
    pub targets: Vec<Target<'a>>,
    /// Whether the client wants a stream; `None` from a host of a minor below 2, which does not say.
    pub stream: Option<bool>,
    /// About how long the prompt is, by the request's bytes; 0: not known.
    pub prompt_tokens: u64,
}

impl Target<'_> {
    /// Whether it can be called now.
    pub fn is_free(&self) -> bool {
        !self.unavailable && self.cooldown_ms == 0
    }
}

impl<'a> History<'a> {
    /// The attempt that failed just now.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The target of an attempt.
    pub fn target_of(&self, attempt: &Attempt) -> Option<&Target<'a>> {
        self.targets.get(usize::try_from(attempt.target).ok()?)
    }

    /// The group that the request is in: that of its last attempt, else the one that the client asked for.
    pub fn here(&self) -> &'a str {
        self.last().and_then(|last| self.target_of(last)).map_or(self.group, |target| target.group)
    }

    /// The targets that can be called now, with their indices.
    pub fn free(&self) -> impl Iterator<Item = (u32, &Target<'a>)> {
        (0..).zip(&self.targets).filter(|(_, target)| target.is_free())
    }

    /// The last attempt of this request on a target.
    pub fn last_on(&self, target: u32) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| attempt.target == target)
    }

    /// The answer that goes to a target after a delay: a retry in the group that the request is in, else a fallback.
    pub fn go_to(&self, target: u32, delay_ms: u64) -> Action {
        match usize::try_from(target).ok().and_then(|index| self.targets.get(index)) {
            Some(there) if there.group == self.here() => Action::retry(target, delay_ms),
            Some(_) => Action::fallback(target, delay_ms),
            None => Action::raise(),
        }
    }

    /// One of several, by weight; where all weights are 0, each as likely as the other. The same history gives the same one.
    pub fn draw(&self, from: &[(u32, &Target<'_>)]) -> Option<u32> {
        let total: u64 = from.iter().map(|(_, target)| u64::from(target.weight)).sum();
        let drawn = self.random();
        if total == 0 {
            let at = drawn.checked_rem(from.len() as u64)?;
            return from.get(usize::try_from(at).ok()?).map(|(index, _)| *index);
        }
        let mut rest = drawn % total;
        let hit = from.iter().find(|(_, target)| {
            let weight = u64::from(target.weight);
            let here = rest < weight;
            rest = rest.saturating_sub(weight);
            here
        });
        hit.map(|(index, _)| *index)
    }

    /// A number that follows from the seed and the number of attempts alone. SplitMix64's output function.
    pub fn random(&self) -> u64 {
        let mut x = self.seed.wrapping_add((self.attempts.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(group: &'static str, weight: u32) -> Target<'static> {
        Target { group, weight, ..Target::default() }
    }

    #[test]
    fn a_target_of_the_group_is_a_retry_and_another_a_fallback() {
        let mut history = History {
            group: "a",
            targets: vec![target("a", 1), target("b", 1), target("b", 1)],
            ..History::default()
        };
        let go = |history: &History<'_>| [0, 1, 2, 3].map(|index| history.go_to(index, 7));
        let (retry, fallback) = (|index| Action::retry(index, 7), |index| Action::fallback(index, 7));
        assert_eq!(go(&history), [retry(0), fallback(1), fallback(2), Action::raise()]);
        history.attempts =
            vec![Attempt::default(), Attempt { target: 1, http_status: 500, ..Attempt::default() }];
        assert_eq!(history.here(), "b");
        assert_eq!(go(&history), [fallback(0), retry(1), retry(2), Action::raise()]);
        assert_eq!(history.last_on(1).map(|attempt| attempt.http_status), Some(500));
        assert_eq!(history.last_on(2), None);
    }

    #[test]
    fn a_draw_goes_by_weight_and_the_history_alone() {
        let (none, three, one) = (target("a", 0), target("a", 3), target("a", 1));
        let drawn = |from: &[(u32, &Target<'_>)]| {
            let mut counts = [0; 3];
            for seed in 0..4000 {
                let history = History { seed, ..History::default() };
                assert_eq!(history.draw(from), history.draw(from));
                counts[history.draw(from).unwrap() as usize] += 1;
            }
            counts
        };
        let counts = drawn(&[(0, &none), (1, &three), (2, &one)]);
        assert!(counts[0] == 0 && (2800..3200).contains(&counts[1]), "{counts:?}");
        let equal = drawn(&[(0, &none), (1, &none)]);
        assert!((1800..2200).contains(&equal[0]), "{equal:?}");
        assert_eq!(History::default().draw(&[]), None);
    }

    #[test]
    fn what_rests_or_is_away_is_not_free() {
        let free = |change: fn(&mut Target<'static>)| {
            let mut target = target("a", 1);
            change(&mut target);
            History { targets: vec![target], ..History::default() }.free().count()
        };
        assert_eq!(free(|_| {}), 1);
        assert_eq!(free(|target| target.cooldown_ms = 1), 0);
        assert_eq!(free(|target| target.unavailable = true), 0);
    }
}
