//! `tidegate.traces` and `tidegate.access_log`.

use std::path::PathBuf;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::parts::duration;
use super::strict::strict;
use crate::config::diagnose::Sink;
use crate::config::node::{Node, Value};
use crate::config::read;
use crate::secret::Secret;
use crate::upstream::Target;

/// Where traces are sent, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// A collector's base URL. `None`: none are sent, unless OpenTelemetry's environment variables name one.
    pub endpoint: Option<String>,
    /// The share of the traces that begin here, from 0 to 1.
    pub sample: Option<f64>,
    /// Sent with each post; keys.
    pub headers: Vec<(String, Secret)>,
    /// For one post.
    pub timeout: Option<Duration>,
    /// A provider is told of which trace its call is part.
    pub propagate: bool,
}

/// Where the line of a request goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Beside the rest of the log.
    #[default]
    Stderr,
    /// To a file of its own.
    File(PathBuf),
    /// Nowhere.
    Off,
}

impl Default for Traces {
    fn default() -> Self {
        Self { endpoint: None, sample: None, headers: Vec::new(), timeout: None, propagate: true }
    }
}

pub(super) fn traces(sink: &mut Sink, node: &Node) -> Traces {
    let mut traces = Traces::default();
    let keys = ["endpoint", "sample", "headers", "timeout", "propagate"];
    strict(sink, "traces", node, &keys, |sink, key, entry| match key {
        "endpoint" => traces.endpoint = endpoint(sink, &entry.node),
        "sample" => {
            traces.sample = read::number(sink, key, &entry.node);
            if traces.sample.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                sink.error(&entry.node.place, "`sample` is a share of the traces, from 0 to 1");
            }
        }
        "headers" => traces.headers = headers(sink, &entry.node),
        "timeout" => {
            traces.timeout = duration(sink, key, &entry.node);
            if traces.timeout == Some(Duration::ZERO) {
                sink.error(&entry.node.place, "`timeout` must be longer than 0s");
            }
        }
        _ => traces.propagate = read::flag(sink, key, &entry.node).unwrap_or(true),
    });
    if traces.endpoint.is_some() && !cfg!(feature = "otlp") {
        sink.error(
            &node.place,
            "this build of Tidegate cannot send traces: it was made without the feature `otlp`",
        );
    }
    traces
}

fn endpoint(sink: &mut Sink, node: &Node) -> Option<String> {
    let text = read::text(sink, "endpoint", node)?;
    let error = match text.parse::<Target>() {
        Ok(_) if text.contains('?') => {
            Some("a collector's base has no query; keys go into `headers`".to_owned())
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    if let Some(error) = error {
        sink.error_hint(
            &node.place,
            format!("`endpoint`: {error}"),
            Some("such as http://127.0.0.1:4318; /v1/traces is added".to_owned()),
        );
        return None;
    }
    Some(text)
}

fn headers(sink: &mut Sink, node: &Node) -> Vec<(String, Secret)> {
    let Some(mapping) = read::mapping(sink, "headers", node) else { return Vec::new() };
    let mut headers = Vec::new();
    for entry in &mapping.entries {
        if HeaderName::try_from(entry.key.as_str()).is_err() {
            sink.error(&entry.key_place, format!("`{}` is no name of a header", entry.key));
            continue;
        }
        let Some(value) = read::text(sink, &entry.key, &entry.node) else { continue };
        // The value may be a key: it is not shown.
        match HeaderValue::try_from(value.as_str()) {
            Ok(_) => headers.push((entry.key.clone(), Secret::new(value))),
            Err(_) => {
                sink.error(&entry.node.place, format!("`{}` has a value that no header may have", entry.key));
            }
        }
    }
    headers
}

pub(super) fn access_log(sink: &mut Sink, node: &Node) -> AccessLog {
    // YAML 1.1 reads a bare `off` as false; here it is meant as the word.
    if node.value == Value::Bool(false) {
        return AccessLog::Off;
    }
    match read::text(sink, "access_log", node).as_deref() {
        None | Some("stderr") => AccessLog::Stderr,
        Some("off") => AccessLog::Off,
        // Words that are meant as one of these, more likely than as a file in the working folder.
        Some(word) if !word.contains(['/', '.']) => {
            let hint = "a file's name has a `/` or a `.` in it: ./access.jsonl".to_owned();
            sink.error_hint(&node.place, "`access_log` is stderr, off or a file", Some(hint));
            AccessLog::Stderr
        }
        Some(path) => AccessLog::File(PathBuf::from(path)),
    }
}
