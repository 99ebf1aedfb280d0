//! The rules that dashboards keep so that they work after any import: those of grafana/dashboard-linter (template-*,
//! panel-*, target-*), as far as a file alone can tell, and a few of our own. PromQL itself is parsed by a real Prometheus
//! in the tests.

use serde_json::Value;

use crate::units::UNITS;

/// What is wrong with a dashboard's JSON, a sentence each; nothing if it is good.
pub fn lint(dashboard: &Value) -> Vec<String> {
    let mut found = Vec::new();
    of_dashboard(dashboard, &mut found);
    for variable in list(&dashboard["templating"]["list"]) {
        of_variable(variable, &mut found);
    }
    let mut ids = std::collections::BTreeSet::new();
    for panel in list(&dashboard["panels"]) {
        if !ids.insert(panel["id"].to_string()) {
            found.push(format!("two panels have the id {}", panel["id"]));
        }
        if panel["type"] != "row" {
            of_panel(panel, &mut found);
        }
    }
    found
}

fn of_dashboard(dashboard: &Value, found: &mut Vec<String>) {
    let mut hold = |good: bool, rule: &str, why: &str| {
        if !good {
            found.push(format!("{rule}: {why}"));
        }
    };
    hold(dashboard["id"].is_null(), "id", "an id belongs to one server's database");
    hold(
        text(&dashboard["uid"]).is_some_and(|uid| uid.len() <= 40),
        "uid",
        "missing, or longer than 40 characters",
    );
    hold(text(&dashboard["title"]).is_some(), "title", "missing");
    hold(text(&dashboard["refresh"]).is_some(), "refresh", "missing");
    hold(
        dashboard.get("__inputs").is_none(),
        "inputs",
        "`__inputs` is resolved by the import dialog alone, not for a file",
    );
    let variables = list(&dashboard["templating"]["list"]);
    let source = variables.iter().find(|one| one["type"] == "datasource");
    hold(
        source.is_some_and(|one| {
            one["name"] == "datasource" && one["label"] == "Data source" && one["query"] == "prometheus"
        }),
        "template-datasource",
        "there must be a variable \"datasource\" for Prometheus, labelled \"Data source\"",
    );
    for name in ["job", "instance"] {
        let good = variables.iter().any(|one| one["name"] == name && one["type"] == "query");
        hold(good, &format!("template-{name}"), "the variable is missing");
    }
    let all = dashboard.to_string();
    for name in variables.iter().filter_map(|one| text(&one["name"])) {
        let used = all.contains(&format!("${name}")) || all.contains(&format!("${{{name}}}"));
        hold(used, "unused-variable", &format!("nothing uses \"{name}\""));
    }
}

fn of_variable(variable: &Value, found: &mut Vec<String>) {
    let name = text(&variable["name"]).unwrap_or("?");
    if variable["type"] != "query" {
        return;
    }
    let mut hold = |good: bool, rule: &str, why: &str| {
        if !good {
            found.push(format!("{rule} of variable {name}: {why}"));
        }
    };
    hold(
        variable["datasource"]["uid"] == "${datasource}",
        "template-datasource",
        "it asks another data source",
    );
    hold(
        variable["multi"] == true && variable["allValue"] == ".+",
        "template-all",
        "several, and all, must be possible",
    );
    hold(
        variable["refresh"] == 2,
        "template-on-time-change-reload",
        "it must be asked again when the time changes",
    );
    let initial = text(&variable["label"]).and_then(|label| label.chars().next());
    hold(
        initial.is_some_and(char::is_uppercase),
        "template-label",
        "it needs a label that begins with a capital",
    );
    let query = text(&variable["query"]["query"]).unwrap_or_default();
    hold(query.starts_with("label_values("), "template-label-promql", "its values must be those of a label");
}

fn of_panel(panel: &Value, found: &mut Vec<String>) {
    let title = text(&panel["title"]).unwrap_or("?").to_owned();
    let mut hold = |good: bool, rule: &str, why: &str| {
        if !good {
            found.push(format!("{rule} of \"{title}\": {why}"));
        }
    };
    let described = text(&panel["title"]).is_some() && text(&panel["description"]).is_some();
    hold(described, "panel-title-description", "both must be there");
    hold(panel["datasource"]["uid"] == "${datasource}", "panel-datasource", "it asks another data source");
    let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
    hold(
        unit.is_some_and(|unit| UNITS.contains(&unit)),
        "panel-units",
        "the unit is not one that Grafana has",
    );
    let place = &panel["gridPos"];
    let end = place["x"].as_u64().zip(place["w"].as_u64()).map(|(x, width)| x + width);
    hold(end.is_some_and(|end| end <= 24), "panel-grid", "it does not fit into the 24 columns");
    let targets = list(&panel["targets"]);
    hold(!targets.is_empty(), "panel-no-targets", "it asks nothing");
    for target in targets {
        let expr = text(&target["expr"]).unwrap_or_default();
        hold(!expr.is_empty(), "target-promql", "an empty expression");
        hold(
            target["datasource"]["uid"] == "${datasource}",
            "target-datasource",
            "it asks another data source",
        );
        for name in ["job", "instance"] {
            // Every selector, not one of them.
            let selectors = expr.matches('{').count();
            let matched = expr.matches(&format!("{name}=~\"${name}\"")).count();
            hold(
                selectors > 0 && matched == selectors,
                &format!("target-{name}"),
                "a selector without its matcher",
            );
        }
        for window in windows(expr) {
            let good = ["[$__rate_interval]", "[$__range]"].contains(&window);
            hold(good, "target-rate-interval", &format!("a window of {window}"));
        }
        for name in counters_outside_rates(expr) {
            hold(false, "target-counter-agg", &format!("the counter {name} outside rate() and increase()"));
        }
    }
}

/// The parts of an expression in square brackets.
fn windows(expr: &str) -> Vec<&str> {
    let starts = expr.match_indices('[').map(|(at, _)| at);
    starts.filter_map(|at| expr[at..].find(']').map(|end| &expr[at..=at + end])).collect()
}

/// Names that end in `_total`, `_bucket`, `_sum` or `_count` and are not the argument of a rate.
fn counters_outside_rates(expr: &str) -> Vec<&str> {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in expr.match_indices('{') {
        let start = expr[..at].rfind(|c| !part_of_name(c)).map_or(0, |before| before + 1);
        let name = &expr[start..at];
        let counts = ["_total", "_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end));
        let inside = ["rate(", "increase("].iter().any(|call| expr[..start].ends_with(call));
        if counts && !inside {
            found.push(name);
        }
    }
    found
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text that says something.
fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}
