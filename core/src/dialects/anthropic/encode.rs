//! Writes events and errors as Anthropic's SDKs read them.
//!
//! A frame needs its name: the SDKs skip one that has none, an error included (measured: anthropic-py 2.12,
//! @anthropic-ai/sdk 1.12).

use std::borrow::Cow;

use serde::Serialize;
use tidegate_engine::ErrorClass;

use crate::failure::Failure;

/// What Anthropic sends in silence; the SDKs skip it.
pub(super) const KEEP_ALIVE: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// Where the SDKs look for an answer's id.
pub(super) const ID_HEADER: &str = "request-id";

/// The normal end.
pub(super) const DONE: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// One event. Data that holds a line end becomes several `data:` lines.
pub(super) fn frame(name: &[u8], data: &[u8], out: &mut Vec<u8>) {
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name);
        out.push(b'\n');
    }
    for line in data.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    error: Error<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// Beside Anthropic's members the provider's own word, and the wait: a stream has no header left to say it in.
#[derive(Serialize)]
struct Error<'a> {
    r#type: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<f64>,
}

/// Agents know by these words of Anthropic's that they have to shorten a prompt: its error has no code for that.
const TOO_LONG: &str = "prompt is too long";

/// The sentence of a failure, for a client of this API.
fn message(failure: &Failure) -> Cow<'_, str> {
    let told = failure.message.to_ascii_lowercase().contains(TOO_LONG);
    match failure.class {
        ErrorClass::ContextLength if !told => format!("{TOO_LONG}: {}", failure.message).into(),
        _ => failure.message.as_str().into(),
    }
}

pub(super) fn error_body(failure: &Failure, request_id: Option<&str>) -> Vec<u8> {
    let body = Body {
        r#type: "error",
        error: Error {
            r#type: kind(status(failure)),
            message: &message(failure),
            provider_code: failure.code.as_deref(),
            retry_after: failure.retry_after.map(|delay| delay.as_secs_f64()),
        },
        request_id,
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The status for a client of this API: what others call 503 is 529 here where it means "too much to do".
pub(super) fn status(failure: &Failure) -> u16 {
    match (failure.class, failure.status) {
        (ErrorClass::Overloaded, 500..=599) => 529,
        (_, status) => status,
    }
}

/// The type of a status: docs.anthropic.com, "Errors".
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        // Bedrock's word for a model that failed: nothing is wrong with the request.
        424 => "api_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_prompt_that_is_too_long_is_called_so_in_anthropics_words() {
        for (given, told) in [
            (
                "Input is too long for requested model.",
                "prompt is too long: Input is too long for requested model.",
            ),
            ("Prompt is too long: 9 tokens > 8", "Prompt is too long: 9 tokens > 8"),
        ] {
            let failure = Failure {
                message: given.into(),
                class: ErrorClass::ContextLength,
                ..Failure::bad_request("")
            };
            assert_eq!(message(&failure), told);
        }
        assert_eq!(message(&Failure::bad_request("m")), "m");
    }

    #[test]
    fn every_status_has_its_type() {
        let said = |failure: &Failure| {
            let body: serde_json::Value = serde_json::from_slice(&error_body(failure, None)).unwrap();
            assert_eq!(body["type"], "error");
            assert_eq!(body["error"]["message"], "m");
            (status(failure), body["error"]["type"].as_str().unwrap().to_owned())
        };
        for (given, told, kind) in [
            (400, 400, "invalid_request_error"),
            (401, 401, "authentication_error"),
            (402, 402, "billing_error"),
            (424, 424, "api_error"),
            (403, 403, "permission_error"),
            (404, 404, "not_found_error"),
            (405, 405, "invalid_request_error"),
            (408, 408, "timeout_error"),
            (409, 409, "conflict_error"),
            (413, 413, "request_too_large"),
            (429, 429, "rate_limit_error"),
            (500, 500, "api_error"),
            (502, 502, "api_error"),
            (503, 529, "overloaded_error"),
            (504, 504, "timeout_error"),
        ] {
            assert_eq!(said(&Failure::refusal(given, "m")), (told, kind.to_owned()), "{given}");
        }
        let stopping = Failure { message: "m".to_owned(), ..Failure::shutdown() };
        assert_eq!(said(&stopping), (503, "overloaded_error".to_owned()));
    }

    #[test]
    fn an_error_says_what_else_is_known() {
        let mut failure = Failure::refusal(429, "slow \"down\"").retry_after(Duration::from_millis(1500));
        failure.code = Some("RESOURCE_EXHAUSTED".to_owned());
        let body: serde_json::Value =
            serde_json::from_slice(&error_body(&failure, Some("req_1"))).expect("JSON");
        assert_eq!(
            body,
            serde_json::json!({"type": "error", "request_id": "req_1", "error": {
                "type": "rate_limit_error", "message": "slow \"down\"", "provider_code": "RESOURCE_EXHAUSTED",
                "retry_after": 1.5}})
        );
    }

    #[test]
    fn a_frame_has_its_name_and_data_of_several_lines_stays_one_event() {
        let mut out = Vec::new();
        frame(b"ping", b"{\r\n}", &mut out);
        frame(b"", b"x", &mut out);
        assert_eq!(out, b"event: ping\ndata: {\ndata: }\n\ndata: x\n\n");
    }
}
