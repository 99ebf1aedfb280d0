//! The line: one schema, on standard error and in a file. docs/access-log.md has its fields.

use serde::{Serialize, Serializer};
use std::time::Duration;

use super::{End, Visit};
use crate::utc;

/// What is not known has no field. No field holds a text of the client's but its path and its model's name, cut short, the
/// first word of its User-Agent, and some names of parameters that were left out; none holds a text of the model's or a key.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: &'static str,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    method: &'static str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'a str>,
    status: u16,
    ending: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    attempts: u32,
    fallbacks: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    continued: bool,
    #[serde(serialize_with = "millis")]
    ms: Duration,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "perhaps_millis")]
    first_content_ms: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "perhaps_millis")]
    upstream_ms: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_input: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_output: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_cached: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_cache_write: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_reasoning: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_estimated: Option<bool>,
    bytes_in: u64,
    bytes_out: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunks: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    polls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "perhaps_millis")]
    busy_ms: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incidents: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    dropped: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_more: Option<usize>,
}

impl<'a> Line<'a> {
    pub(super) fn of(visit: &'a Visit, end: End) -> Self {
        let facts = &visit.facts;
        let (usage, estimated) = facts.usage.unzip();
        let usage = usage.unwrap_or_default();
        let watched = facts.group.is_some().then_some(facts.lived);
        let mut incidents = facts.incidents.clone();
        incidents.extend(facts.lived.incident);
        Self {
            timestamp: utc::precise(visit.time(end.at)),
            level: "INFO",
            message: "request ended",
            request_id: crate::exchange::request_id(visit.seed),
            trace_id: visit.trace.trace_id(),
            span_id: visit.trace.span_id(),
            client: visit.who.address.to_string(),
            key: visit.who.key.as_deref(),
            agent: visit.who.agent.as_deref(),
            method: visit.method,
            path: &visit.path,
            dialect: visit.dialect.map(|dialect| dialect.name()),
            stream: facts.stream,
            model: facts.model.as_deref(),
            group: facts.group.as_deref(),
            deployment: facts.deployment.as_deref(),
            status: end.status,
            ending: end.ending.as_str(),
            outcome: facts.outcome,
            error: facts.error,
            attempts: facts.attempts,
            fallbacks: facts.fallbacks,
            continued: facts.continued,
            ms: end.at.saturating_duration_since(facts.asked.unwrap_or(visit.started)),
            first_content_ms: facts.first_content,
            upstream_ms: (facts.attempts > 0).then_some(facts.upstream),
            tokens_input: usage.input,
            tokens_output: usage.output,
            tokens_cached: usage.cached,
            tokens_cache_write: usage.cache_write,
            tokens_reasoning: usage.reasoning,
            tokens_estimated: estimated,
            bytes_in: facts.bytes_in,
            bytes_out: facts.bytes_out,
            chunks: watched.map(|lived| lived.chunks),
            stream_id: watched.and_then(|lived| lived.id),
            polls: watched.map(|lived| lived.polls),
            busy_ms: watched.map(|lived| lived.busy),
            verdict: watched.and_then(|lived| lived.verdict).map(tidegate_watchdog::Rule::as_str),
            incidents: incidents.iter().map(ToString::to_string).collect(),
            dropped: &facts.dropped.names,
            dropped_more: Some(facts.dropped.more).filter(|more| *more > 0),
        }
    }

    /// As JSON, with the line's end.
    pub(super) fn json(&self) -> Vec<u8> {
        // A struct of texts and numbers has no key that is none, and writes to memory do not fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// For people, who watch a terminal.
    pub(super) fn say(&self) {
        let Self { client, method, path, model, group, deployment, status, ending, .. } = self;
        let (attempts, tokens_input, tokens_output) = (self.attempts, self.tokens_input, self.tokens_output);
        let (ms, first_content_ms) =
            (self.ms.as_millis() as u64, self.first_content_ms.map(|ms| ms.as_millis() as u64));
        let incidents = (!self.incidents.is_empty()).then(|| self.incidents.join(","));
        tracing::info!(
            target: super::log::TARGET,
            client, key = self.key, agent = self.agent, model, group, deployment, status, ending, error = self.error, attempts, ms,
            first_content_ms, tokens_input, tokens_output, incidents, request_id = self.request_id, trace_id = self.trace_id,
            "{method} {path}"
        );
    }
}

/// Milliseconds, to the microsecond.
fn millis<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_micros() as f64 / 1e3)
}

fn perhaps_millis<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    millis(&time.unwrap_or_default(), to)
}
