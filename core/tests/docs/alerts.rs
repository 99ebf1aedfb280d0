//! The alert rules ask for metrics that there are, each alert is played and has its entry in the runbook, and neither the
//! runbook nor the plays know an alert that there is not. A metric that is misspelt would be silent for ever.

use std::collections::BTreeSet;

const RULES: &str = include_str!("../../../dashboards/prometheus/tidegate.rules.yml");
const PLAYED: &str = include_str!("../../../dashboards/prometheus/tidegate.rules.test.yml");
const RUNBOOK: &str = include_str!("../../../docs/runbook.md");
const PAGE: &str = include_str!("../../../docs/metrics.md");
const DASHBOARDS: [&str; 4] = [
    include_str!("../../../dashboards/grafana/overview.json"),
    include_str!("../../../dashboards/grafana/limits.json"),
    include_str!("../../../dashboards/grafana/watchdog.json"),
    include_str!("../../../dashboards/grafana/plugins.json"),
];

/// What each entry of the runbook answers, in this order.
const ANSWERS: [&str; 5] =
    ["\n**Means.** ", "\n**Done already.** ", "\n**Look at.** ", "\n**Do.** ", "\n**Over when** "];

/// The texts that belong together.
struct Texts<'a> {
    rules: &'a str,
    played: &'a str,
    runbook: &'a str,
}

const TEXTS: Texts<'static> = Texts { rules: RULES, played: PLAYED, runbook: RUNBOOK };

/// The blocks that begin with `start` and a name, with their names.
fn blocks<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.split(start).skip(1).map(|block| {
        let name = block.split(['\n', ',']).next().unwrap_or_default();
        (name, block)
    })
}

/// Names of metrics in a text, without the ends of histograms; those with a colon are recorded.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = lines.flat_map(move |line| line.split(move |c| !word(c)));
    words
        .filter(|name| name.starts_with("tidegate_") || name.contains(":tidegate_"))
        .map(|name| name.strip_suffix("_bucket").unwrap_or(name))
}

impl Texts<'_> {
    /// A sentence for each disagreement.
    fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        let recorded: BTreeSet<&str> = blocks(self.rules, "- record: ").map(|(name, _)| name).collect();
        let known = |name: &str| recorded.contains(name) || PAGE.contains(&format!("\n| `{name}` |"));
        for (text, place) in [(self.rules, "the rules"), (self.runbook, "the runbook")] {
            let unknown = names(text).filter(|name| !known(name));
            found.extend(unknown.map(|name| format!("{place}: no metric {name}")));
        }
        for name in recorded.iter().filter(|name| self.rules.matches(**name).count() < 2) {
            found.push(format!("nothing asks for {name}"));
        }
        let alerts: Vec<(&str, &str)> = blocks(self.rules, "- alert: ").collect();
        for (name, block) in &alerts {
            let anchor = format!("runbook: docs/runbook.md#{}\n", name.to_lowercase());
            for part in ["severity: ", "summary: ", "description: ", &anchor] {
                if !format!("{block}\n").contains(part) {
                    found.push(format!("{name} has no {}", part.trim()));
                }
            }
            self.played(name, &mut found);
            self.entry(name, &mut found);
        }
        let entries = blocks(self.runbook, "\n### ").map(|(name, _)| name);
        let plays = blocks(self.played, "alertname: ").map(|(name, _)| name);
        let strangers = entries.chain(plays).filter(|name| alerts.iter().all(|(alert, _)| alert != name));
        found.extend(strangers.map(|name| format!("there is no alert {name}")));
        found
    }

    fn played(&self, alert: &str, found: &mut Vec<String>) {
        let plays = blocks(self.played, "alertname: ").filter(|(name, _)| *name == alert);
        let (silent, fires): (Vec<_>, Vec<_>) =
            plays.partition(|(_, play)| play.lines().take(3).any(|line| line.contains("exp_alerts: []")));
        if silent.is_empty() {
            found.push(format!("{alert} is never played silent"));
        }
        if !fires.iter().any(|(_, play)| play.contains("exp_labels: ")) {
            found.push(format!("{alert} is never played firing"));
        }
    }

    fn entry(&self, alert: &str, found: &mut Vec<String>) {
        let Some((_, entry)) = blocks(self.runbook, "\n### ").find(|(name, _)| *name == alert) else {
            found.push(format!("{alert} is not in the runbook"));
            return;
        };
        let mut from = 0;
        for answer in ANSWERS {
            match entry[from..].find(answer) {
                Some(at) => from += at,
                None => found.push(format!("{alert} in the runbook: no {}", answer.trim())),
            }
        }
    }
}

