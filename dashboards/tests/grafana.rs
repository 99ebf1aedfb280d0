//! The files in `dashboards/grafana` are what the program writes, keep the rules, and ask for families that exist.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use tidegate_dashboards::{all, lint::lint};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_files_are_what_the_program_writes() {
    let grafana = folder().join("grafana");
    let mut there: BTreeSet<String> = std::fs::read_dir(&grafana)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    for dashboard in all() {
        let name = dashboard.file_name();
        let file = std::fs::read_to_string(grafana.join(&name)).unwrap_or_default();
        assert!(file == dashboard.to_json(), "{name} is old: cargo run -p tidegate-dashboards");
        there.remove(&name);
    }
    assert!(there.is_empty(), "nobody writes {there:?}");
}

#[test]
fn every_dashboard_keeps_the_rules() {
    for dashboard in all() {
        assert_eq!(lint(&dashboard.to_value()), Vec::<String>::new(), "{}", dashboard.title);
    }
}

#[test]
fn every_rule_finds_its_breach() {
    let good = all().remove(0).to_value();
    let panel =
        good["panels"].as_array().unwrap().iter().position(|one| one["type"] == "timeseries").unwrap();
    let at = |path: &str| format!("/panels/{panel}{path}");
    let breaches = [
        ("id", "/id".to_owned(), json!(7)),
        ("uid", "/uid".to_owned(), json!("")),
        ("title", "/title".to_owned(), json!(" ")),
        ("refresh", "/refresh".to_owned(), Value::Null),
        ("template-datasource", "/templating/list/0/name".to_owned(), json!("source")),
        ("template-job", "/templating/list/1/name".to_owned(), json!("work")),
        ("template-instance", "/templating/list/2/type".to_owned(), json!("custom")),
        ("template-all", "/templating/list/1/multi".to_owned(), json!(false)),
        ("template-on-time-change-reload", "/templating/list/1/refresh".to_owned(), json!(1)),
        ("template-label", "/templating/list/1/label".to_owned(), json!("job")),
        ("template-label-promql", "/templating/list/1/query/query".to_owned(), json!("up")),
        ("panel-title-description", at("/description"), json!("")),
        ("panel-datasource", at("/datasource/uid"), json!("prometheus-1")),
        ("panel-units", at("/fieldConfig/defaults/unit"), json!("requests per second")),
        ("panel-grid", at("/gridPos/x"), json!(20)),
        ("panel-no-targets", at("/targets"), json!([])),
        ("target-promql", at("/targets/0/expr"), json!("")),
        ("target-datasource", at("/targets/0/datasource"), json!({"uid": "x"})),
        ("target-job", at("/targets/0/expr"), json!(r#"sum(up{instance=~"$instance"})"#)),
        ("target-instance", at("/targets/0/expr"), json!(r#"sum(up{job=~"$job"})"#)),
        (
            "target-rate-interval",
            at("/targets/0/expr"),
            json!(r#"rate(a_total{job=~"$job",instance=~"$instance"}[5m])"#),
        ),
        (
            "target-counter-agg",
            at("/targets/0/expr"),
            json!(r#"sum(a_total{job=~"$job",instance=~"$instance"})"#),
        ),
        ("two panels", at("/id"), json!(1)),
        ("unused-variable", "/templating/list/3/name".to_owned(), json!("nobody")),
    ];
    for (rule, path, value) in breaches {
        let mut bad = good.clone();
        *bad.pointer_mut(&path).unwrap_or_else(|| panic!("{path}")) = value;
        let found = lint(&bad);
        assert!(found.iter().any(|one| one.starts_with(rule)), "{rule} was not found: {found:?}");
    }
}

/// Families of the catalogue, a name for each histogram's three.
fn catalogue() -> BTreeSet<String> {
    let page = std::fs::read_to_string(folder().join("../docs/metrics.md")).unwrap();
    let mut names = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next().unwrap_or_default().trim_matches('`').to_owned();
        if cells.next() == Some("histogram") {
            names.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")));
        } else {
            names.insert(name);
        }
    }
    names
}

/// The names that stand before a selector.
fn families(expr: &str) -> impl Iterator<Item = &str> {
    expr.match_indices('{').map(|(at, _)| {
        let before = &expr[..at];
        let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        &before[start..]
    })
}

#[test]
fn every_expression_asks_for_a_family_of_the_catalogue() {
    let known = catalogue();
    assert!(known.contains("tidegate_requests_total") && !known.contains("tidegate_nothing"));
    let mut asked = BTreeSet::new();
    for dashboard in all() {
        for (_, panel) in dashboard.panels() {
            for query in &panel.queries {
                for family in families(&query.expr) {
                    assert!(
                        known.contains(family),
                        "{} / {}: no family {family}",
                        dashboard.title,
                        panel.title
                    );
                    asked.insert(
                        family
                            .trim_end_matches("_bucket")
                            .trim_end_matches("_sum")
                            .trim_end_matches("_count")
                            .to_owned(),
                    );
                }
            }
        }
    }
    // And the other way: what is exported and drawn nowhere is either useless or forgotten.
    let drawn_elsewhere =
        ["process_virtual_memory_bytes", "process_start_time_seconds", "tidegate_quarantines_total"];
    let forgotten: Vec<&String> = known
        .iter()
        .filter(|name| name.starts_with("tidegate_") || name.starts_with("process_"))
        .filter(|name| {
            let family = name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
            !asked.contains(family) && !drawn_elsewhere.contains(&family)
        })
        .collect();
    assert!(forgotten.is_empty(), "no dashboard draws {forgotten:?}");
}
