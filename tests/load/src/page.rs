//! The results as a page of Markdown and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::floors::{self, Outcome, Verdict};
use crate::report::{Metric, Ratio, compare};
use crate::run::PACE_HZ;
use crate::sample::Sample;
use crate::table::{markdown, number};

/// All that a run of the benchmarks found.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    /// Facts about the machine and the run, in order.
    pub(crate) notes: Vec<(String, String)>,
    /// Each target against nginx.
    pub(crate) main: Vec<Metric>,
    /// The watchdog on against off.
    pub(crate) watchdog: Vec<Metric>,
    /// The floors.
    pub(crate) floors: Vec<Outcome>,
    /// Cells with wrong answers; their numbers mean nothing.
    pub(crate) faults: Vec<String>,
    /// Cells whose numbers are right but say less than they should.
    pub(crate) doubts: Vec<String>,
}

impl Results {
    /// Works the samples out.
    pub(crate) fn of(samples: &[Sample], notes: Vec<(String, String)>) -> Self {
        let main = compare(samples, "main", floors::BASELINE);
        let watchdog = compare(samples, "watchdog", floors::WATCHDOG_OFF);
        let floors = floors::check(&main, &watchdog);
        let faults = samples
            .iter()
            .filter(|sample| sample.errors > 0 || sample.answers + sample.events == 0)
            .map(fault);
        Self { notes, floors, faults: faults.collect(), doubts: doubts(samples), main, watchdog }
    }

    /// Some floor was measured, and none was missed.
    pub(crate) fn floors_hold(&self) -> bool {
        let any = |verdict| self.floors.iter().any(|outcome| outcome.verdict == verdict);
        any(Verdict::Met) && !any(Verdict::Missed)
    }

    /// The page.
    pub(crate) fn markdown(&self) -> String {
        let mut page = "# Benchmark results\n\n".to_owned();
        for (name, value) in &self.notes {
            page.push_str(&format!("- {name}: {value}\n"));
        }
        section(&mut page, "Against nginx", &self.main, floors::BASELINE);
        section(&mut page, "Watchdog on against off", &self.watchdog, floors::WATCHDOG_OFF);
        page.push_str("\n## Floors\n\n");
        page.push_str(&floor_table(&self.floors));
        list(&mut page, "Faults: the numbers of these cells mean nothing", &self.faults);
        list(&mut page, "Doubts: the machine was busy, or the target too slow", &self.doubts);
        page
    }
}

fn fault(sample: &Sample) -> String {
    let Sample { target, round, answers, errors, first_error, .. } = sample;
    let first = first_error.as_deref().unwrap_or("no answer in the whole window");
    format!(
        "{} {target} round {round}: {answers} right answers, {errors} wrong; first: {}",
        sample.key(),
        one_line(first)
    )
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// A paced stream that lags is cheaper by the event, because late events come in bunches: such cells must not be
/// taken for good ones. One line for each target that had some.
fn doubts(samples: &[Sample]) -> Vec<String> {
    let due = |sample: &Sample| sample.connections as f64 * f64::from(PACE_HZ);
    let mut lagging: BTreeMap<(&str, &str), Vec<&Sample>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.case == "paced") {
        if sample.events_per_second() < 0.9 * due(sample) {
            lagging.entry((&sample.group, &sample.target)).or_default().push(sample);
        }
    }
    let line = |((group, target), cells): (_, Vec<&Sample>)| {
        let slowest = cells.iter().map(|cell| cell.events_per_second() / due(cell)).fold(1.0, f64::min);
        format!(
            "{group} paced {target}: {} cells lagged, the worst at {:.0} % of the pace",
            cells.len(),
            slowest * 100.0
        )
    };
    lagging.into_iter().map(line).collect()
}

fn list(page: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    page.push_str(&format!("\n## {title}\n\n"));
    for line in lines {
        page.push_str(&format!("- {line}\n"));
    }
}

