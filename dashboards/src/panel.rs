//! One panel: what it shows, of which expressions, and in which unit.

use serde_json::{Value, json};

/// The matchers that `{@}` and `{@,` stand for.
const MATCHERS: &str = r#"job=~"$job",instance=~"$instance""#;

/// An expression as Grafana sends it: `@` in braces is the matchers for the variables `job` and `instance`, `[@]` is
/// Grafana's window for rates, which is never shorter than four scrapes.
pub fn promql(short: &str) -> String {
    short.replace("{@", &format!("{{{MATCHERS}")).replace("[@]", "[$__rate_interval]")
}

/// How a panel is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lines over time.
    Lines,
    /// Lines on top of each other: parts of a whole.
    Stack,
    /// The last value, large, with its course behind it.
    Stat,
    /// Buckets over time, coloured by how much is in each.
    Heatmap,
    /// A coloured band for each series: states over time.
    States,
    /// The present values, a row for each series.
    Table,
}

/// One expression of a panel.
#[derive(Clone, Debug)]
pub struct Query {
    /// PromQL with Grafana's variables.
    pub expr: String,
    /// What the series are called: text with `{{label}}`.
    pub legend: String,
    /// Why it may return nothing in a run in which everything else does.
    pub may_be_empty: Option<&'static str>,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Its title.
    pub title: &'static str,
    /// What it shows, and what to do when it looks bad.
    pub description: &'static str,
    /// A unit of Grafana's, as in [`crate::lint`].
    pub unit: &'static str,
    /// How it is drawn.
    pub kind: Kind,
    /// What is asked.
    pub queries: Vec<Query>,
    /// Values from which on it is drawn in yellow and in red.
    pub thresholds: Option<(f64, f64)>,
    /// In 24ths of the dashboard's width.
    pub width: u32,
    /// In Grafana's rows of 30 pixels.
    pub height: u32,
    /// The highest value there can be, such as 1 for a ratio.
    pub max: Option<f64>,
}

impl Panel {
    fn new(kind: Kind, title: &'static str, unit: &'static str, description: &'static str) -> Self {
        let (width, height) = if kind == Kind::Stat { (4, 4) } else { (12, 8) };
        Self {
            title,
            description,
            unit,
            kind,
            queries: Vec::new(),
            thresholds: None,
            width,
            height,
            max: None,
        }
    }

