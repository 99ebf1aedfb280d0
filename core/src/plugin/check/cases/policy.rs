//! Decisions.

use tidegate_host::{Action, ActionKind, Pick, PluginError, PolicyInstance, abi};

use super::Bench;
use super::history::{Case, Histories};
use crate::plugin::check::bench::now;

const POSSIBLE: &str = "tidegate.h: RETRY is a target of the same group, FALLBACK one of another, and after COMMITTED only \
                        RAISE or CONTINUE is possible; the host makes RAISE of anything else";
const PURE: &str = "tidegate.h, `seed`: with the same input, the answer must be the same";
const RETURNS: &str = "tidegate.h, `decide`: TG_OK and an action";

fn decide(bench: &mut Bench, policy: &PolicyInstance, case: &Case) -> Option<Action> {
    let with = case.told();
    bench.trail.at("decide", &with);
    let answer = case.with(|history| now(policy.decide(history)));
    bench.judge("decide", &with, &answer);
    if let Err(error) = &answer
        && !matches!(error, PluginError::Panic(_) | PluginError::BadAnswer(..))
    {
        bench.find("decide", &with, error.to_string(), RETURNS);
    }
    answer.ok()
}

fn pick(bench: &mut Bench, policy: &PolicyInstance, case: &Case) -> Option<Pick> {
    let first = Case { attempts: Vec::new(), ..case.clone() };
    let with = first.told();
    bench.trail.at("pick", &with);
    let answer = first.with(|history| now(policy.pick(history)));
    bench.judge("pick", &with, &answer);
    answer.ok()
}

pub(super) fn decisions(bench: &mut Bench) {
    let Some(policy) = bench.policy() else { return };
    let mut kinds = [0; 4];
    for case in Histories::sane(5, 3000) {
        let _ = pick(bench, &policy, &case);
        let Some(action) = decide(bench, &policy, &case) else { continue };
        kinds[action.kind as usize] += 1;
        let Some(last) = case.attempts.last() else { continue };
        let group_of = |target: u32| case.names.get(target as usize).map(|(_, group)| group.as_str());
        let same = group_of(action.target) == group_of(last.target);
        let committed = last.flags & abi::attempt::COMMITTED != 0;
        let possible = match action.kind {
            ActionKind::Raise => true,
            ActionKind::Retry => same && !committed,
            ActionKind::Fallback => !same && !committed,
            ActionKind::Continue => committed,
        };
        if !possible {
            bench.find(
                "decide",
                &case.told(),
                format!("{:?} on target {}", action.kind, action.target),
                POSSIBLE,
            );
        }
    }
    let [raise, retry, fallback, go_on] = kinds;
    bench.did(format!("3000 histories: raise {raise}, retry {retry}, fallback {fallback}, continue {go_on}"));
}

pub(super) fn purity(bench: &mut Bench) {
    let (Some(one), Some(other)) = (bench.policy(), bench.policy()) else { return };
    for case in Histories::sane(6, 1000) {
        let told = (decide(bench, &one, &case), pick(bench, &one, &case));
        // Others in between: an answer may not depend on what was asked before.
        let beside = Case { behind: 1_000_000, ..case.clone() };
        for (policy, case, how) in [
            (&one, &case, "asked again"),
            (&other, &case, "asked of a second instance"),
            (&one, &beside, "with other elements beside the arrays"),
        ] {
            let again = (decide(bench, policy, case), pick(bench, policy, case));
            if again != told {
                bench.find(
                    "decide or pick",
                    &format!("{}, {how}", case.told()),
                    format!("{again:?} after {told:?}"),
                    PURE,
                );
            }
        }
    }
    bench.did("1000 histories, each four times");
}

pub(super) fn extremes(bench: &mut Bench) {
    let Some(policy) = bench.policy() else { return };
    for case in Histories::extreme(8, 5000) {
        let _ = decide(bench, &policy, &case);
        let _ = pick(bench, &policy, &case);
    }
    bench.did("5000 histories at the edge of what the types hold");
}
