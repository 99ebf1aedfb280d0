//! The tables of `docs/metrics.md` are made from a scrape in which every family has a series: what it is called, its type,
//! its labels, its buckets, and what it says of itself. The table of labels is made from the sets that the series are made
//! from, and no series says anything else.

use std::collections::BTreeSet;

use tidegate::dialects::Usage;
use tidegate::metrics::{Known, Metrics, Values, WatchdogCollector, label, labels};
use tidegate_host::Op;

#[path = "../../examples/scrape.rs"]
#[expect(dead_code, reason = "its `main` is for people")]
mod busy;

const PAGE: &str = include_str!("../../../docs/metrics.md");
/// Families stand in the page in the order in which they stand here.
const SOURCES: [&str; 2] =
    [include_str!("../../src/metrics/mod.rs"), include_str!("../../src/metrics/watch.rs")];

/// One family, as a scrape describes it.
#[derive(Debug, Default)]
struct Family {
    name: String,
    help: String,
    kind: String,
    labels: Vec<String>,
    buckets: Vec<String>,
}

impl Family {
    /// The page's section: the first that has a beginning of its name.
    fn section(&self) -> &'static str {
        const SECTIONS: [(&str, &[&str]); 6] = [
            ("guards", &["guard"]),
            ("process", &["process_"]),
            ("plugins and configuration", &["plugin", "config", "build", "ready"]),
            (
                "watchdog",
                &[
                    "watchdog",
                    "worker",
                    "thread",
                    "quarantine",
                    "stream",
                    "incidents",
                    "log",
                    "access",
                    "traces",
                ],
            ),
            ("requests", &["request", "time_to_first", "inter_chunk", "active", "client", "tasks"]),
            ("attempts", &[""]),
        ];
        let name = self.name.trim_start_matches("tidegate_");
        let in_it = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        SECTIONS.iter().find(|(_, starts)| in_it(starts)).map_or("", |(section, _)| section)
    }

    fn unit(&self) -> &'static str {
        let name = self.name.trim_end_matches("_total");
        ["seconds", "bytes", "ratio", "tokens"]
            .into_iter()
            .find(|unit| name.ends_with(unit))
            .unwrap_or_default()
    }

    fn row(&self) -> String {
        let ticked: Vec<String> = self.labels.iter().map(|label| format!("`{label}`")).collect();
        let buckets = match self.buckets.is_empty() {
            true => String::new(),
            false => format!(" Buckets: {}.", self.buckets.join(", ")),
        };
        let Self { name, kind, help, .. } = self;
        let cell = |text: &str| if text.is_empty() { " ".to_owned() } else { format!(" {text} ") };
        format!(
            "| `{name}` | {kind} |{}|{}| {help}{buckets} |\n",
            cell(&ticked.join(", ")),
            cell(self.unit())
        )
    }
}

/// A scrape in which every family has a series.
fn scrape() -> String {
    let metrics = Metrics::new().unwrap();
    metrics.group("a");
    metrics.deployment("g", "d").spend(&Usage { input: Some(1), ..Usage::default() }, true, true);
    metrics.fell(&metrics.group("a"), &metrics.deployment("b", "d"));
    metrics.plugin_info.with_label_values(&["p", "1.0", "inline"]);
    let plugins = metrics.of_plugins();
    for op in Op::ALL {
        plugins.call("p", op.name());
    }
    plugins.running("p", 1);
    plugins.started("p");
    metrics.of_guards().series("g");
    let watchdog = busy::watchdog();
    watchdog.name_plugin(1, "p");
    watchdog.gate(tidegate_watchdog::Suspected::Deployment, "d");
    metrics.register(WatchdogCollector::new(watchdog).unwrap()).unwrap();
    String::from_utf8(metrics.encode(&[], &Known::new())).unwrap()
}

/// The families of a scrape, and its series' labels: family, label, value.
fn scraped(text: &str) -> (Vec<Family>, BTreeSet<[String; 3]>) {
    let (mut families, mut said) = (Vec::<Family>::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            families.push(Family {
                name: name.into(),
                help: help.replace("\\\\", "\\"),
                ..Family::default()
            });
            continue;
        }
        let family = families.last_mut().unwrap();
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family.kind = rest.split_once(' ').unwrap().1.into();
        } else if let Some((_, rest)) = line.split_once('{') {
            for pair in rest.split_once('}').unwrap().0.split(',') {
                let (label, value) = pair.split_once('=').unwrap();
                let value = value.trim_matches('"').to_owned();
                if label == "le" {
                    if value != "+Inf" && !family.buckets.contains(&value) {
                        family.buckets.push(value);
                    }
                } else {
                    if !family.labels.iter().any(|known| known == label) {
                        family.labels.push(label.into());
                    }
                    said.insert([family.name.clone(), label.into(), value]);
                }
            }
        }
    }
    let place = |family: &Family| {
        let name = format!("\"{}\"", family.name);
        SOURCES.iter().enumerate().find_map(|(file, text)| text.find(&name).map(|at| (file, at)))
    };
    // Those of the process, which no source of ours names, come in the order of the scrape.
    families.sort_by_key(|family| place(family).unwrap_or((SOURCES.len(), 0)));
    (families, said)
}

