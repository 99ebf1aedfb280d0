//! One panel: what it shows, of which expressions, and in which unit.

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
    /// Digits behind the point; `None` is as many as the value needs.
    pub decimals: Option<u32>,
    /// Many series: the legend stands to the right as a table, the largest first.
    pub ranked: bool,
    /// Series by regular expressions, and their colours of Grafana's palette.
    pub colours: &'static [(&'static str, &'static str)],
    /// What 0 and 1 mean in a state timeline, and the colour of 1.
    pub states: Option<(&'static str, &'static str, &'static str)>,
    /// Columns of a table in their order: the label, and what stands above it.
    pub columns: &'static [(&'static str, &'static str)],
    /// Where a column of a table leads: what stands above it, the link's title, and its address.
    pub link: Option<(&'static str, &'static str, &'static str)>,
}

impl Panel {
    fn new(kind: Kind, title: &'static str, unit: &'static str, description: &'static str) -> Self {
        // A stat that is lower has no room for its course.
        let (width, height) = if kind == Kind::Stat { (4, 5) } else { (12, 8) };
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
            decimals: None,
            ranked: kind == Kind::Stack,
            colours: &[],
            states: None,
            columns: &[],
            link: None,
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

    /// States over time: what 0, which is good, and 1, which is not, are called, and the colour of 1.
    pub fn states(
        title: &'static str,
        states: (&'static str, &'static str, &'static str),
        description: &'static str,
    ) -> Self {
        Self { states: Some(states), ..Self::new(Kind::States, title, "bool_on_off", description) }
    }

    /// A row for each series.
    pub fn table(title: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Table, title, unit, description)
    }

    /// Adds an expression, in the short form of [`promql`]. A stat's legend tells what time its value is of.
    pub fn query(mut self, short: &str, legend: &str) -> Self {
        let legend = match (self.kind, legend) {
            (Kind::Stat, "") if short.contains("[$__range]") => "in the time shown",
            (Kind::Stat, "") => "now",
            _ => legend,
        };
        self.queries.push(Query { expr: promql(short), legend: legend.to_owned(), may_be_empty: None });
        self
    }

    /// Adds the median, the 95th and the 99th percentile of a histogram. `family` is its name with the matchers in the
    /// short form, such as `NAME_bucket{@}`.
    pub fn quantiles(mut self, family: &str) -> Self {
        for (quantile, name) in [("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99")] {
            self =
                self.query(&format!("histogram_quantile({quantile}, sum by (le) (rate({family}[@])))"), name);
        }
        self
    }

    /// Adds the 95th percentile of a histogram for each value of a label.
    pub fn p95_by(self, label: &str, family: &str) -> Self {
        let expr = format!("histogram_quantile(0.95, sum by (le, {label}) (rate({family}[@])))");
        self.query(&expr, &format!("{{{{{label}}}}}"))
    }

    /// The expression added last may return nothing, for this reason.
    pub fn may_be_empty(mut self, reason: &'static str) -> Self {
        if let Some(query) = self.queries.last_mut() {
            query.may_be_empty = Some(reason);
        }
        self
    }

    /// The column of that header leads to an address, which may hold Grafana's variables of the cell.
    pub fn link(mut self, header: &'static str, title: &'static str, url: &'static str) -> Self {
        self.link = Some((header, title, url));
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

    /// In Grafana's rows of 30 pixels.
    pub fn height(mut self, height: u32) -> Self {
        self.height = height;
        self
    }

    /// Digits behind the point.
    pub fn decimals(mut self, decimals: u32) -> Self {
        self.decimals = Some(decimals);
        self
    }

    /// Many series: the legend to the right, the largest first.
    pub fn ranked(mut self) -> Self {
        self.ranked = true;
        self
    }

    /// Colours of series, by regular expressions.
    pub fn colours(mut self, colours: &'static [(&'static str, &'static str)]) -> Self {
        self.colours = colours;
        self
    }

    /// Columns of a table in their order, and what stands above them.
    pub fn columns(mut self, columns: &'static [(&'static str, &'static str)]) -> Self {
        self.columns = columns;
        self
    }

    /// The highest value there can be.
    pub fn max(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }
}
