//! Every expression of every dashboard, asked of a real Prometheus that scrapes the real program while clients ask and faults
//! come: it parses, and it returns data. Recorded rules have data too, and each alert asks for series that there are. `cargo run -p tidegate-tests --bin panels`; it needs the program `prometheus`.

mod load;
mod prometheus;
mod rules;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_dashboards::panel::{Kind, Query};

use prometheus::Prometheus;

/// How long the load goes on before anything is asked, which is several windows of a rate. It goes on while it is asked.
const LOAD: Duration = Duration::from_secs(24);

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Expressions that returned data, or may be empty.
    pub passed: usize,
    /// Sentences on those that did not.
    pub failed: Vec<String>,
    /// Those that returned nothing and may, with the reason.
    pub empty: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |f: &mut fmt::Formatter<'_>, word: &str, lines: &[String]| {
            lines.iter().try_for_each(|line| writeln!(f, "{word} {line}"))
        };
        lines(f, "EMPTY ", &self.empty)?;
        lines(f, "FAILED", &self.failed)
    }
}

/// Plays the load, asks every expression, and writes what came to `target/PROFILE/panels.json`, to be drawn.
///
/// # Panics
/// A part of it cannot be started.
pub async fn run() -> Report {
    let world = load::World::start().await;
    let prometheus = Prometheus::start(world.proxy.admin).await;
    let load = world.play();
    tokio::time::sleep(LOAD / 3).await;
    tokio::join!(world.spin(), tokio::time::sleep(2 * LOAD / 3));
    let mut report = Report::default();
    let mut drawn = Vec::new();
    for dashboard in tidegate_dashboards::all() {
        let mut panels = Vec::new();
        for (row, panel) in dashboard.panels() {
            let mut answers = Vec::new();
            for query in &panel.queries {
                let place = format!("{} / {}: {}", dashboard.title, panel.title, query.expr);
                let answer = prometheus.ask(&substituted(&query.expr), panel.kind == Kind::Table).await;
                judge(&mut report, place, query, &answer);
                answers.push(json!({"legend": query.legend, "result": answer.unwrap_or_default()}));
            }
            panels.push(json!({"row": row, "title": panel.title, "answers": answers}));
        }
        variables(&mut report, &prometheus, &dashboard.to_value()).await;
        drawn.push(json!({"uid": dashboard.uid, "dashboard": dashboard.to_value(), "panels": panels}));
    }
    let file = data_file();
    std::fs::write(&file, Value::from(drawn).to_string()).expect("the data can be written");
    rules::hold(&mut report, &prometheus).await;
    load.end().await;
    self_test(&mut report, &prometheus).await;
    report
}

/// Where the data goes.
fn data_file() -> PathBuf {
    crate::proxy::built().join("panels.json")
}

fn judge(report: &mut Report, place: String, query: &Query, answer: &Result<Value, String>) {
    match answer {
        Err(error) => report.failed.push(format!("{place}: {error}")),
        Ok(series) if has_data(series) => report.passed += 1,
        Ok(_) => match query.may_be_empty {
            Some(reason) => {
                report.passed += 1;
                report.empty.push(format!("{place}: {reason}"));
            }
            None => report.failed.push(format!("{place}: no data")),
        },
    }
}

/// A number that can be drawn, in any series.
fn has_data(series: &Value) -> bool {
    let points = |one: &Value| match &one["values"] {
        Value::Array(points) => points.clone(),
        _ => vec![one["value"].clone()],
    };
    let finite = |point: &Value| {
        point[1].as_str().and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite)
    };
    series.as_array().is_some_and(|all| all.iter().any(|one| points(one).iter().any(finite)))
}

/// What Grafana makes of its variables when all is chosen and a scrape comes each second.
fn substituted(expr: &str) -> String {
    let fixed = expr.replace("$__rate_interval", "4s").replace("$__range", "20s");
    let mut out = String::new();
    let mut rest = fixed.as_str();
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let name = rest[at + 1..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len() - at - 1);
        out.push_str(".+");
        rest = &rest[at + 1 + name..];
    }
    out + rest
}

/// The variables above a dashboard have values to choose from.
async fn variables(report: &mut Report, prometheus: &Prometheus, dashboard: &Value) {
    let variables = dashboard["templating"]["list"].as_array().into_iter().flatten();
    for variable in variables.filter(|one| one["type"] == "query") {
        let query = variable["query"]["query"].as_str().unwrap_or_default();
        let series = query.trim_start_matches("label_values(").trim_end_matches(')');
        let (series, label) = series.rsplit_once(", ").unwrap_or((series, ""));
        match prometheus.values(label, &substituted(series)).await {
            Ok(values) if values.as_array().is_some_and(|all| !all.is_empty()) => report.passed += 1,
            found => report.failed.push(format!("{} / ${label}: {found:?}", dashboard["title"])),
        }
    }
}

/// A judge that passes everything is none: it must find an expression that does not parse, and one that is empty.
async fn self_test(report: &mut Report, prometheus: &Prometheus) {
    for expr in ["sum(rate(", "tidegate_nothing{job=~\".+\"}"] {
        let query = Query { expr: expr.into(), legend: String::new(), may_be_empty: None };
        let mut found = Report::default();
        let answer = prometheus.ask(expr, false).await;
        judge(&mut found, String::new(), &query, &answer);
        match found.failed.is_empty() {
            true => report.failed.push(format!("{expr} was taken for good")),
            false => report.passed += 1,
        }
    }
}
