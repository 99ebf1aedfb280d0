//! One request as its one line in the access log tells it, and its spans: kept from its head to its end, whatever that is.
//!
//! A [`Visit`] begins before anything can refuse the request, and its end is its drop: a refusal, an answer, a broken
//! stream and a client that left all come by there, once. Whatever ends it is counted in the same place.

mod dropped;
mod file;
mod line;
mod log;
mod who;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidegate_watchdog::{IncidentId, Lived};
use tokio::time::Instant;

use crate::dialects::{Dialect, Usage};
use crate::metrics::{Ending, GroupSeries};
use crate::routing::group::seed;
use crate::traces::Trace;

pub use dropped::Dropped;
pub use line::Line;
pub use log::{Log, Unopened};
pub use who::Who;

/// So much of a path or of a model's name, which are the client's words, is told.
const LONGEST: usize = 128;

/// What is known of one request.
pub struct Visit {
    log: Arc<Log>,
    /// Its id towards the client, as a number.
    pub seed: u64,
    began: SystemTime,
    /// When its head had come.
    pub started: Instant,
    /// Who asks.
    pub who: Who,
    method: &'static str,
    path: String,
    /// What it was found to be for; nothing where there was no such route.
    pub dialect: Option<Dialect>,
    /// Its spans.
    pub trace: Trace,
    /// What was learnt on the way.
    pub facts: Facts,
    series: Option<Arc<GroupSeries>>,
    end: Option<End>,
}

/// What is learnt of a request on its way. What is not known stays as it is.
#[derive(Default)]
pub struct Facts {
    /// The model's name as the client wrote it.
    pub model: Option<String>,
    /// A stream was asked for.
    pub stream: Option<bool>,
    /// The model group.
    pub group: Option<Arc<str>>,
    /// The deployment of the last attempt.
    pub deployment: Option<Arc<str>>,
    /// How the last attempt ended, as in `tidegate_attempts_total`.
    pub outcome: Option<&'static str>,
    /// The class of the failure that the client was told.
    pub error: Option<&'static str>,
    /// Upstream calls.
    pub attempts: u32,
    /// Those that left their group.
    pub fallbacks: u32,
    /// The stream broke off and went on elsewhere.
    pub continued: bool,
    /// What its answers have cost, and whether a count is a guess.
    pub usage: Option<(Usage, bool)>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's.
    pub bytes_out: u64,
    /// From its last byte to its first content.
    pub first_content: Option<Duration>,
    /// In upstream calls.
    pub upstream: Duration,
    /// From the request's last byte on; the head's time where the body never came.
    pub asked: Option<Instant>,
    /// As the watchdog saw it.
    pub lived: Lived,
    /// Incidents that it is part of.
    pub incidents: Vec<IncidentId>,
    /// Parameters that were left out.
    pub dropped: Dropped,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) status: u16,
    pub(crate) ending: Ending,
    pub(crate) at: Instant,
}

impl Visit {
    /// A request whose head has come. `path`: without its query, where a key may stand.
    pub fn begin(log: Arc<Log>, who: Who, method: &http::Method, path: &str, trace: Trace) -> Box<Self> {
        Box::new(Self {
            log,
            seed: seed(),
            began: SystemTime::now(),
            started: Instant::now(),
            who,
            method: word(method),
            path: path.chars().take(LONGEST).collect(),
            dialect: None,
            trace,
            facts: Facts::default(),
            series: None,
            end: None,
        })
    }

    /// Its method, if it is a known one.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Its path, as far as it is told.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The client's model, as far as it is told.
    pub fn model(&mut self, name: &str) {
        self.facts.model = Some(name.chars().take(LONGEST).collect());
    }

    /// Its end is to be counted in `series`, those of its group once that is known.
    pub fn count_in(&mut self, series: Arc<GroupSeries>) {
        self.series = Some(series);
    }

    /// It came to its end, which is counted now and told when the last byte has been handed over. Whether it is the first:
    /// no other counts.
    pub fn end(&mut self, status: u16, ending: Ending) -> bool {
        self.ended(status, ending).1
    }

    /// It has come to its end.
    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Its end, and whether it is this one.
    fn ended(&mut self, status: u16, ending: Ending) -> (End, bool) {
        if let Some(end) = self.end {
            return (end, false);
        }
        let end = End { status, ending, at: Instant::now() };
        self.end = Some(end);
        if let Some(series) = &self.series {
            series.ended(status, ending);
            let took = end.at.saturating_duration_since(self.facts.asked.unwrap_or(self.started));
            series.duration.observe(took.as_secs_f64());
        }
        (end, true)
    }

    /// It was answered with an error before it came to a model group, or with a list of models; not where it has its end
    /// already: then nobody is there to be answered.
    pub fn answered(&mut self, status: u16, error: Option<&'static str>, bytes: u64) {
        let ending = if status < 400 { Ending::Complete } else { Ending::Error };
        if self.end(status, ending) {
            self.facts.error = error;
            self.facts.bytes_out = bytes;
        }
    }

    /// An incident that it is part of.
    pub fn incident(&mut self, id: Option<IncidentId>) {
        self.facts.incidents.extend(id);
    }

    /// When `at` was, by the clock that people read.
    pub(crate) fn time(&self, at: Instant) -> SystemTime {
        self.began + at.saturating_duration_since(self.started)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let (end, _) = self.ended(499, Ending::ClientGone);
        self.log.write(self, end);
        if self.trace.is_recorded() {
            self.trace.finish(self, end);
        }
    }
}

/// A method of a known name: any text may come as one.
fn word(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::metrics::Metrics;
    use crate::traces::Traces;

    fn visit(series: &Arc<GroupSeries>) -> Box<Visit> {
        let who = Who::at([127, 0, 0, 1].into(), &HeaderMap::new());
        let trace = Traces::off(false).begin(&HeaderMap::new());
        let mut visit = Visit::begin(Log::Off.into(), who, &Method::POST, "/v1/messages", trace);
        visit.count_in(series.clone());
        visit
    }

    #[test]
    fn who_has_left_is_not_answered() {
        let series = Metrics::new().unwrap().group("g").into();
        for (left, end) in [(true, (499, Ending::ClientGone)), (false, (400, Ending::Error))] {
            let mut visit = visit(&series);
            if left {
                visit.end(499, Ending::ClientGone);
            }
            visit.answered(400, Some("bad_request"), 9);
            let seen = visit.end.unwrap();
            assert_eq!((seen.status, seen.ending), end);
            assert_eq!((visit.facts.error.is_none(), visit.facts.bytes_out == 0), (left, left));
        }
    }

    #[test]
    fn each_end_is_counted_once_and_the_first_is_the_one() {
        let metrics = Metrics::new().unwrap();
        let series = metrics.group("g").into();
        let counted = || {
            let of = |status| metrics.requests.with_label_values(&["g", status]).get();
            (of("200"), of("400"), of("499"), series_of(&metrics))
        };
        // Its future was dropped, wherever it was.
        drop(visit(&series));
        assert_eq!(counted(), (0, 0, 1, 1));
        let mut refused = visit(&series);
        refused.answered(400, None, 0);
        assert_eq!(counted(), (0, 1, 1, 2));
        drop(refused);
        assert_eq!(counted(), (0, 1, 1, 2));
        let mut complete = visit(&series);
        assert!(complete.end(200, Ending::Complete));
        assert!(!complete.end(499, Ending::ClientGone));
        drop(complete);
        assert_eq!(counted(), (1, 1, 1, 3));
    }

    fn series_of(metrics: &Metrics) -> u64 {
        metrics.duration.with_label_values(&["g"]).get_sample_count()
    }
}
