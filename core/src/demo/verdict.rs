//! What one row came to, and whether it is right.

use std::time::Duration;

use tidegate_sim::{Expect, healthy_text};

use super::cpu::CALM_PERCENT;
use super::outcome::Outcome;
use super::scrape::Scrapes;

/// The longest silence that a neighbour may see. Its chunks come every 40 ms; a loaded machine adds to that (466 ms
/// measured on two cores with three busy loops beside it), a proxy that hangs never comes back.
const SANE_GAP: Duration = Duration::from_secs(2);

/// What was measured while a row was played.
#[derive(Debug)]
pub(super) struct Measured {
    /// The faulty streams: provider, what is right, what came.
    pub(super) clients: Vec<(&'static str, Expect, Outcome)>,
    /// The healthy streams beside them: provider, what came, its longest silence.
    pub(super) neighbours: Vec<(&'static str, Outcome, Duration)>,
    /// The proxy's CPU, in per cent of a core, within a second of the faults; `None` where it is gone.
    pub(super) cpu: Option<f64>,
    /// `/metrics` meanwhile.
    pub(super) scrapes: Scrapes,
}

/// A row, judged.
#[derive(Debug)]
pub(super) struct Verdict {
    /// What each provider's client got.
    pub(super) clients: Vec<(&'static str, Outcome)>,
    pub(super) clients_right: bool,
    pub(super) cpu: Option<f64>,
    /// Every neighbour got its whole text, without a long silence.
    pub(super) neighbours_whole: bool,
    /// The longest silence of any.
    pub(super) gap: Duration,
    /// Sentences: what was expected and what came.
    pub(super) problems: Vec<String>,
}

impl Verdict {
    pub(super) fn of(measured: Measured) -> Self {
        let mut problems = Vec::new();
        for (provider, expect, outcome) in &measured.clients {
            if !outcome.is(expect) {
                problems.push(format!("{provider}/: expected {}; got {outcome}", sentence(expect)));
            }
        }
        let clients_right = problems.is_empty();
        let whole = Expect::Text(healthy_text());
        let before = problems.len();
        for (provider, outcome, gap) in &measured.neighbours {
            if !outcome.is(&whole) {
                problems
                    .push(format!("the neighbour on {provider}/: expected its whole text; got {outcome}"));
            } else if *gap > SANE_GAP {
                problems.push(format!("the neighbour on {provider}/ heard nothing for {gap:.0?}"));
            }
        }
        let neighbours_whole = problems.len() == before;
        match measured.cpu {
            Some(percent) if percent < CALM_PERCENT => {}
            Some(percent) => {
                problems.push(format!("the proxy still used {percent:.0} % of a core after a second"));
            }
            None => problems.push("the proxy is gone".into()),
        }
        let Scrapes { asked, answered, .. } = measured.scrapes;
        if !measured.scrapes.all_answered() {
            problems.push(format!("/metrics answered {answered} of {asked} times"));
        }
        Self {
            clients_right,
            cpu: measured.cpu,
            neighbours_whole,
            gap: measured.neighbours.iter().map(|(.., gap)| *gap).max().unwrap_or_default(),
            clients: measured.clients.into_iter().map(|(provider, _, outcome)| (provider, outcome)).collect(),
            problems,
        }
    }

    /// Everything is as it must be.
    pub(super) fn is_right(&self) -> bool {
        self.problems.is_empty()
    }

    /// One cell for all providers, where they agree.
    pub(super) fn client(&self, wide: bool) -> String {
        let words = |outcome: &Outcome| if wide { outcome.long() } else { outcome.short() };
        let mut all = self.clients.iter().map(|(_, outcome)| words(outcome));
        let Some(first) = all.next() else { return "-".into() };
        if all.all(|words| words == first) { first } else { "differs".into() }
    }
}

fn sentence(expect: &Expect) -> String {
    match expect {
        Expect::Text(text) => format!("a normal end after {} bytes of text", text.len()),
        Expect::Http { status, retry_after: true } => {
            format!("HTTP {status} with the upstream's Retry-After")
        }
        Expect::Http { status, .. } => format!("HTTP {status}"),
        Expect::Error { status, .. } => format!("error {status} after three chunks, and no [DONE]"),
        Expect::Truncated => "error \"truncated upstream\" after three chunks, and no [DONE]".into(),
        Expect::Malformed => "error \"malformed upstream\" after three chunks, and no [DONE]".into(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Measured {
        let http = Expect::Http { status: 429, retry_after: false };
        let told = Outcome::Http { status: 429, retry_after: Some("1".into()) };
        Measured {
            clients: vec![("openai", http.clone(), told.clone()), ("gemini", http, told)],
            neighbours: vec![("openai", Outcome::Normal(healthy_text()), Duration::from_millis(41))],
            cpu: Some(1.0),
            scrapes: Scrapes { asked: 9, answered: 9, slowest: Duration::ZERO },
        }
    }

    #[test]
    fn a_good_row_is_right() {
        let verdict = Verdict::of(good());
        assert!(verdict.is_right(), "{:?}", verdict.problems);
        assert_eq!(verdict.client(false), "HTTP 429, 1 s");
    }

    #[test]
    fn each_fault_alone_makes_a_row_wrong() {
        let lie = || Outcome::Normal(String::new());
        type Spoil = fn(&mut Measured, Outcome);
        let faults: [(&str, Spoil); 6] = [
            ("gemini/: expected HTTP 429", |row, lie| row.clients[1].2 = lie),
            ("the neighbour on openai/: expected its whole text", |row, lie| row.neighbours[0].1 = lie),
            ("heard nothing for", |row, _| row.neighbours[0].2 = SANE_GAP * 2),
            ("still used 97 %", |row, _| row.cpu = Some(97.0)),
            ("is gone", |row, _| row.cpu = None),
            ("answered 8 of 9", |row, _| row.scrapes.answered = 8),
        ];
        for (words, spoil) in faults {
            let mut row = good();
            spoil(&mut row, lie());
            let verdict = Verdict::of(row);
            assert!(!verdict.is_right(), "{words}");
            assert!(verdict.problems[0].contains(words), "{:?}", verdict.problems);
        }
    }

    #[test]
    fn providers_that_differ_are_not_one_cell() {
        let mut row = good();
        row.clients[1].2 = Outcome::Http { status: 500, retry_after: None };
        assert_eq!(Verdict::of(row).client(true), "differs");
    }
}
