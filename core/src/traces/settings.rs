//! What is sent where: the configuration, and OpenTelemetry's own environment variables where that is silent.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::Sampler;
use crate::config::{self, Env};
use crate::secret::Secret;
use crate::service::percent_decoded;
use crate::upstream::Target;

/// The specification's default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// All that is to be known to send traces.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where they are posted to.
    pub endpoint: String,
    /// Sent with each post.
    pub headers: Vec<(String, Secret)>,
    /// For one post.
    pub timeout: Duration,
    /// Which are recorded.
    pub sampler: Sampler,
    /// Providers are told of which trace a call is part.
    pub propagate: bool,
    /// Whose traces they are: `service.name` and the like.
    pub resource: Vec<(String, String)>,
}

impl Settings {
    /// As configured. `None`: no traces are made, since no endpoint is named or the environment switches them off.
    /// `complain` hears of variables that are not understood, which the specification wants ignored: they may stand there for
    /// all programs of the machine, and no start may fail for one.
    pub fn of(config: &config::Traces, env: &dyn Env, complain: &mut dyn FnMut(String)) -> Option<Self> {
        // An empty variable counts as unset.
        let var =
            |name: &str| env.var(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let of_traces = |rest: &str| {
            var(&format!("OTEL_EXPORTER_OTLP_TRACES_{rest}"))
                .or_else(|| var(&format!("OTEL_EXPORTER_OTLP_{rest}")))
        };
        let is = |name: &str, word: &str| var(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return None;
        }
        let endpoint = match &config.endpoint {
            Some(base) => of_base(base),
            None => of_env(&var, complain)?,
        };
        if let Some(protocol) = of_traces("PROTOCOL").filter(|protocol| protocol != "http/protobuf") {
            complain(format!("OTLP is spoken as http/protobuf alone: \"{protocol}\" is ignored"));
        }
        if let Some(coding) = of_traces("COMPRESSION").filter(|coding| coding != "none") {
            complain(format!("traces are sent as they are: the compression \"{coding}\" is ignored"));
        }
        let timeout = of_traces("TIMEOUT").and_then(|text| match text.parse() {
            Ok(ms) if ms > 0 => Some(Duration::from_millis(ms)),
            _ => {
                complain("OTEL_EXPORTER_OTLP_TIMEOUT is a number of milliseconds".to_owned());
                None
            }
        });
        let mut headers = config.headers.clone();
        for (at, entry) in of_traces("HEADERS").unwrap_or_default().split(',').enumerate() {
            match header(entry) {
                Some((name, _)) if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) => {}
                Some(header) => headers.push(header),
                None if entry.trim().is_empty() => {}
                // Not shown: a key may stand on either side of where a `=` is, or is missing.
                None => complain(format!(
                    "entry {} of OTEL_EXPORTER_OTLP_HEADERS is no name=value of a header: it is left out",
                    at + 1
                )),
            }
        }
        let sampler = match (config.sample, var("OTEL_TRACES_SAMPLER")) {
            (Some(share), _) => Sampler { share, parent_based: true },
            (None, None) => Sampler::default(),
            (None, Some(name)) => Sampler::named(&name, var("OTEL_TRACES_SAMPLER_ARG").as_deref())
                .unwrap_or_else(|why| {
                    complain(why);
                    Sampler::default()
                }),
        };
        Some(Self {
            endpoint,
            headers,
            timeout: config.timeout.or(timeout).unwrap_or(TIMEOUT),
            sampler,
            propagate: config.propagate,
            resource: resource(var("OTEL_SERVICE_NAME"), var("OTEL_RESOURCE_ATTRIBUTES")),
        })
    }
}

/// An endpoint that the environment names. `None`: none, or one that cannot be called.
fn of_env(var: &dyn Fn(&str) -> Option<String>, complain: &mut dyn FnMut(String)) -> Option<String> {
    let (whole, base) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
    let (name, url) = match var(whole) {
        Some(url) => (whole, url),
        None => (base, var(base)?),
    };
    // The errors show nothing of a URL, in which a key may stand.
    let error = match url.parse::<Target>() {
        Ok(_) if name == base && url.contains('?') => "a collector's base has no query".to_owned(),
        Ok(_) => return Some(if name == base { of_base(&url) } else { url }),
        Err(error) => error.to_string(),
    };
    complain(format!("{name}: {error}; no traces are sent"));
    None
}

/// What all signals share is a base, under which traces have a place of their own.
fn of_base(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") }
}

fn resource(name: Option<String>, attributes: Option<String>) -> Vec<(String, String)> {
    let mut all: Vec<_> = attributes.map(|text| pairs(&text)).unwrap_or_default();
    all.retain(|(key, _)| name.is_none() || key != "service.name");
    if !all.iter().any(|(key, _)| key == "service.name") {
        all.push(("service.name".to_owned(), name.unwrap_or_else(|| "tidegate".to_owned())));
    }
    for (key, value) in [
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", format!("{:016x}", crate::routing::group::seed())),
        ("process.pid", std::process::id().to_string()),
    ] {
        if !all.iter().any(|(known, _)| known == key) {
            all.push((key.to_owned(), value));
        }
    }
    all
}

/// `key=value,key=value`, values percent-encoded (<https://www.w3.org/TR/baggage/>).
fn pairs(text: &str) -> Vec<(String, String)> {
    text.split(',').filter_map(pair).collect()
}

fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let key = key.trim();
    (!key.is_empty()).then_some((key.to_owned(), percent_decoded(value.trim())?))
}

