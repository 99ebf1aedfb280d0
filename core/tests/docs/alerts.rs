//! The alert rules ask for metrics that there are: one that is misspelt would be silent for ever.

const RULES: &str = include_str!("../../../dashboards/prometheus/tidegate.rules.yml");
const PLAYED: &str = include_str!("../../../dashboards/prometheus/tidegate.rules.test.yml");
const PAGE: &str = include_str!("../../../docs/metrics.md");

/// The metrics in a text that `docs/metrics.md` has no row for.
fn unknown(rules: &str) -> Vec<&str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = rules.split(|c| !word(c)).filter(|name| name.starts_with("tidegate_"));
    names.filter(|name| !PAGE.contains(&format!("\n| `{name}` |"))).collect()
}

#[test]
fn every_alert_asks_for_a_metric_that_there_is() {
    assert_eq!(unknown(RULES), [""; 0]);
    assert_eq!(unknown(&RULES.replace("cooldowns_total", "cooldown_total")), ["tidegate_cooldown_total"]);
}

#[test]
fn every_alert_is_played_and_says_what_to_do() {
    let alerts: Vec<&str> = RULES.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 8);
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        assert!(PLAYED.contains(&format!("alertname=\"{name}\"")), "{name} is not played");
        for part in ["severity: ", "summary: ", "description: ", "runbook: "] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
    }
}
