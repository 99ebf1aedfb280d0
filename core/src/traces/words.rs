//! The spans of a request that has ended, in the words of OpenTelemetry's conventions for HTTP (stable) and for GenAI (in
//! development; names of open-telemetry/semantic-conventions-genai). docs/traces.md lists them.

use tokio::time::Instant;

use super::context::Context;
use super::notes::{Called, Notes};
use super::span::{Fact, Facts, Happened, Kind, Span};
use crate::access::{End, Visit};
use crate::dialects::{Dialect, Usage};
use crate::metrics::{Ending, gen_ai_provider};

/// The request's own span, and one for each of its calls.
pub(super) fn spans(
    own: &Context,
    caller: Option<&Context>,
    notes: Notes,
    visit: &Visit,
    end: End,
) -> Vec<Span> {
    let mut spans = Vec::with_capacity(notes.calls.len() + 1);
    let calls = notes.calls.into_iter().enumerate();
    let calls: Vec<_> = calls.map(|(number, call)| of_call(number, call, own, visit, end)).collect();
    spans.push(of_request(own, caller, notes.events, visit, end));
    spans.extend(calls);
    spans
}

fn of_request(
    own: &Context,
    caller: Option<&Context>,
    events: Vec<(Instant, &'static str, Vec<Fact>)>,
    visit: &Visit,
    end: End,
) -> Span {
    let told = &visit.facts;
    let mut facts = Facts::default();
    facts.put("http.request.method", visit.method());
    facts.put("url.path", visit.path().to_owned());
    facts.put("url.scheme", "http");
    facts.perhaps("http.route", visit.dialect.map(Dialect::path));
    facts.put("http.response.status_code", end.status);
    facts.put("client.address", visit.who.address.to_string());
    facts.perhaps("user_agent.original", visit.who.agent.clone());
    // An error of the client's is none of the server's; the conventions want 5xx and what has no status.
    let failed = end.status >= 500 || end.ending == Ending::StreamError;
    let error = match end.ending {
        Ending::ClientGone => Some("client_gone"),
        _ => told.error,
    };
    facts.perhaps("error.type", error);
    facts.perhaps("gen_ai.operation.name", visit.dialect.map(Dialect::operation));
    facts.perhaps("gen_ai.request.model", told.model.clone());
    facts.put("tidegate.request.id", crate::exchange::request_id(visit.seed));
    facts.perhaps("tidegate.client.key", visit.who.key.clone());
    facts.perhaps("tidegate.group", told.group.clone());
    facts.perhaps("tidegate.dialect", visit.dialect.map(|dialect| dialect.name()));
    facts.perhaps("tidegate.stream", told.stream);
    facts.put("tidegate.ending", end.ending.as_str());
    facts.put("tidegate.attempts", told.attempts);
    facts.put("tidegate.fallbacks", told.fallbacks);
    if told.group.is_some() {
        facts.put("tidegate.polls", told.lived.polls);
        facts.put("tidegate.busy_us", told.lived.busy.as_micros() as u64);
    }
    put_usage(&mut facts, told.usage);
    let mut events = happened(events, visit);
    let mut incidents: Vec<String> = told.incidents.iter().map(ToString::to_string).collect();
    if let Some(rule) = told.lived.verdict {
        let mut facts = Facts::default();
        facts.put("tidegate.rule", rule.as_str());
        facts.perhaps("tidegate.incident", told.lived.incident.map(|id| id.to_string()));
        events.push(Happened { at: visit.time(end.at), name: "tidegate.verdict", facts: facts.0 });
    }
    incidents.extend(told.lived.incident.map(|id| id.to_string()));
    if !incidents.is_empty() {
        facts.0.push(("tidegate.incidents", super::Value::Texts(incidents)));
    }
    let name = match visit.dialect {
        Some(dialect) => format!("{} {}", visit.method(), dialect.path()),
        // Any path may be asked for: the method alone has few values.
        None => visit.method().to_owned(),
    };
    Span {
        trace: own.trace,
        id: own.span,
        parent: caller.map_or(0, |caller| caller.span),
        remote: caller.is_some(),
        flags: own.flags,
        state: own.state.clone(),
        name,
        kind: Kind::Server,
        time: (visit.time(visit.started), visit.time(end.at)),
        facts: facts.0,
        events,
        failed,
    }
}

fn of_call(number: usize, called: Called, own: &Context, visit: &Visit, end: End) -> Span {
    let Called { call, server, status, content, usage, ended, events } = called;
    let (until, outcome) = ended.unwrap_or((end.at, "cancelled"));
    let operation = visit.dialect.map_or("chat", Dialect::operation);
    let mut facts = Facts::default();
    facts.put("gen_ai.operation.name", operation);
    facts.put("gen_ai.provider.name", gen_ai_provider(&call.provider).to_owned());
    facts.put("gen_ai.request.model", call.model.clone());
    facts.perhaps("gen_ai.request.stream", visit.facts.stream);
    facts.put("http.request.method", "POST");
    if let Some((host, port)) = server {
        facts.put("server.address", host);
        facts.put("server.port", port);
    }
    facts.perhaps("http.response.status_code", status);
    if number > 0 {
        facts.put("http.request.resend_count", number as u64);
    }
    if outcome != "ok" {
        facts.put("error.type", outcome);
    }
    put_usage(&mut facts, usage);
    facts.put("tidegate.deployment", call.deployment);
    facts.put("tidegate.group", call.group);
    facts.put("tidegate.attempt", number as u64 + 1);
    facts.put("tidegate.cause", call.cause);
    facts.put("tidegate.outcome", outcome);
    let mut events = happened(events, visit);
    if let Some(at) = content {
        events.push(Happened { at: visit.time(at), name: "tidegate.first_content", facts: Vec::new() });
        events.sort_by_key(|event| event.at);
    }
    Span {
        trace: own.trace,
        id: call.id,
        parent: own.span,
        remote: false,
        flags: own.flags,
        state: own.state.clone(),
        name: format!("{operation} {}", call.model),
        kind: Kind::Client,
        time: (visit.time(call.began), visit.time(until)),
        facts: facts.0,
        events,
        // Who left (`cancelled`), or was ended by the watchdog, an operator or the shutdown (`aborted`), says nothing of the
        // provider.
        failed: !matches!(outcome, "ok" | "cancelled" | "aborted"),
    }
}

/// With whether a count of it is a guess.
fn put_usage(facts: &mut Facts, usage: Option<(Usage, bool)>) {
    let Some((usage, estimated)) = usage else { return };
    facts.perhaps("gen_ai.usage.input_tokens", usage.input);
    facts.perhaps("gen_ai.usage.output_tokens", usage.output);
    facts.perhaps("gen_ai.usage.cache_read.input_tokens", usage.cached);
    facts.perhaps("gen_ai.usage.cache_creation.input_tokens", usage.cache_write);
    facts.perhaps("gen_ai.usage.reasoning.output_tokens", usage.reasoning);
    facts.put("tidegate.usage.estimated", estimated);
}

fn happened(events: Vec<(Instant, &'static str, Vec<Fact>)>, visit: &Visit) -> Vec<Happened> {
    events.into_iter().map(|(at, name, facts)| Happened { at: visit.time(at), name, facts }).collect()
}