#[test]
fn rules_plays_and_runbook_agree() {
    assert_eq!(TEXTS.faults(), Vec::<String>::new());
    assert!(blocks(RULES, "- alert: ").count() >= 30, "the rules were not read");
}

#[test]
fn what_is_missing_is_seen() {
    let cut = |text: &str, from: &str, to: &str| {
        let start = text.find(from).unwrap();
        let end = start + from.len() + text[start + from.len()..].find(to).unwrap();
        format!("{}{}", &text[..start], &text[end..])
    };
    let told = |rules: &str, played: &str, runbook: &str, fault: &str| {
        let found = Texts { rules, played, runbook }.faults();
        assert!(found.iter().any(|one| one.contains(fault)), "not found: {fault}, but {found:?}");
    };
    let down = "- alertname: TidegateDown\n        eval_time: 7m";
    told(
        &RULES.replace("cooldowns_total", "cooldown_total"),
        PLAYED,
        RUNBOOK,
        "no metric tidegate_cooldown_total",
    );
    told(
        &RULES.replace("requests:rate5m > 0)", "request:rate5m > 0)"),
        PLAYED,
        RUNBOOK,
        "no metric instance:tidegate_request:rate5m",
    );
    told(
        &cut(RULES, "- alert: TidegateStarved", "- alert"),
        PLAYED,
        RUNBOOK,
        "there is no alert TidegateStarved",
    );
    told(
        &RULES.replace("#tidegatestarved", "#tidegatestarving"),
        PLAYED,
        RUNBOOK,
        "TidegateStarved has no runbook",
    );
    told(
        RULES,
        PLAYED,
        &cut(RUNBOOK, "\n### TidegateStarved", "\n### "),
        "TidegateStarved is not in the runbook",
    );
    told(
        RULES,
        PLAYED,
        &cut(RUNBOOK, "\n**Do.** Nothing at once", "\n**Over"),
        "TidegateStreamsAborted in the runbook: no **Do.**",
    );
    told(RULES, &PLAYED.replace(down, ""), RUNBOOK, "TidegateDown is never played firing");
    told(
        RULES,
        &PLAYED.replace("{alertname: TidegateDown, eval_time", "{eval_time"),
        RUNBOOK,
        "TidegateDown is never played silent",
    );
    told(
        &RULES.replace("policy_decision_seconds:p99_rate10m > 0.1", "nothing"),
        PLAYED,
        RUNBOOK,
        "nothing asks for instance:tidegate_policy",
    );
}

/// What stands in italics in the runbook: a dashboard or one of its panels.
#[test]
fn the_runbook_names_panels_that_there_are() {
    let plain = RUNBOOK.replace("**", "");
    let named: Vec<&str> = plain.lines().flat_map(|line| line.split('*').skip(1).step_by(2)).collect();
    assert!(named.len() > 20, "the runbook was not read");
    let titled =
        |title: &str| DASHBOARDS.iter().any(|file| file.contains(&format!("\"title\": \"{title}\"")));
    for title in named.into_iter().filter(|title| *title != "Status, Targets") {
        assert!(titled(title) || titled(&format!("Tidegate / {title}")), "no panel or dashboard {title:?}");
    }
}
