//! The same input, the same answer.
use sha2::{Digest, Sha256};
use tidegate_host::{Class, FailureIn, Framing, Phase, ProviderInstance, RequestIn, abi};

use super::Bench;
use super::history::Histories;
use crate::plugin::check::bench::{now, small_input, spoken};
use crate::plugin::check::corpus::{self, MODEL_AT};
use crate::plugin::check::play::{self, BEHIND, CAPS, Play};
use crate::plugin::check::transcript::Transcript;

const SAME: &str =
    "the same: a call is a pure function of its input, what its stream was given before, and the seed";

/// Each kind of call once. What came back, in words.
fn all_calls(provider: &ProviderInstance, transcripts: &[Transcript], behind: u8) -> Vec<String> {
    let mut told = Vec::new();
    for body in
        corpus::requests().iter().chain(&corpus::bad_requests()).filter(|body| body.bytes.len() < 100_000)
    {
        let dialect = tidegate_host::Dialect::OpenaiChat;
        let model_span = (body.name == "one message").then_some(MODEL_AT);
        let input =
            RequestIn { dialect, stream: true, model: "model", body: &body.bytes, model_span, headers: &[] };
        told.push(format!("request, {}: {:?}", body.name, now(provider.request(&input))));
    }
    for it in transcripts {
        let play = Play { provider, framing: it.framing, caps: CAPS, behind, what: "", trail: None };
        told.push(format!("stream, {}: {:?}", it.name, play.chunks([&it.bytes[..]])));
    }
    for (name, error) in corpus::ERRORS {
        let failure = FailureIn {
            phase: Phase::Stream,
            http_status: 200,
            headers: &[],
            event: b"",
            body: error.as_bytes(),
            unix_ms: 1_767_225_600_000,
            bytes_to_client: 0,
        };
        let class = Class {
            error: abi::error::SERVER,
            http_status: 502,
            retryable: true,
            quota: false,
            retry_after_ms: None,
        };
        told.push(format!("classify, {name}: {:?}", now(provider.classify(&failure, class))));
        told.push(format!(
            "response, {name}: {:?}",
            now(provider.response(&play::head(Framing::Auto), error.as_bytes()))
        ));
    }
    told
}

pub(super) fn determinism(bench: &mut Bench) {
    let mut told = Vec::new();
    if bench.plugin.provider().is_some() {
        let (Some((one, _)), Some((other, _))) = (bench.provider(), bench.provider()) else { return };
        let transcripts: Vec<Transcript> =
            bench.transcripts(spoken(bench, &one)).into_iter().map(|(it, _)| it).collect();
        bench.trail.at("request, the functions of streams, classify", "everything once");
        let first = all_calls(&one, &transcripts, 0);
        for (provider, behind, how) in [
            (&one, 0, "a second time"),
            (&one, b'x', "with other bytes behind what it was lent"),
            (&other, 0, "in a second instance"),
        ] {
            bench.trail.at("request, the functions of streams, classify", how);
            for (a, b) in first.iter().zip(all_calls(provider, &transcripts, behind)).filter(|(a, b)| *a != b)
            {
                let (call, input) =
                    a.split(':').next().and_then(|at| at.split_once(", ")).unwrap_or_default();
                bench.find(call, &format!("{input}, {how}"), difference(a, &b), SAME);
            }
        }
        told.extend(first);
    }
    if bench.plugin.policy().is_some() {
        let Some(policy) = bench.policy() else { return };
        bench.trail.at("decide and pick", "histories");
        for history in Histories::sane(7, 300) {
            told.push(history.with(|history| {
                format!("{:?} {:?}", now(policy.decide(history)), now(policy.pick(history)))
            }));
        }
    }
    let digest = told.iter().fold(Sha256::new(), |digest, line| digest.chain_update(line));
    bench.verdict.digest = Some(tidegate_host::hex(digest.finalize()));
    bench.did(format!("{} calls, in two instances and two processes", told.len()));
}

