//! The rows of the comparison: the upstream's fault, and what litellm 1.83.9 made of it.

use tidegate_sim::Scenario;

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The upstream's behaviour.
    pub(super) scenario: &'static Scenario,
    /// It in a few words.
    pub(super) fault: &'static str,
    /// What litellm 1.83.9's `vertex_ai/` did (measured against these very bytes).
    pub(super) litellm: Litellm,
}

/// How litellm ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Litellm {
    /// One core at 100 %, nobody served, SIGTERM ignored.
    Hang,
    /// `finish_reason: stop` and `[DONE]`.
    FalseStop,
    /// Nothing until the client gave up.
    Silence,
    /// 200, no text, `stop`.
    Empty,
    /// The upstream's HTTP status.
    Http,
}

impl Litellm {
    pub(super) fn short(self) -> &'static str {
        match self {
            Litellm::Hang => "hang",
            Litellm::FalseStop => "false stop",
            Litellm::Silence => "silence",
            Litellm::Empty => "200, empty",
            Litellm::Http => "HTTP 429",
        }
    }

    pub(super) fn long(self) -> &'static str {
        match self {
            Litellm::Hang => "hang, 100 % of a core",
            Litellm::FalseStop => "false stop, [DONE]",
            Litellm::Silence => "silence",
            Litellm::Empty => "200, empty answer, stop",
            Litellm::Http => "HTTP 429",
        }
    }
}

const ROWS: [(&str, &str, Litellm); 13] = [
    ("429-frame-end", "429 event, end", Litellm::FalseStop),
    ("429-frame-open", "429 event, left open", Litellm::Silence),
    ("429-first", "429 event, the very first", Litellm::Empty),
    ("429-event-line", "event: error + 429, end", Litellm::Hang),
    ("429-cut", "429 event cut short, end", Litellm::Hang),
    ("text-cut-end", "text cut mid-JSON, end", Litellm::Hang),
    ("text-cut-fin", "text cut mid-JSON, FIN", Litellm::Hang),
    ("text-cut-rst", "text cut mid-JSON, RST", Litellm::Hang),
    ("array-tail", "JSON array's tail: ,{429} ]", Litellm::Hang),
    ("keepalive-comment", "keep-alive, good chunks", Litellm::Hang),
    ("plain-text-line", "a middlebox's plain line", Litellm::Hang),
    ("no-finish", "end, no finish reason", Litellm::FalseStop),
    ("http-429", "HTTP 429, no stream", Litellm::Http),
];

/// All rows, in the comparison's order.
pub(super) fn all() -> Vec<Row> {
    let row = |(name, fault, litellm)| Some(Row { scenario: Scenario::find(name)?, fault, litellm });
    ROWS.into_iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_founding_scenario_is_a_row_and_every_row_one() {
        let rows: Vec<_> = all().iter().map(|row| row.scenario.name).collect();
        let founding: Vec<_> = Scenario::founding().map(|scenario| scenario.name).collect();
        assert_eq!(rows, founding);
        assert_eq!(rows.len(), ROWS.len());
    }
}
