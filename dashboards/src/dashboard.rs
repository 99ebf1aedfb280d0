//! One dashboard: rows of panels, the variables above them, and the links to the others.

use serde_json::{Value, json};

use crate::grafana::data_source;
use crate::panel::Panel;

/// Grafana's grid is so wide.
const WIDTH: u32 = 24;

/// The schema of Grafana's classic dashboards that is written; Grafana brings an older one forward when it loads it.
const SCHEMA: u32 = 42;

/// One dashboard.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// What links and files know it by: `tidegate-NAME`.
    pub uid: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it answers.
    pub description: &'static str,
    /// Labels to choose by, besides job and instance: the label, and a family that has it.
    pub variables: Vec<(&'static str, &'static str)>,
    /// Titles with what stands below them.
    pub rows: Vec<(&'static str, Vec<Panel>)>,
}

impl Dashboard {
    /// Such as `overview.json`.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.uid.trim_start_matches("tidegate-"))
    }

    /// Every panel, with the title of its row.
    pub fn panels(&self) -> impl Iterator<Item = (&'static str, &Panel)> {
        self.rows.iter().flat_map(|(row, panels)| panels.iter().map(move |panel| (*row, panel)))
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        // A `Value` always has a text: its keys are texts and its numbers finite.
        serde_json::to_string_pretty(&self.to_value()).unwrap_or_default() + "\n"
    }

    /// Grafana's JSON of it.
    pub fn to_value(&self) -> Value {
        json!({
            "id": null,
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["tidegate"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "time": {"from": "now-1h", "to": "now"},
            "refresh": "30s",
            "timezone": "browser",
            "links": [{
                "type": "dashboards",
                "title": "Tidegate",
                "tags": ["tidegate"],
                "asDropdown": false,
                "includeVars": true,
                "keepTime": true,
                "targetBlank": false,
            }],
            "annotations": {"list": []},
            "templating": {"list": self.templating()},
            "panels": self.place(),
        })
    }

    fn templating(&self) -> Vec<Value> {
        let source = json!({
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
        });
        let of_build = "tidegate_build_info";
        let own = self.variables.iter().map(|(label, family)| {
            let matchers = r#"job=~"$job",instance=~"$instance""#;
            choice(label, &format!("{family}{{{matchers}}}"))
        });
        [source, choice("job", of_build), choice("instance", &format!(r#"{of_build}{{job=~"$job"}}"#))]
            .into_iter()
            .chain(own)
            .collect()
    }

    /// Panels from left to right, then the next line. A row's panels begin below its title.
    fn place(&self) -> Vec<Value> {
        let (mut out, mut y) = (Vec::new(), 0);
        for (title, panels) in &self.rows {
            let id = out.len() + 1;
            let place = json!({"h": 1, "w": WIDTH, "x": 0, "y": y});
            out.push(json!({"id": id, "type": "row", "title": title, "collapsed": false, "gridPos": place, "panels": []}));
            y += 1;
            let (mut x, mut tallest) = (0, 0);
            for panel in panels {
                if x + panel.width > WIDTH {
                    (x, y, tallest) = (0, y + tallest, 0);
                }
                out.push(panel.to_value(out.len() + 1, x, y));
                x += panel.width;
                tallest = tallest.max(panel.height);
            }
            y += tallest;
        }
        out
    }
}

/// A variable whose values are those of a label.
fn choice(label: &str, series: &str) -> Value {
    let mut initial = label.chars();
    let title: String = initial.next().into_iter().flat_map(char::to_uppercase).chain(initial).collect();
    let query = format!("label_values({series}, {label})");
    json!({
        "name": label,
        "label": title,
        "type": "query",
        "datasource": data_source(),
        "definition": query,
        "query": {"query": query, "refId": label},
        "refresh": 2,
        "sort": 1,
        "multi": true,
        "includeAll": true,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
    })
}
