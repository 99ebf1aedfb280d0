//! The same numbers under names that others gave them, for dashboards that people have already: litellm's, and those of
//! OpenTelemetry's GenAI conventions. Nothing is counted twice: each is made of our own series when Prometheus asks.
//!
//! litellm's labels of single users (`end_user`, `hashed_api_key`, `client_ip`, ...) are left empty, which to Prometheus is
//! the same as left out: they are without bound.

use std::collections::HashMap;

use prometheus::proto::{Bucket, Counter, Histogram, Metric, MetricFamily, MetricType};

use super::proto::{self, counter, gauge, labelled};

/// A set of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// litellm's own, of 1.83.9.
    Litellm,
    /// `gen_ai_client_*`.
    GenAi,
}

/// What others call a deployment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `model_info.id`, or litellm's own hash.
    pub id: String,
    /// Its model group.
    pub group: String,
    /// As in configurations: `openai`, `vertex_ai`, ...
    pub provider: String,
    /// Without its provider.
    pub model: String,
    /// Where it is, if the configuration says.
    pub api_base: String,
    /// Dollars for a token of the prompt and for one of the answer, if the configuration says.
    pub cost: [Option<f64>; 2],
    /// Whether it is put aside.
    pub cooling: bool,
}

/// Deployments by the value of the label `deployment`.
pub type Known = HashMap<String, Facts>;

/// litellm's exceptions and their statuses, by our word for the outcome.
const EXCEPTIONS: [(&str, &str, &str); 14] = [
    ("rate_limit", "RateLimitError", "429"),
    ("overloaded", "ServiceUnavailableError", "503"),
    ("auth", "AuthenticationError", "401"),
    ("bad_request", "BadRequestError", "400"),
    ("context_length", "ContextWindowExceededError", "400"),
    ("content_filter", "ContentPolicyViolationError", "400"),
    ("timeout", "Timeout", "408"),
    ("transport", "APIConnectionError", "500"),
    ("server", "InternalServerError", "500"),
    ("not_found", "NotFoundError", "404"),
    ("permission", "PermissionDeniedError", "403"),
    ("truncated", "APIError", "500"),
    ("malformed", "APIError", "500"),
    ("unknown", "APIError", "500"),
];

/// `gen_ai.provider.name` where it is not ours.
const PROVIDERS: [(&str, &str); 6] = [
    ("bedrock", "aws.bedrock"),
    ("azure", "azure.ai.openai"),
    ("gemini", "gcp.gemini"),
    ("vertex_ai", "gcp.vertex_ai"),
    ("mistral", "mistral_ai"),
    ("xai", "x_ai"),
];

/// A provider's name in OpenTelemetry's GenAI conventions, of that in configurations.
pub(crate) fn gen_ai_provider(name: &str) -> &str {
    PROVIDERS.iter().find(|(own, _)| *own == name).map_or(name, |(_, theirs)| theirs)
}

/// The families under other names.
pub(super) fn families(own: &[MetricFamily], names: &[Compat], known: &Known) -> Vec<MetricFamily> {
    let view = View { own, known };
    names
        .iter()
        .flat_map(|name| match name {
            Compat::Litellm => view.litellm(),
            Compat::GenAi => view.gen_ai(),
        })
        .filter(|family| !family.get_metric().is_empty())
        .collect()
}

struct View<'a> {
    own: &'a [MetricFamily],
    known: &'a Known,
}

