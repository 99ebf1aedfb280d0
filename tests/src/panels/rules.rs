//! The rules of Prometheus itself, as it has loaded them: each is evaluated without an error, what is recorded has data, and
//! what an alert asks for is there. Whether it fires when it should is played by promtool.

use serde_json::Value;

use super::Report;
use super::prometheus::Prometheus;

/// Series that this load does not have, and why.
const MAY_BE_EMPTY: [(&str, &str); 1] = [("deployment=\"other\"", "there are no thousand deployments here")];

/// Asks what Prometheus makes of the rules.
pub(super) async fn hold(report: &mut Report, prometheus: &Prometheus) {
    let rules = match prometheus.rules().await {
        Ok(rules) if rules.len() > 40 => rules,
        found => return report.failed.push(format!("the rules are not loaded: {found:?}")),
    };
    for rule in &rules {
        let (name, query) = (text(&rule["name"]), text(&rule["query"]));
        match text(&rule["health"]) {
            "ok" => report.passed += 1,
            health => report.failed.push(format!("rule {name}: {health}: {}", rule["lastError"])),
        }
        let asked = if rule["type"] == "recording" { vec![name.to_owned()] } else { selectors(query) };
        for selector in asked {
            let answer = prometheus.ask(&format!("count({selector})"), false).await;
            let there = answer.as_ref().is_ok_and(super::has_data);
            let reason = MAY_BE_EMPTY.iter().find(|(part, _)| selector.contains(part));
            match (there, answer, reason) {
                (true, ..) => report.passed += 1,
                (false, Ok(_), Some((_, reason))) => {
                    report.passed += 1;
                    report.empty.push(format!("rule {name}: {selector}: {reason}"));
                }
                (false, answer, _) => {
                    report.failed.push(format!("rule {name}: {selector}: no data: {answer:?}"));
                }
            }
        }
        for alert in rule["alerts"].as_array().into_iter().flatten() {
            // What a template makes of a label that is not there.
            let words = alert["annotations"].to_string();
            if words.contains("<error") || words.contains("no value") {
                report.failed.push(format!("rule {name} says {words}"));
            }
        }
    }
    // Nothing of the above would look at an annotation if nothing fired.
    let fires = rules.iter().any(|rule| rule["alerts"].as_array().is_some_and(|all| !all.is_empty()));
    match fires {
        true => report.passed += 1,
        false => report.failed.push("no alert is pending or fires under this load".into()),
    }
}

/// The selectors of an expression: names of metrics, with what stands in braces behind them.
fn selectors(expr: &str) -> Vec<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found: Vec<String> = Vec::new();
    let mut rest = expr;
    while let Some(start) = rest.find(part) {
        rest = &rest[start..];
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let braces = after.starts_with('{').then(|| after.find('}')).flatten().map_or(0, |at| at + 1);
        let known = ["tidegate_", "process_", "up"].iter().any(|start| name.starts_with(start));
        let selector = format!("{name}{}", &after[..braces]);
        if (known || name.contains(":tidegate_")) && !found.contains(&selector) {
            found.push(selector);
        }
        rest = &after[braces..];
    }
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_found() {
        let expr = r#"a:tidegate_x:rate5m > 0 and rate(tidegate_y_total{kind="up_b"}[5m]) / on (job) up"#;
        assert_eq!(selectors(expr), ["a:tidegate_x:rate5m", r#"tidegate_y_total{kind="up_b"}"#, "up"]);
    }
}
