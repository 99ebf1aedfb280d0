//! The cases. Each is a promise of the contract, and the calls that could break it.

mod create;
mod failures;
mod history;
mod instances;
mod loads;
mod policy;
mod requests;
mod same;
mod streams;
mod timing;

use super::bench::Bench;

/// One case.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// What is asked, in a line.
    pub(super) asks: &'static str,
    pub(super) run: fn(&mut Bench),
}

macro_rules! cases {
    ($($name:literal $run:path, $asks:literal;)+) => {
        &[$(Case { name: $name, asks: $asks, run: $run }),+]
    };
}

/// All of them, in the order of the report. The first one decides whether there are others.
pub(super) const ALL: &[Case] = cases! {
    "loads" loads::loads, "it is a plugin, and nobody else can change it";
    "create" create::create, "a good configuration makes an instance, a bad one is refused with a reason";
    "self-test" create::self_test, "a sample failure is classified";
    "requests" requests::requests, "every request is answered: with one for the upstream, or with a reason";
    "answers" streams::answers, "an answer is the same wherever its reads end, and a whole one is told whole";
    "truncation" streams::truncation, "an answer that breaks off is never told as complete";
    "garbage" streams::garbage, "whatever comes, an answer of the contract";
    "errors" failures::errors, "an upstream's error is never told as an answer";
    "classify" failures::classify, "every failure is named";
    "limits" streams::limits, "a sink that is full ends the call";
    "determinism" same::determinism, "the same input, the same answer: twice, in two instances, in two processes";
    "concurrency" same::concurrency, "calls at the same time do not disturb each other";
    "balance" instances::balance, "what is opened and closed, created and destroyed, leaves nothing behind";
    "budget" timing::budget, "a call takes no more time than the contract gives it";
    "decisions" policy::decisions, "every history is answered, within what is possible";
    "purity" policy::purity, "the same history, the same answer, whatever lies beside it in memory";
    "extremes" policy::extremes, "histories at the edge of what the types hold are answered";
};

/// The case with this name.
pub(super) fn named(name: &str) -> Option<&'static Case> {
    ALL.iter().find(|case| case.name == name)
}
