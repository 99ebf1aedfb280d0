//! Events and errors as OpenAI's SDKs and the Codex CLI read them.

use serde_json::{Value, json};

use crate::dialects::{Said, openai_chat};
use crate::failure::Failure;
use tidegate_engine::ErrorClass;

/// Each event has its type as its name.
pub(super) fn frame(name: &[u8], data: &[u8], out: &mut Vec<u8>) {
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name);
        out.push(b'\n');
    }
    openai_chat::frame(b"", data, out);
}

/// One event of a stream, numbered.
pub(super) fn event(kind: &str, number: u64, mut members: Value, out: &mut Vec<u8>) {
    members["type"] = json!(kind);
    members["sequence_number"] = json!(number);
    frame(kind.as_bytes(), members.to_string().as_bytes(), out);
}

/// The end of a stream that failed, from `number` on: an `error` event, and `response.failed` with `response`.
///
/// The official SDKs raise at the nested error and at nothing else, the Codex CLI reads `response.failed` alone, and the
/// documented form of an `error` event is the flat one: so it has both forms.
pub(super) fn failed(failure: &Failure, mut number: u64, mut response: Value, out: &mut Vec<u8>) {
    let (code, message) = (code(failure), message(failure));
    let body: Value = serde_json::from_slice(&openai_chat::error_body(failure)).unwrap_or_default();
    let mut nested = body["error"].clone();
    nested["message"] = json!(message);
    event("error", number, json!({"code": code, "message": message, "param": null, "error": nested}), out);
    number += 1;
    response["status"] = json!("failed");
    response["error"] = json!({"code": code, "message": message});
    event("response.failed", number, json!({"response": response}), out);
}

/// The code of a `response.failed`: what the Codex CLI, which reads nothing else, does at it.
///
/// It gives up at the first two and at `invalid_prompt`, whose message it shows; at `rate_limit_exceeded` it waits as long as
/// the message says, at any other it tries again after a second or so. `server_is_overloaded` is not among them, because it
/// gives up at that too, and shows its own words in place of the provider's.
fn code(failure: &Failure) -> &'static str {
    match failure.class {
        _ if failure.quota => "insufficient_quota",
        ErrorClass::ContextLength => "context_length_exceeded",
        _ if failure.status == 429 => RATE_LIMIT,
        ErrorClass::Overloaded if failure.retry_after.is_some() => RATE_LIMIT,
        // No second try helps.
        ErrorClass::BadRequest
        | ErrorClass::ContentFilter
        | ErrorClass::Auth
        | ErrorClass::Permission
        | ErrorClass::NotFound => INVALID,
        _ => "server_error",
    }
}

const RATE_LIMIT: &str = "rate_limit_exceeded";
const INVALID: &str = "invalid_prompt";

/// The failure's kind and status, where the code says less than these: nothing else of `response.failed` has them.
fn kind(failure: &Failure) -> Option<String> {
    let told = match code(failure) {
        RATE_LIMIT => failure.status == 429,
        INVALID => failure.class == ErrorClass::BadRequest,
        "server_error" => false,
        _ => true,
    };
    (!told).then(|| format!(" ({}, {})", failure.kind(), failure.status))
}

/// With the wait in OpenAI's words, out of which the Codex CLI reads it: an event has no Retry-After.
fn message(failure: &Failure) -> String {
    let mut message = failure.message.clone();
    if let Some(kind) = kind(failure) {
        message.truncate(message.trim_end_matches('.').len());
        message.push_str(&kind);
    }
    match failure.retry_after {
        Some(wait) if !failure.quota && !failure.message.contains("try again in") => {
            let sentence = message.trim_end_matches('.');
            format!("{sentence}. Please try again in {}s.", wait.as_secs_f64())
        }
        _ => message,
    }
}

/// The same for a stream whose events passed as they came: it goes on with their numbers, and repeats their `response`.
pub(super) fn error_event(failure: &Failure, said: &Said) -> Vec<u8> {
    let response = events(&said.first).find_map(|event| event.get("response").cloned());
    let response = response.filter(Value::is_object).unwrap_or_else(unknown);
    let last = events(&said.last).chain(events(&said.first));
    let number = last.filter_map(|event| event["sequence_number"].as_u64()).max().map_or(0, |last| last + 1);
    let mut out = Vec::new();
    failed(failure, number, response, &mut out);
    out
}

/// A `response` of which nothing is known, with what the SDKs' models need.
fn unknown() -> Value {
    json!({
        "id": "resp_unknown", "object": "response", "created_at": 0, "model": "unknown", "output": [],
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
    })
}

