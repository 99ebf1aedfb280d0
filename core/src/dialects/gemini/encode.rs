//! Writes events and errors as the official SDKs read them.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};
use tidegate_engine::ErrorClass;

use super::words;
use crate::failure::Failure;

/// Google's line ends. The Python SDK reads an event line by line, and each line alone as JSON, so that the data has to
/// stand on one; between JSON's tokens a space says as much as a line end.
pub(in crate::dialects) fn frame(data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b"\r\n\r\n");
}

/// An empty line, which is no event, and white space in a JSON array. google-genai for Python takes a comment for a broken
/// answer and raises (3.4.0).
pub(in crate::dialects) const KEEP_ALIVE: &[u8] = b"\r\n";

#[derive(Serialize)]
struct Body<'a> {
    /// The only member: google-genai for Python takes an event for an error by its first 9 bytes, `{"error":`.
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Value>,
}

/// Agents know by these words of Google's that they have to shorten a prompt: its error has no code for that.
const TOO_LONG: &str = "exceeds the maximum number of tokens allowed";

/// The sentence of a failure, for a client of this API.
fn message(failure: &Failure) -> Cow<'_, str> {
    match failure.class {
        ErrorClass::ContextLength if !failure.message.contains(TOO_LONG) => {
            format!("The input token count {TOO_LONG}: {}", failure.message).into()
        }
        _ => failure.message.as_str().into(),
    }
}

/// A `google.rpc.Status` in JSON: the time to wait is a `RetryInfo`, the provider's own word an `ErrorInfo`.
pub(in crate::dialects) fn error_body(failure: &Failure) -> Vec<u8> {
    let status = words::status(failure.status);
    let mut details = Vec::new();
    if let Some(delay) = failure.retry_after {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}s", delay.as_secs_f64()),
        }));
    }
    if let Some(code) = failure.code.as_deref().filter(|code| *code != status) {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": code,
            "domain": "tidegate",
        }));
    }
    let error = Error { code: failure.status, message: &message(failure), status, details };
    serde_json::to_vec(&Body { error }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_error_is_googles() {
        let failure = Failure {
            code: Some("insufficient_quota".into()),
            ..Failure::refusal(429, "slow down").retry_after(Duration::from_millis(7500))
        };
        assert_eq!(
            String::from_utf8(error_body(&failure)).unwrap(),
            r#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7.5s"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"insufficient_quota","domain":"tidegate"}]}}"#
        );
        let plain = Failure { code: Some("NOT_FOUND".into()), ..Failure::refusal(404, "no") };
        assert_eq!(
            String::from_utf8(error_body(&plain)).unwrap(),
            r#"{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}"#
        );
    }

    #[test]
    fn a_prompt_that_is_too_long_is_called_so_in_googles_words() {
        for (given, told) in [
            (
                "prompt is too long",
                "The input token count exceeds the maximum number of tokens allowed: prompt is too long",
            ),
            (
                "It (9) exceeds the maximum number of tokens allowed (8).",
                "It (9) exceeds the maximum number of tokens allowed (8).",
            ),
        ] {
            let failure = Failure { class: ErrorClass::ContextLength, ..Failure::refusal(400, given) };
            assert_eq!(message(&failure), told);
        }
    }

    #[test]
    fn an_event_stands_on_one_line() {
        let mut out = Vec::new();
        frame(b"{\r\n \"a\": 1\n}", &mut out);
        assert_eq!(out, b"data: {   \"a\": 1 }\r\n\r\n");
    }
}