type Labels = Vec<(&'static str, String)>;

impl View<'_> {
    fn litellm(&self) -> Vec<MetricFamily> {
        let asked = |metric: &Metric| vec![("requested_model", label(metric, "group"))];
        let requests = self.each("tidegate_requests_total", |metric| {
            let mut labels = asked(metric);
            labels.push(("status_code", label(metric, "status")));
            Some(labels)
        });
        let refused = self.each("tidegate_requests_total", |metric| {
            let status = label(metric, "status");
            let mut labels = asked(metric);
            let failed = status.as_bytes().first().is_some_and(|first| *first >= b'4');
            labels.push(("exception_status", status));
            failed.then_some(labels)
        });
        let tokens = |kinds: &[&str]| {
            self.each("tidegate_tokens_total", |metric| {
                kinds.contains(&&*label(metric, "kind")).then(|| self.deployment(metric)).flatten()
            })
        };
        let attempts = |which: fn(&str) -> bool| {
            self.each("tidegate_attempts_total", |metric| {
                which(&label(metric, "outcome")).then(|| self.deployment(metric)).flatten()
            })
        };
        let failures = self.each("tidegate_attempts_total", |metric| {
            let outcome = label(metric, "outcome");
            let (_, class, status) = EXCEPTIONS.iter().find(|(ours, ..)| *ours == outcome)?;
            let mut labels = self.deployment(metric)?;
            labels.push(("exception_class", (*class).to_owned()));
            labels.push(("exception_status", (*status).to_owned()));
            Some(labels)
        });
        let per_deployment = |metric: &Metric| self.deployment(metric);
        vec![
            summed("litellm_proxy_total_requests_metric_total", MetricType::COUNTER, requests),
            summed("litellm_proxy_failed_requests_metric_total", MetricType::COUNTER, refused),
            summed(
                "litellm_request_total_latency_metric",
                MetricType::HISTOGRAM,
                self.each("tidegate_request_duration_seconds", |metric| Some(asked(metric))),
            ),
            summed(
                "litellm_llm_api_time_to_first_token_metric",
                MetricType::HISTOGRAM,
                self.each("tidegate_upstream_first_content_seconds", per_deployment),
            ),
            summed(
                "litellm_in_flight_requests",
                MetricType::GAUGE,
                self.each("tidegate_active_streams", |_| Some(Vec::new())),
            ),
            summed("litellm_input_tokens_metric_total", MetricType::COUNTER, tokens(&["input"])),
            summed("litellm_output_tokens_metric_total", MetricType::COUNTER, tokens(&["output"])),
            summed("litellm_total_tokens_metric_total", MetricType::COUNTER, tokens(&["input", "output"])),
            summed("litellm_spend_metric_total", MetricType::COUNTER, self.spend()),
            summed("litellm_deployment_total_requests_total", MetricType::COUNTER, attempts(|_| true)),
            summed(
                "litellm_deployment_success_responses_total",
                MetricType::COUNTER,
                attempts(|outcome| outcome == "ok"),
            ),
            summed("litellm_deployment_failure_responses_total", MetricType::COUNTER, failures),
            summed(
                "litellm_deployment_cooled_down_total",
                MetricType::COUNTER,
                self.each("tidegate_cooldowns_total", per_deployment),
            ),
            summed("litellm_deployment_state", MetricType::GAUGE, self.state()),
        ]
    }

    fn gen_ai(&self) -> Vec<MetricFamily> {
        let provider = |metric: &Metric| {
            let facts = self.known.get(&label(metric, "deployment"))?;
            Some(vec![
                ("gen_ai_provider_name", gen_ai_provider(&facts.provider).to_owned()),
                ("gen_ai_request_model", facts.model.clone()),
            ])
        };
        let first = self.each("tidegate_upstream_first_content_seconds", provider);
        let name = "gen_ai_client_operation_time_to_first_chunk_seconds";
        vec![summed(name, MetricType::HISTOGRAM, first)]
    }

    /// The series of one of our families.
    fn own(&self, name: &str) -> &[Metric] {
        let family = self.own.iter().find(|family| family.name() == name);
        family.map_or(&[], MetricFamily::get_metric)
    }

    /// The same with other labels; those without any are left out.
    fn each(&self, name: &str, labels: impl Fn(&Metric) -> Option<Labels>) -> Vec<(Labels, Metric)> {
        self.own(name).iter().filter_map(|metric| Some((labels(metric)?, metric.clone()))).collect()
    }

    fn deployment(&self, metric: &Metric) -> Option<Labels> {
        let facts = self.known.get(&label(metric, "deployment"))?;
        let mut labels = of_deployment(facts);
        labels.push(("requested_model", facts.group.clone()));
        Some(labels)
    }

    /// Dollars, where the configuration has prices.
    fn spend(&self) -> Vec<(Labels, Metric)> {
        let priced = self.own("tidegate_tokens_total").iter().filter_map(|metric| {
            let [input, output] = self.known.get(&label(metric, "deployment"))?.cost;
            let price = match &*label(metric, "kind") {
                "input" => input,
                "output" => output,
                _ => None,
            };
            Some((self.deployment(metric)?, counter(metric.get_counter().get_value() * price?, &[])))
        });
        priced.collect()
    }

    fn state(&self) -> Vec<(Labels, Metric)> {
        let down = |facts: &Facts| if facts.cooling { 2.0 } else { 0.0 };
        self.known.values().map(|facts| (of_deployment(facts), gauge(down(facts)))).collect()
    }
}

fn of_deployment(facts: &Facts) -> Labels {
    vec![
        ("litellm_model_name", format!("{}/{}", facts.provider, facts.model)),
        ("model_id", facts.id.clone()),
        ("api_base", facts.api_base.clone()),
        ("api_provider", facts.provider.clone()),
    ]
}

/// One family, in which series with the same labels are added up.
fn summed(name: &str, kind: MetricType, series: Vec<(Labels, Metric)>) -> MetricFamily {
    let mut at: HashMap<Labels, usize> = HashMap::new();
    let mut metrics: Vec<Metric> = Vec::new();
    for (labels, metric) in series {
        match at.get(&labels) {
            Some(at) => add(kind, &mut metrics[*at], &metric),
            None => {
                metrics.push(relabelled(metric, &labels));
                at.insert(labels, metrics.len() - 1);
            }
        }
    }
    let help = "The same numbers under another name: see tidegate.compat_metrics.";
    proto::family(name, help, kind, metrics)
}