/// The data of whole events, as far as each is on one line.
fn events(bytes: &[u8]) -> impl Iterator<Item = Value> {
    bytes.split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(|line| {
        let data = line.strip_prefix(b"data:")?;
        serde_json::from_slice(data.trim_ascii()).ok()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn said(first: &str, last: &str) -> Said {
        Said { first: first.to_owned().into(), last: last.to_owned().into() }
    }

    fn told(bytes: &[u8]) -> Vec<Value> {
        events(bytes).collect()
    }

    #[test]
    fn a_passing_stream_ends_with_the_next_numbers_and_its_own_response() {
        let first = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\
                     \"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\",\"tools\":[]}}\n\n";
        let last = "event: x\r\ndata: {\"sequence_number\":7,\"delta\":\"a\"}\r\n\r\n";
        let failure = Failure::refusal(429, "Slow down.").retry_after(Duration::from_millis(1500));
        let out = error_event(&failure, &said(first, last));
        let text = String::from_utf8(out.clone()).expect("UTF-8");
        assert!(
            text.starts_with("event: error\ndata: ") && text.contains("\n\nevent: response.failed\ndata: ")
        );
        let [error, failed] = told(&out).try_into().expect("two events");
        assert_eq!((&error["type"], &error["sequence_number"]), (&json!("error"), &json!(8)));
        assert_eq!(error["code"], "rate_limit_exceeded");
        assert_eq!(error["error"]["code"], "429");
        assert_eq!(error["error"]["message"], "Slow down. Please try again in 1.5s.");
        assert_eq!(error["message"], error["error"]["message"]);
        assert_eq!((&failed["type"], &failed["sequence_number"]), (&json!("response.failed"), &json!(9)));
        let response = &failed["response"];
        assert_eq!((&response["id"], &response["status"]), (&json!("resp_1"), &json!("failed")));
        assert_eq!(response["error"], json!({"code": "rate_limit_exceeded", "message": error["message"]}));
    }

    #[test]
    fn a_stream_of_which_nothing_is_known_still_ends() {
        let [error, failed] =
            told(&error_event(&Failure::truncated("x"), &Said::default())).try_into().expect("two events");
        assert_eq!((&error["sequence_number"], &failed["sequence_number"]), (&json!(0), &json!(1)));
        assert_eq!(failed["response"]["error"]["code"], "server_error");
    }

    #[test]
    fn each_code_and_what_it_does_not_say() {
        let of = |class: ErrorClass, status: u16| Failure { class, ..Failure::refusal(status, "m.") };
        let wait = Duration::from_secs(60);
        let quota = Failure { quota: true, ..Failure::refusal(429, "m.").retry_after(wait) };
        let busy = Failure::refusal(503, "m.").retry_after(wait);
        let stopping = Failure { class: ErrorClass::Server, ..busy.clone() };
        for (failure, expected, words) in [
            (&quota, "insufficient_quota", "m."),
            (&of(ErrorClass::ContextLength, 400), "context_length_exceeded", "m."),
            (&Failure::refusal(429, "m."), "rate_limit_exceeded", "m."),
            (&busy, "rate_limit_exceeded", "m (overloaded, 503). Please try again in 60s."),
            (&Failure::refusal(503, "m."), "server_error", "m (overloaded, 503)"),
            (&stopping, "server_error", "m (server, 503). Please try again in 60s."),
            (&Failure::refusal(400, "m."), "invalid_prompt", "m."),
            (&of(ErrorClass::ContentFilter, 400), "invalid_prompt", "m (content_filter, 400)"),
            (&Failure::refusal(401, "m."), "invalid_prompt", "m (auth, 401)"),
            (&Failure::refusal(403, "m."), "invalid_prompt", "m (permission, 403)"),
            (&Failure::refusal(404, "m."), "invalid_prompt", "m (not_found, 404)"),
            (&of(ErrorClass::Timeout, 504), "server_error", "m (timeout, 504)"),
            (&of(ErrorClass::Truncated, 502), "server_error", "m (truncated, 502)"),
            (&of(ErrorClass::Malformed, 502), "server_error", "m (malformed, 502)"),
            (&of(ErrorClass::Transport, 502), "server_error", "m (transport, 502)"),
            (&of(ErrorClass::Server, 500), "server_error", "m (server, 500)"),
            (&of(ErrorClass::Unknown, 500), "server_error", "m (unknown, 500)"),
        ] {
            assert_eq!((code(failure), message(failure).as_str()), (expected, words), "{failure:?}");
        }
    }
}