fn section(page: &mut String, title: &str, metrics: &[Metric], baseline: &str) {
    if metrics.is_empty() {
        return;
    }
    let names: BTreeSet<&str> =
        metrics.iter().flat_map(|metric| metric.targets.keys()).map(String::as_str).collect();
    let compared: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| metrics.iter().any(|metric| metric.ratios.contains_key(*name)))
        .collect();
    let mut header = vec!["case".to_owned(), "measure".to_owned()];
    header.extend(names.iter().map(|&name| name.to_owned()));
    header.extend(compared.iter().map(|name| format!("{name} / {baseline} (min-max)")));
    let rows: Vec<Vec<String>> = metrics
        .iter()
        .map(|metric| {
            let mut row = vec![metric.key.clone(), format!("{}, {}", metric.name, metric.unit)];
            row.extend(
                names
                    .iter()
                    .map(|&name| metric.targets.get(name).map_or("-".to_owned(), |s| number(s.median))),
            );
            row.extend(compared.iter().map(|&name| metric.ratios.get(name).map_or("-".to_owned(), ratio)));
            row
        })
        .collect();
    page.push_str(&format!("\n## {title}\n\n{}", markdown(&header, 2, &rows)));
}

fn ratio(ratio: &Ratio) -> String {
    let spread = &ratio.spread;
    let mut text = format!("{:.3} ({:.3}-{:.3})", spread.median, spread.min, spread.max);
    if let Some([low, high]) = ratio.interval {
        text.push_str(&format!(" 95 %: {low:.3}-{high:.3}"));
    }
    text
}

fn floor_table(outcomes: &[Outcome]) -> String {
    let header = ["floor", "limit", "measured (min-max)", "95 % interval", "verdict"].map(str::to_owned);
    let rows: Vec<Vec<String>> = outcomes
        .iter()
        .map(|outcome| {
            let shown = |value: f64| if value < 10.0 { format!("{value:.3}") } else { number(value) };
            let measured = outcome.measured.map_or("-".to_owned(), |spread| {
                format!("{} ({}-{})", shown(spread.median), shown(spread.min), shown(spread.max))
            });
            let interval = outcome
                .interval
                .map_or("-".to_owned(), |[low, high]| format!("{}-{}", shown(low), shown(high)));
            let verdict = match (outcome.verdict, outcome.close) {
                (Verdict::Met, false) => "met",
                (Verdict::Met, true) => "met, not for sure",
                (Verdict::Missed, false) => "MISSED",
                (Verdict::Missed, true) => "MISSED, not for sure",
                (Verdict::NotMeasured, _) => "not measured",
            };
            vec![outcome.name.clone(), outcome.limit.clone(), measured, interval, verdict.to_owned()]
        })
        .collect();
    markdown(&header, 1, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    fn results(tidegate: f64, errors: u64) -> Results {
        let mut ours = sample("tidegate", "request", 16, 1, tidegate);
        (ours.errors, ours.first_error) = (errors, (errors > 0).then(|| "status 503:\r\nbusy".to_owned()));
        let samples = [sample("nginx", "request", 16, 1, 10.0), ours];
        Results::of(&samples, vec![("cores".to_owned(), "2".to_owned())])
    }

    #[test]
    fn the_page_shows_ratios_floors_and_no_faults() {
        let page = results(11.0, 0).markdown();
        assert!(page.contains("- cores: 2\n"), "{page}");
        assert!(page.contains("1.100 (1.100-1.100)"), "{page}");
        assert!(page.contains("at most 1.60 x nginx"), "{page}");
        assert!(!page.contains("Faults") && !page.contains("Watchdog on"), "{page}");
    }

    #[test]
    fn wrong_answers_are_named() {
        let results = results(11.0, 3);
        assert_eq!(results.faults.len(), 1);
        assert!(results.markdown().contains("3 wrong; first: status 503: busy\n"));
    }

    #[test]
    fn a_lagging_pace_is_a_doubt_not_a_fault() {
        let doubts = |events| {
            let paced = Sample { events, ..sample("nginx", "paced", 50, 1, 9.0) };
            let results = Results::of(&[paced], Vec::new());
            assert!(results.faults.is_empty());
            results.doubts.len()
        };
        assert_eq!((doubts(45_000), doubts(44_000)), (0, 1));
    }

    #[test]
    fn floors_hold_only_when_measured_and_none_missed() {
        assert!(results(11.0, 0).floors_hold());
        assert!(!results(17.0, 0).floors_hold());
        assert!(!Results::of(&[], Vec::new()).floors_hold());
    }
}