/// Of the same kind, and with the same buckets.
fn add(kind: MetricType, to: &mut Metric, more: &Metric) {
    match kind {
        MetricType::COUNTER => {
            let mut sum = Counter::default();
            sum.set_value(to.get_counter().get_value() + more.get_counter().get_value());
            to.set_counter(sum);
        }
        MetricType::HISTOGRAM => {
            let (one, two) = (to.get_histogram(), more.get_histogram());
            let buckets = one.get_bucket().iter().zip(two.get_bucket()).map(|(one, two)| {
                let mut sum = Bucket::default();
                sum.set_upper_bound(one.upper_bound());
                sum.set_cumulative_count(one.cumulative_count() + two.cumulative_count());
                sum
            });
            let mut sum = Histogram::default();
            sum.set_bucket(buckets.collect());
            sum.set_sample_count(one.get_sample_count() + two.get_sample_count());
            sum.set_sample_sum(one.get_sample_sum() + two.get_sample_sum());
            to.set_histogram(sum);
        }
        // A state is each deployment's own.
        _ => {}
    }
}

/// What is empty is to Prometheus as if it were not there.
fn relabelled(metric: Metric, labels: &Labels) -> Metric {
    let said = labels.iter().map(|(name, value)| (*name, value.as_str()));
    labelled(metric, &said.filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>())
}

pub(super) fn label(metric: &Metric, name: &str) -> String {
    let pair = metric.get_label().iter().find(|pair| pair.name() == name);
    pair.map(|pair| pair.value().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::Usage;
    use crate::metrics::{Ending, Metrics};

    fn text(names: &[Compat]) -> String {
        let metrics = Metrics::new().unwrap();
        let group = metrics.group("fast");
        group.ended(200, Ending::Complete);
        group.ended(429, Ending::Error);
        for name in ["one", "two"] {
            let deployment = metrics.deployment("fast", name);
            deployment.ended("ok");
            deployment.ended("rate_limit");
            deployment.first_content.observe(0.3);
            let usage = Usage { input: Some(10), output: Some(3), ..Usage::default() };
            deployment.spend(&usage, false, false);
        }
        let facts = |id: &str| Facts {
            id: id.into(),
            group: "fast".into(),
            provider: "gemini".into(),
            model: "gemini-2.5-pro".into(),
            api_base: "http://h/v1".into(),
            cost: [Some(0.5), None],
            cooling: id == "two",
        };
        let known = ["one", "two"].map(|id| (id.to_owned(), facts(id))).into_iter().collect();
        String::from_utf8(metrics.encode(names, &known)).unwrap()
    }

    fn value<'a>(text: &'a str, start: &str, has: &str) -> Option<&'a str> {
        let line = text.lines().find(|line| line.starts_with(start) && line.contains(has))?;
        line.rsplit_once(' ').map(|(_, value)| value)
    }

    #[test]
    fn what_nobody_asked_for_is_not_there() {
        assert!(!text(&[]).contains("litellm_") && !text(&[]).contains("gen_ai_"));
        assert!(!text(&[Compat::Litellm]).contains("gen_ai_"));
    }

    #[test]
    fn litellms_names_have_our_numbers() {
        let text = text(&[Compat::Litellm]);
        let of = |start: &str, has: &str| value(&text, start, has);
        assert_eq!(of("litellm_proxy_total_requests_metric_total{", "status_code=\"200\""), Some("1"));
        assert_eq!(of("litellm_proxy_failed_requests_metric_total{", "exception_status=\"429\""), Some("1"));
        assert_eq!(of("litellm_proxy_failed_requests_metric_total{", "exception_status=\"200\""), None);
        let one = "model_id=\"one\"";
        assert_eq!(of("litellm_total_tokens_metric_total{", one), Some("13"));
        assert_eq!(of("litellm_spend_metric_total{", one), Some("5"));
        assert_eq!(of("litellm_deployment_total_requests_total{", one), Some("2"));
        assert_eq!(of("litellm_deployment_success_responses_total{", one), Some("1"));
        assert_eq!(of("litellm_deployment_failure_responses_total{", "RateLimitError"), Some("1"));
        assert_eq!(of("litellm_deployment_state{", one), Some("0"));
        assert_eq!(of("litellm_deployment_state{", "model_id=\"two\""), Some("2"));
        assert_eq!(of("litellm_llm_api_time_to_first_token_metric_count{", one), Some("1"));
    }

    #[test]
    fn deployments_of_one_model_are_added_up() {
        let text = text(&[Compat::GenAi]);
        let first = "gen_ai_client_operation_time_to_first_chunk_seconds";
        assert_eq!(value(&text, &format!("{first}_count{{"), "gcp.gemini"), Some("2"));
        assert_eq!(value(&text, &format!("{first}_bucket{{"), "le=\"1\""), Some("2"));
        assert_eq!(text.matches(&format!("{first}_count{{")).count(), 1);
    }
}