/// One that may be sent.
fn header(text: &str) -> Option<(String, Secret)> {
    let (name, value) = pair(text)?;
    HeaderName::try_from(&name).ok()?;
    HeaderValue::try_from(&value).ok()?;
    Some((name, Secret::new(value)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(config: config::Traces, vars: &[(&str, &str)]) -> (Option<Settings>, Vec<String>) {
        let env: BTreeMap<String, String> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut said = Vec::new();
        (Settings::of(&config, &env, &mut |text| said.push(text)), said)
    }

    fn at(endpoint: &str) -> config::Traces {
        config::Traces { endpoint: Some(endpoint.to_owned()), ..config::Traces::default() }
    }

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/");

    #[test]
    fn an_endpoint_switches_them_on_and_a_word_off() {
        let endpoint = |config, vars: &[_]| settings(config, vars).0.map(|settings| settings.endpoint);
        assert_eq!(endpoint(config::Traces::default(), &[]), None);
        assert_eq!(endpoint(at("http://b:4318"), &[BASE]).as_deref(), Some("http://b:4318/v1/traces"));
        assert_eq!(endpoint(at("http://b/x/v1/traces"), &[]).as_deref(), Some("http://b/x/v1/traces"));
        assert_eq!(endpoint(config::Traces::default(), &[BASE]).as_deref(), Some("http://a:4318/v1/traces"));
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/as/it/is");
        assert_eq!(endpoint(config::Traces::default(), &[BASE, whole]).as_deref(), Some("http://c/as/it/is"));
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(endpoint(at("http://b"), &[BASE, off]), None, "{off:?}");
        }
        assert!(endpoint(at("http://b"), &[("OTEL_SDK_DISABLED", "no")]).is_some());
    }

    #[test]
    fn the_configuration_goes_before_the_environment() {
        let vars = [
            BASE,
            ("OTEL_EXPORTER_OTLP_HEADERS", "ignored=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=a%20b, X-Own = c"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
            ("OTEL_SERVICE_NAME", "mine"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=a%2Cb"),
        ];
        let (found, said) = settings(config::Traces::default(), &vars);
        let found = found.unwrap();
        assert_eq!(said, Vec::<String>::new());
        assert_eq!(found.timeout, Duration::from_millis(1500));
        assert_eq!(found.sampler, Sampler { share: 0.5, parent_based: false });
        let headers: Vec<_> = found.headers.iter().map(|(name, value)| (&**name, value.expose())).collect();
        assert_eq!(headers, [("api-key", "a b"), ("X-Own", "c")]);
        let of = |key: &str| found.resource.iter().find(|(known, _)| known == key).map(|(_, value)| &**value);
        assert_eq!((of("service.name"), of("deployment.environment.name")), (Some("mine"), Some("a,b")));
        let written = config::Traces {
            sample: Some(0.1),
            headers: vec![("x-own".to_owned(), Secret::new("d"))],
            timeout: Some(Duration::from_secs(2)),
            ..at("http://b")
        };
        let found = settings(written, &vars).0.unwrap();
        assert_eq!((found.timeout.as_secs(), found.sampler), (2, Sampler { share: 0.1, parent_based: true }));
        let headers: Vec<_> = found.headers.iter().map(|(name, value)| (&**name, value.expose())).collect();
        assert_eq!(headers, [("x-own", "d"), ("api-key", "a b")]);
    }

    #[test]
    fn what_is_not_understood_is_said_and_ignored() {
        for bad in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ] {
            let (found, said) = settings(at("http://b"), &[bad]);
            assert_eq!((found.is_some(), said.len()), (true, 1), "{bad:?}");
        }
    }

    #[test]
    fn an_endpoint_of_others_is_said_and_none_is_used() {
        let (base, whole) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        for (name, url) in [
            (base, "localhost:4317"),
            (base, "grpc://localhost:4317"),
            (base, "http://hunter2@localhost:4318"),
            (base, "http://localhost:4318?key=hunter2"),
            (whole, "localhost:4317"),
            (whole, "http://local host/v1/traces"),
        ] {
            // One for traces alone goes before one for all signals, good or not.
            let vars = if name == whole { vec![BASE, (name, url)] } else { vec![(name, url)] };
            let (found, said) = settings(config::Traces::default(), &vars);
            assert!(found.is_none(), "{url}: {found:?}");
            assert_eq!(said.len(), 1, "{url}: {said:?}");
            assert!(said[0].starts_with(&format!("{name}: ")) && !said[0].contains("hunter2"), "{said:?}");
            let (found, said) = settings(at("http://b"), &vars);
            assert_eq!((found.unwrap().endpoint.as_str(), said.len()), ("http://b/v1/traces", 0), "{url}");
        }
        let query = [(whole, "http://c/v1/traces?key=a")];
        assert_eq!(settings(config::Traces::default(), &query).0.unwrap().endpoint, query[0].1);
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_said_and_left_out() {
        for bad in ["Authorization: Basic hunter2=", "a b=hunter2", "hunter2", "x=a%0Ahunter2", "x=%ff", "=x"]
        {
            let text = format!("first=1, {bad},,last=2");
            let (found, said) = settings(at("http://b"), &[("OTEL_EXPORTER_OTLP_HEADERS", &text)]);
            let headers = found.unwrap().headers;
            let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, value.expose())).collect();
            assert_eq!(headers, [("first", "1"), ("last", "2")], "{bad}");
            assert_eq!(said.len(), 1, "{bad}: {said:?}");
            assert!(said[0].starts_with("entry 2 ") && !said[0].contains("hunter2"), "{said:?}");
        }
    }
}