fn table_of_labels() -> String {
    let mut out = "| label | of | values |\n|---|---|---|\n".to_owned();
    for label in labels() {
        let of: Vec<String> = label.of.iter().map(|family| format!("`{family}`")).collect();
        let of = if of.is_empty() { " ".into() } else { format!(" {} ", of.join(", ")) };
        let values = match label.values {
            Values::Words(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            Values::Names { from, most: None } => from.to_string(),
            Values::Names { from, most: Some(most) } => format!("{from}: the first {most}, then `other`"),
        };
        out += &format!("| `{}` |{of}| {values} |\n", label.name);
    }
    out
}

/// The page with what stands between its markers made anew. `process_*` is there on Linux alone, and stays elsewhere.
fn made(page: &str, scrape: &str) -> String {
    let (families, _) = scraped(scrape);
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!-- ") {
        let (name, after) = after.split_once(" -->\n").unwrap();
        let (between, after) = after.split_once("<!-- end -->").unwrap();
        let mine: String =
            families.iter().filter(|family| family.section() == name).map(Family::row).collect();
        let table = match name {
            "labels" => table_of_labels(),
            _ if mine.is_empty() => between.to_owned(),
            _ => format!("| family | type | labels | unit | meaning |\n|---|---|---|---|---|\n{mine}"),
        };
        out += &format!("{before}<!-- {name} -->\n{table}<!-- end -->");
        rest = after;
    }
    out + rest
}

#[test]
fn the_page_is_what_the_scrape_says() {
    let made = made(PAGE, &scrape());
    if std::env::var_os("TIDEGATE_WRITE_PAGES").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md"), made).unwrap();
        return;
    }
    let command = "TIDEGATE_WRITE_PAGES=1 cargo test -p tidegate --test docs metrics";
    assert!(made == PAGE, "docs/metrics.md is old: {command}");
}

#[test]
fn every_family_has_its_place_in_the_page() {
    let scrape = scrape();
    let (families, _) = scraped(&scrape);
    assert!(families.len() > 60, "the scrape was not read");
    let page = made(PAGE, &scrape);
    for family in families {
        assert!(page.contains(&family.row()), "no table for {}", family.name);
        assert!(family.help.ends_with('.'), "{} says {:?} of itself", family.name, family.help);
    }
}

#[test]
fn every_family_of_the_source_is_in_the_scrape() {
    let (there, _) = scraped(&scrape());
    let quoted = SOURCES.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    let names: Vec<_> = quoted.filter(|text| text.starts_with("tidegate_") && !text.contains(' ')).collect();
    assert!(names.len() > 30, "the source was not read: {names:?}");
    for name in names {
        assert!(
            there.iter().any(|family| family.name == name),
            "{name} has no series in this test's scrape: make one"
        );
    }
}

/// What a series says that no label may say.
fn strangers(said: &BTreeSet<[String; 3]>) -> Vec<String> {
    said.iter()
        .filter(|[family, name, value]| label(name, family).is_none_or(|label| !label.allows(value)))
        .map(|[family, name, value]| format!("{family}: {name}=\"{value}\""))
        .collect()
}

#[test]
fn no_series_says_what_its_label_may_not() {
    for text in [scrape(), String::from_utf8(busy::busy().unwrap().encode(&[], &Known::new())).unwrap()] {
        let (_, mut said) = scraped(&text);
        assert_eq!(strangers(&said), [""; 0]);
        said.insert(["tidegate_requests_total", "status", "418"].map(String::from));
        said.insert(["tidegate_requests_total", "client", "10.0.0.1"].map(String::from));
        assert_eq!(strangers(&said).len(), 2);
    }
}

/// The time is measured by the example, in a release build.
#[test]
fn a_scrape_of_200_deployments_stays_small() {
    let scrape = busy::busy().unwrap().encode(&[], &Known::new());
    let (_, said) = scraped(std::str::from_utf8(&scrape).unwrap());
    let deployments: BTreeSet<&String> =
        said.iter().filter(|[_, label, _]| label == "deployment").map(|[_, _, value]| value).collect();
    assert_eq!(deployments.len(), 200);
    let most = busy::LIMITS.0;
    assert!(scrape.len() < most, "{} bytes", scrape.len());
    assert!(scrape.len() > most / 2, "{} bytes are too few for all of it: is traffic missing?", scrape.len());
}
