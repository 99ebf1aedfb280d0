//! `docs/metrics.md` has a row for every family of the scrape, with its type and labels, and no row for another.

use std::collections::{BTreeMap, BTreeSet};

use tidegate::metrics::{Known, Metrics, WatchdogCollector};
use tidegate_host::Op;
use tidegate_watchdog::{Config, Hooks, Incident, Watchdog};

const PAGE: &str = include_str!("../../../docs/metrics.md");
const SOURCES: [&str; 2] =
    [include_str!("../../src/metrics/mod.rs"), include_str!("../../src/metrics/watch.rs")];

/// Labels whose values come from the configuration, the plugins or the build.
const OPEN: [&str; 8] = ["guard", "group", "to", "deployment", "plugin", "version", "le", "name"];

#[derive(Debug, Default, PartialEq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
}

struct Quiet;

impl Hooks for Quiet {
    fn poke(&self) {}
    fn incident(&self, _: &std::sync::Arc<Incident>) {}
    fn warn(&self, _: &Incident) {}
}

/// A scrape in which every family has a series.
fn scrape() -> String {
    let metrics = Metrics::new().unwrap();
    metrics.group("a");
    metrics.deployment("g", "d");
    metrics.fell(&metrics.group("a"), &metrics.deployment("b", "d"));
    metrics.plugin_info.with_label_values(&["p", "1.0", "inline"]);
    let plugins = metrics.of_plugins();
    for op in Op::ALL {
        plugins.call("p", op.name());
    }
    plugins.running("p", 1);
    plugins.started("p");
    metrics.of_guards().series("g");
    let watchdog = Watchdog::start(Config::default(), Quiet).unwrap();
    watchdog.name_plugin(1, "p");
    watchdog.gate(tidegate_watchdog::Suspected::Deployment, "d");
    metrics.register(WatchdogCollector::new(watchdog).unwrap()).unwrap();
    String::from_utf8(metrics.encode(&[], &Known::new())).unwrap()
}

fn scraped(text: &str) -> (BTreeMap<String, Family>, BTreeSet<String>) {
    let (mut families, mut words) = (BTreeMap::<String, Family>::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.entry(name.into()).or_default().kind = kind.into();
        } else if let Some((name, rest)) = line.split_once('{') {
            let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let name = if families.contains_key(name) { name } else { plain.unwrap() };
            for pair in rest.split_once('}').unwrap().0.split(',') {
                let (label, value) = pair.split_once('=').unwrap();
                if label != "le" {
                    families.get_mut(name).unwrap().labels.insert(label.into());
                }
                if !OPEN.contains(&label) {
                    words.insert(value.trim_matches('"').into());
                }
            }
        }
    }
    (families, words)
}

fn ticked(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the page's tables of families.
fn written(page: &str) -> BTreeMap<String, Family> {
    let rows =
        page.lines().filter(|line| line.starts_with("| `tidegate_") || line.starts_with("| `process_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').into(), Family { kind: cells[2].into(), labels: ticked(cells[3]) })
    })
    .collect()
}

/// A sentence for each disagreement.
fn faults(page: &str, scrape: &str) -> Vec<String> {
    let (there, words) = scraped(scrape);
    let mut written = written(page);
    if cfg!(not(target_os = "linux")) {
        written.retain(|name, _| !name.starts_with("process_"));
    }
    let names: BTreeSet<_> = there.keys().chain(written.keys()).collect();
    let families = names.into_iter().filter(|name| there.get(*name) != written.get(*name));
    let known = ticked(page);
    let missing = words.iter().filter(|word| !known.contains(*word));
    families
        .map(|name| format!("{name}: scraped {:?}, written {:?}", there.get(name), written.get(name)))
        .chain(missing.map(|word| format!("the label value {word} is not written")))
        .collect()
}

#[test]
fn the_page_is_the_scrape() {
    assert_eq!(faults(PAGE, &scrape()), [""; 0]);
}

#[test]
fn every_family_of_the_source_is_in_the_scrape() {
    let (there, _) = scraped(&scrape());
    let quoted = SOURCES.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    let names: Vec<_> = quoted.filter(|text| text.starts_with("tidegate_")).collect();
    assert!(names.len() > 30, "the source was not read: {names:?}");
    for name in names {
        assert!(there.contains_key(name), "{name} has no series in this test's scrape: make one");
    }
}

#[test]
fn a_page_that_is_wrong_is_seen() {
    let scrape = scrape();
    let wrong = [
        ("| `tidegate_active_streams`", "| `tidegate_streams`", 2),
        ("| `tidegate_cooldowns_total` | counter", "| `tidegate_cooldowns_total` | gauge", 1),
        ("`deployment`, `phase`", "`deployment`", 1),
        ("`client_gone`", "client_gone", 1),
    ];
    for (right, wrong, count) in wrong {
        let page = PAGE.replace(right, wrong);
        assert_eq!(faults(&page, &scrape).len(), count, "{wrong}");
    }
}
