//! A panel in Grafana's JSON.

use serde_json::{Value, json};

use crate::panel::{Kind, Panel, Query};

impl Panel {
    /// Grafana's JSON of it, at a place of the grid.
    pub(crate) fn to_value(&self, id: usize, x: u32, y: u32) -> Value {
        let mut value = json!({
            "id": id,
            "type": self.type_name(),
            "title": self.title,
            "description": self.description,
            "datasource": data_source(),
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self.defaults(), "overrides": self.overrides()},
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
        } else if let Some((_, _, colour)) = self.states {
            steps.push(json!({"color": colour, "value": 1}));
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
        if let Some(decimals) = self.decimals {
            defaults["decimals"] = decimals.into();
        }
        if let Some((good, bad, colour)) = self.states {
            defaults["mappings"] = json!([{"type": "value", "options": {
                "0": {"index": 0, "text": good, "color": "green"},
                "1": {"index": 1, "text": bad, "color": colour},
            }}]);
        }
        if matches!(self.kind, Kind::Stat | Kind::Table) {
            // Not "No data", which reads as if something were broken.
            defaults["noValue"] = "none".into();
        }
        if matches!(self.kind, Kind::Lines | Kind::Stack) {
            let stack = if self.kind == Kind::Stack { "normal" } else { "none" };
            // Areas over each other make a colour that no series has.
            let fill = match self.kind {
                Kind::Stack => 40,
                _ if self.ranked => 0,
                _ => 8,
            };
            defaults["custom"] = json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": fill,
                "showPoints": "never",
                "stacking": {"mode": stack, "group": "A"},
                "thresholdsStyle": {"mode": if self.thresholds.is_some() { "dashed" } else { "off" }},
            });
            // Without it the axis of a series that is 0 goes to 100, and one event looks like many.
            if let Some(least) = self.least_axis() {
                defaults["custom"]["axisSoftMax"] = least.into();
            }
        }
        defaults
    }

    /// How far the axis goes at least: to one thing, or one in ten seconds.
    fn least_axis(&self) -> Option<f64> {
        match self.unit {
            "short" | "none" | "ops" => Some(1.0),
            "reqps" => Some(0.1),
            _ => None,
        }
    }

    fn overrides(&self) -> Vec<Value> {
        let of = |(series, colour): &(&str, &str)| {
            json!({
                "matcher": {"id": "byRegexp", "options": series},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
            })
        };
        let link = |(header, title, url): (&str, &str, &str)| {
            json!({
                "matcher": {"id": "byName", "options": header},
                "properties": [{"id": "links", "value": [{"title": title, "url": url, "targetBlank": true}]}],
            })
        };
        self.colours.iter().map(of).chain(self.link.map(link)).collect()
    }

    fn legend(&self) -> Value {
        match self.ranked {
            true => json!({
                "displayMode": "table",
                "placement": "right",
                "showLegend": true,
                "calcs": ["max"],
                "sortBy": "Max",
                "sortDesc": true,
            }),
            false => json!({"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []}),
        }
    }

    fn options(&self) -> Value {
        match self.kind {
            Kind::Lines | Kind::Stack => json!({
                "legend": self.legend(),
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Kind::Stat => json!({
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                "colorMode": "value",
                "graphMode": "area",
                // With a name the value stands above its course, not upon it.
                "textMode": "value_and_name",
            }),
            Kind::Heatmap => json!({
                "calculate": false,
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
                "yAxis": {"unit": self.unit},
                "tooltip": {"mode": "single"},
            }),
            Kind::States => json!({"mergeValues": true, "showValue": "never", "rowHeight": 0.9}),
            Kind::Table => {
                let largest = self.queries.iter().map(|query| &query.legend).find(|name| !name.is_empty());
                let sorted = largest.map(|name| json!({"displayName": name, "desc": true}));
                json!({"showHeader": true, "cellHeight": "sm", "sortBy": Vec::from_iter(sorted)})
            }
        }
    }

    /// A table has one row for a series: time is no column, nor are the labels that every series has. A query without a
    /// legend is asked for its labels alone.
    fn transformations(&self) -> Value {
        let mut hidden = json!({"Time": true, "__name__": true, "job": true});
        let mut named = serde_json::Map::new();
        let mut order = serde_json::Map::new();
        for (at, (label, header)) in self.columns.iter().enumerate() {
            named.insert((*label).to_owned(), (*header).into());
            order.insert((*label).to_owned(), at.into());
        }
        for (id, query) in ('A'..).zip(&self.queries) {
            let value = if self.queries.len() == 1 { "Value".to_owned() } else { format!("Value #{id}") };
            match query.legend.is_empty() {
                true => hidden[&value] = true.into(),
                false => {
                    order.insert(value.clone(), order.len().into());
                    named.insert(value, query.legend.clone().into());
                }
            }
        }
        let options = json!({"excludeByName": hidden, "renameByName": named, "indexByName": order});
        json!([{"id": "merge", "options": {}}, {"id": "organize", "options": options}])
    }
}

/// The variable that every panel takes its data source from: it works for a file as for an import by hand.
pub(crate) fn data_source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}