/// Both from shortly before where they part.
fn difference(a: &str, b: &str) -> String {
    let parts = a.chars().zip(b.chars()).position(|(a, b)| a != b).unwrap_or(0);
    let piece = |text: &str| text.chars().skip(parts.saturating_sub(20)).take(80).collect::<String>();
    format!("\"{}\", and then \"{}\"", piece(a), piece(b))
}

const THREADS: usize = 4;
const ROUNDS: usize = 10;

/// Recorded answers, and copies of them with a few bytes changed.
fn many_answers(bench: &Bench, provider: &ProviderInstance) -> Vec<Transcript> {
    let mut answers = Vec::new();
    for (it, own) in bench.transcripts(spoken(bench, provider)) {
        let changed = corpus::mutants(&it.bytes, if own { 24 } else { 2 });
        answers.extend(changed.into_iter().map(|bytes| Transcript { bytes, ..it.clone() }));
        answers.push(it);
    }
    answers
}

/// Plays all, beginning with one of them; what came of each, in their own order, with a request after each.
fn in_order(provider: &ProviderInstance, answers: &[Transcript], first: usize) -> Vec<String> {
    let mut told = vec![String::new(); answers.len()];
    for n in 0..answers.len() {
        let at = (first + n) % answers.len();
        let it = &answers[at];
        let play = Play { provider, framing: it.framing, caps: CAPS, behind: BEHIND, what: "", trail: None };
        let request = now(provider.request(&small_input(at.is_multiple_of(2))));
        told[at] = format!("{:?} {request:?}", play.chunks([&it.bytes[..]]));
    }
    told
}

pub(super) fn concurrency(bench: &mut Bench) {
    if let Some(policy) = bench.plugin.policy().and_then(|_| bench.policy()) {
        let histories: Vec<_> = Histories::sane(11, 200).collect();
        let ask = |histories: &[super::history::Case]| -> Vec<String> {
            histories
                .iter()
                .map(|case| case.with(|history| format!("{:?}", now(policy.decide(history)))))
                .collect()
        };
        bench.trail.at("decide", "200 histories");
        let alone = ask(&histories);
        bench.trail.at("decide", "200 histories on four threads at once");
        let others: Vec<Vec<String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| scope.spawn(|| (0..ROUNDS).map(|_| ask(&histories)).next_back()))
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
        });
        if others.iter().any(|other| *other != alone) {
            bench.find(
                "decide",
                "200 histories on four threads at once",
                "other answers than on one",
                THREADS_ASK,
            );
        }
    }
    if bench.plugin.provider().is_some() {
        let Some((provider, _)) = bench.provider() else { return };
        let answers = many_answers(bench, &provider);
        bench.trail.at("the functions of streams", "many answers, one after the other");
        let alone = in_order(&provider, &answers, 0);
        let mut torn = 0;
        for round in 0..ROUNDS {
            bench.trail.at(
                "the functions of streams",
                &format!("many answers on four threads at once, round {round}"),
            );
            let others: Vec<Vec<String>> = std::thread::scope(|scope| {
                // Each begins elsewhere: threads that do the same at the same time do not disturb each other.
                let begins = (0..THREADS).map(|n| n * answers.len() / THREADS + n);
                let threads: Vec<_> = begins
                    .map(|first| {
                        scope.spawn({
                            let (provider, answers) = (&provider, &answers);
                            move || in_order(provider, answers, first)
                        })
                    })
                    .collect();
                threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
            });
            torn += others.iter().filter(|other| **other != alone).count();
        }
        if torn > 0 {
            let came = format!("other answers than on one thread, {torn} times in {}", ROUNDS * THREADS);
            bench.find(
                "the functions of streams of one instance",
                "many answers on four threads at once",
                came,
                THREADS_ASK,
            );
        }
    }
    bench.verdict.skipped = None;
    bench.did(format!("one instance on {THREADS} threads, {ROUNDS} rounds"));
}

const THREADS_ASK: &str = "tidegate.h: calls that take an instance may come at the same time on any threads";
