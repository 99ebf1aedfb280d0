//! What a client is promised, by rule from the fault and the configuration; no cell has a rule of its own.

use std::ops::RangeInclusive;

use tidegate_sim::{Dialect, Expect, Mode, fault_text, healthy_text};

use super::fault::{Fault, is_committed, is_normal, status};

/// Whether another group can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rescue {
    /// There is none.
    None,
    /// There is one, and it is well.
    Good,
    /// There is one that is well, and it goes on with a stream that broke off.
    Continued,
    /// There is one, and it fails in the same way.
    Failing,
}

/// What of a configuration the promises depend on.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) rescue: Rescue,
    /// Of the asked group's own deployments.
    pub(super) own: Vec<Dialect>,
    /// Of the groups that it falls back to.
    pub(super) others: Vec<Dialect>,
    /// Attempts that one request may make in all.
    pub(super) budget: u32,
    /// The configuration is the drill's own, and so simple that the number of attempts is known.
    pub(super) exact: Option<Exact>,
    /// A stall leaves time for another attempt.
    pub(super) patient: bool,
}

/// A group of one deployment and at most one fallback, itself of one deployment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact {
    pub(super) retries: u32,
    /// One failure puts the deployment aside for a minute, and the client asks twice.
    pub(super) cools: bool,
}

/// What must hold of one cell.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    /// For each time the client asks: what it may see, any of these.
    pub(super) asks: Vec<Vec<Expect>>,
    /// Upstream calls in all.
    pub(super) attempts: RangeInclusive<u32>,
}

impl Promise {
    /// Of a fault of the upstream.
    pub(super) fn of(fault: Fault, mode: Mode, terms: &Terms) -> Self {
        match terms.exact {
            Some(exact) => Self::exact(fault, mode, terms, exact),
            None => Self::bounded(fault, mode, terms),
        }
    }

    fn exact(fault: Fault, mode: Mode, terms: &Terms, exact: Exact) -> Self {
        let of = |dialects: &[Dialect]| dialects.first().map(|dialect| fault.alone(*dialect, mode));
        let alone = of(&terms.own).unwrap_or(Expect::Normal);
        let whole = Expect::Text(healthy_text());
        let once =
            |expect: Expect, attempts| Self { asks: vec![vec![expect]], attempts: attempts..=attempts };
        let saved = is_normal(&alone);
        if exact.cools {
            return if !saved && cools(fault, &alone) {
                let resting = Expect::Http { status: 429, retry_after: true };
                Self { asks: vec![vec![alone], vec![resting]], attempts: 1..=1 }
            } else {
                Self { asks: vec![vec![alone.clone()], vec![alone]], attempts: 2..=2 }
            };
        }
        let goes_on = may_pass(&alone) && !fault.ends_unmarked(&terms.own);
        if is_committed(&alone) && goes_on && terms.rescue == Rescue::Continued {
            return once(continued(), 2);
        }
        if saved || is_committed(&alone) {
            return once(alone, 1);
        }
        match terms.rescue {
            Rescue::Good | Rescue::Continued => once(whole, 2),
            Rescue::Failing if fault.passes() => once(whole, 2),
            Rescue::Failing => once(of(&terms.others).unwrap_or(alone), 2),
            Rescue::None if exact.retries > 0 && fault.passes() => once(whole, 2),
            Rescue::None if retryable(fault, &terms.own, &alone) => once(alone, 1 + exact.retries),
            Rescue::None => once(alone, 1),
        }
    }

    /// Somebody's own configuration: the truth about one of its upstreams, within the budget.
    fn bounded(fault: Fault, mode: Mode, terms: &Terms) -> Self {
        let alone = |dialects: &[Dialect]| -> Vec<Expect> {
            dialects.iter().map(|dialect| fault.alone(*dialect, mode)).collect()
        };
        let whole = Expect::Text(healthy_text());
        let own = alone(&terms.own);
        let early = |expect: &Expect| !is_normal(expect) && !is_committed(expect);
        let mut any: Vec<Expect> = match terms.rescue {
            // The client's own mistake is one everywhere: whether it is passed on is the policy's to say. A stall that
            // takes all of the request's time leaves none for a fallback.
            Rescue::Good | Rescue::Continued => {
                let last = |expect: &&Expect| {
                    let stall = matches!(expect, Expect::Stalled { .. } | Expect::Failed { .. });
                    // The bytes of a whole answer are its content, so a trickle ends with the total clock alone.
                    let trickle = mode == Mode::Whole && matches!(expect, Expect::Failed { .. });
                    !early(expect)
                        || !retryable(fault, &terms.own, expect)
                        || (stall && !terms.patient)
                        || trickle
                };
                own.iter().filter(last).cloned().collect()
            }
            _ => own.clone(),
        };
        if terms.rescue == Rescue::Failing {
            any.extend(alone(&terms.others));
        }
        if terms.rescue == Rescue::Continued {
            any.push(continued());
            if fault.is_flood() {
                // How much of it came before the break depends on the machine.
                any.push(Expect::Ending(healthy_text()));
            }
        }
        let rescued = matches!(terms.rescue, Rescue::Good | Rescue::Continued);
        if own.iter().any(early) && (rescued || (fault.passes() && terms.budget > 1)) {
            any.push(whole);
        }
        Self { asks: vec![any], attempts: 1..=terms.budget }
    }

    /// Of a client's fault.
    pub(super) fn of_client(most: u32, terms: &Terms) -> Self {
        let least = u32::from(most > 0);
        let most = if terms.exact.is_some() { most } else { most.saturating_mul(terms.budget) };
        Self { asks: Vec::new(), attempts: least..=most }
    }
}

/// The text before the break, and another upstream's answer behind it: the simulator does not read what was begun.
fn continued() -> Expect {
    Expect::Text(fault_text() + &healthy_text())
}

/// litellm's rule for a stream that broke off: an error of the request, or of who pays for it, comes back elsewhere.
fn may_pass(expect: &Expect) -> bool {
    status(expect).is_none_or(|status| matches!(status, 408 | 429 | 500..))
}

/// litellm retries 408, 409, 429 and 5xx, a quota apart.
fn retryable(fault: Fault, own: &[Dialect], expect: &Expect) -> bool {
    !fault.is_quota(own) && status(expect).is_none_or(|status| matches!(status, 408 | 409 | 429 | 500..))
}

/// litellm's list of statuses that put a deployment aside.
fn cools(fault: Fault, expect: &Expect) -> bool {
    let counts = |status| matches!(status, 401 | 402 | 404 | 408 | 429 | 500..);
    !fault.is_transport() && status(expect).is_none_or(counts)
}