    /// Lines over time, half as wide as the dashboard.
    pub fn lines(title: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Lines, title, unit, description)
    }

    /// Lines on top of each other.
    pub fn stack(title: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Stack, title, unit, description)
    }

    /// One large value; six in a row.
    pub fn stat(title: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Stat, title, unit, description)
    }

    /// A histogram over time. Its expression is the rate of the buckets by `le`.
    pub fn heatmap(title: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Heatmap, title, unit, description)
    }

    /// States over time: 0 is good, 1 is not.
    pub fn states(title: &'static str, description: &'static str) -> Self {
        Self::new(Kind::States, title, "bool_on_off", description)
    }

    /// A row for each series.
    pub fn table(title: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Table, title, unit, description)
    }

    /// Adds an expression, in the short form of [`promql`].
    pub fn query(mut self, short: &str, legend: &str) -> Self {
        self.queries.push(Query { expr: promql(short), legend: legend.to_owned(), may_be_empty: None });
        self
    }

    /// Adds the median, the 95th and the 99th percentile of a histogram, for each value of `by` if one is given.
    /// `family` is its name with the matchers in the short form, such as `NAME_bucket{@}`.
    pub fn quantiles(mut self, family: &str, by: Option<&str>) -> Self {
        let labels = by.map_or_else(|| "le".to_owned(), |by| format!("le, {by}"));
        for (quantile, name) in [("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99")] {
            let legend = by.map_or_else(|| name.to_owned(), |by| format!("{{{{{by}}}}} {name}"));
            let expr = format!("histogram_quantile({quantile}, sum by ({labels}) (rate({family}[@])))");
            self = self.query(&expr, &legend);
        }
        self
    }

    /// The expression added last may return nothing, for this reason.
    pub fn may_be_empty(mut self, reason: &'static str) -> Self {
        if let Some(query) = self.queries.last_mut() {
            query.may_be_empty = Some(reason);
        }
        self
    }

    /// Yellow and red from these values on.
    pub fn thresholds(mut self, warn: f64, bad: f64) -> Self {
        self.thresholds = Some((warn, bad));
        self
    }

    /// In 24ths of the dashboard's width.
    pub fn width(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    /// The highest value there can be.
    pub fn max(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }

    /// Grafana's JSON of it, at a place of the grid.
    pub(crate) fn to_value(&self, id: usize, x: u32, y: u32) -> Value {
        let mut value = json!({
            "id": id,
            "type": self.type_name(),
            "title": self.title,
            "description": self.description,
            "datasource": data_source(),
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self.defaults(), "overrides": []},
            "options": self.options(),
            "targets": self.targets(),
        });
        if self.kind == Kind::Table {
            value["transformations"] = self.transformations();
        }
        value
    }

    fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Lines | Kind::Stack => "timeseries",
            Kind::Stat => "stat",
            Kind::Heatmap => "heatmap",
            Kind::States => "state-timeline",
            Kind::Table => "table",
        }
    }

    fn targets(&self) -> Vec<Value> {
        let names = "ABCDEFGHIJ".chars();
        let target = |(name, query): (char, &Query)| {
            let mut target = json!({
                "refId": name.to_string(),
                "datasource": data_source(),
                "editorMode": "code",
                "expr": query.expr,
                "legendFormat": query.legend,
                "range": true,
            });
            match self.kind {
                Kind::Table => {
                    target["range"] = false.into();
                    target["instant"] = true.into();
                    target["format"] = "table".into();
                }
                Kind::Heatmap => target["format"] = "heatmap".into(),
                _ => {}
            }
            target
        };
        names.zip(&self.queries).map(target).collect()
    }

    fn defaults(&self) -> Value {
        let mut steps = vec![json!({"color": "green", "value": null})];
        if let Some((warn, bad)) = self.thresholds {
            steps.push(json!({"color": "yellow", "value": warn}));
            steps.push(json!({"color": "red", "value": bad}));
        } else if self.kind == Kind::States {
            steps.push(json!({"color": "orange", "value": 1}));
        }
        let mut defaults = json!({
            "unit": self.unit,
            "min": 0,
            "color": {"mode": if matches!(self.kind, Kind::Stat | Kind::States) { "thresholds" } else { "palette-classic" }},
            "thresholds": {"mode": "absolute", "steps": steps},
        });
        if let Some(max) = self.max {
            defaults["max"] = max.into();
        }
        if matches!(self.kind, Kind::Lines | Kind::Stack) {
            let stack = if self.kind == Kind::Stack { "normal" } else { "none" };
            defaults["custom"] = json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": if self.kind == Kind::Stack { 30 } else { 8 },
                "showPoints": "never",
                "stacking": {"mode": stack, "group": "A"},
                "thresholdsStyle": {"mode": if self.thresholds.is_some() { "dashed" } else { "off" }},
            });
        }
        defaults
    }

    fn options(&self) -> Value {
        match self.kind {
            Kind::Lines | Kind::Stack => json!({
                "legend": {"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["mean", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Kind::Stat => json!({
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                "colorMode": "value",
                "graphMode": "area",
                "textMode": "auto",
            }),
            Kind::Heatmap => json!({
                "calculate": false,
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
                "yAxis": {"unit": self.unit},
                "tooltip": {"mode": "single"},
            }),
            Kind::States => json!({"mergeValues": true, "showValue": "never", "rowHeight": 0.9}),
            Kind::Table => json!({"showHeader": true, "cellHeight": "sm"}),
        }
    }

    /// A table has one row for a series: time is no column, nor are the labels that every series has.
    fn transformations(&self) -> Value {
        let hidden = json!({"Time": true, "__name__": true, "job": true});
        let named: serde_json::Map<String, Value> = match &self.queries[..] {
            [one] => [("Value".to_owned(), one.legend.clone().into())].into_iter().collect(),
            more => ('A'..)
                .zip(more)
                .map(|(id, one)| (format!("Value #{id}"), one.legend.clone().into()))
                .collect(),
        };
        json!([
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": hidden, "renameByName": named}},
        ])
    }
}

/// The variable that every panel takes its data source from: it works for a file as for an import by hand.
pub(crate) fn data_source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}
