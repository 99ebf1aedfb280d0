//! Writes events and errors as the official SDKs read them.

use std::borrow::Cow;

use serde::Serialize;
use tidegate_engine::ErrorClass;

use crate::failure::Failure;

/// The SDKs stop at this, and only this, as a normal end.
pub(super) const DONE: &[u8] = b"data: [DONE]\n\n";

/// Chat events have no name. Data that holds a line end becomes several `data:` lines.
pub(in crate::dialects) fn frame(_name: &[u8], data: &[u8], out: &mut Vec<u8>) {
    for line in data.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[derive(Serialize)]
struct Body<'a> {
    error: Error<'a>,
}

/// litellm's form: `code` is the HTTP status as a string. SDKs show it as `APIError.code`. A prompt that is too long has OpenAI's
/// own code instead, whoever refused it: that is how agents know that they have to shorten it.
#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<f64>,
}

/// litellm's name for it, which frameworks look for in the message where they are given no code.
const TOO_LONG: &str = "ContextWindowExceededError";

/// The sentence of a failure, for a client of this API.
fn message(failure: &Failure) -> Cow<'_, str> {
    match failure.class {
        ErrorClass::ContextLength if !failure.message.contains(TOO_LONG) => {
            format!("{TOO_LONG}: {}", failure.message).into()
        }
        _ => failure.message.as_str().into(),
    }
}

pub(in crate::dialects) fn error_body(failure: &Failure) -> Vec<u8> {
    let body = Body {
        error: Error {
            message: &message(failure),
            r#type: kind(failure.status),
            param: None,
            code: match failure.class {
                ErrorClass::ContextLength => "context_length_exceeded".to_owned(),
                _ => failure.status.to_string(),
            },
            provider_code: failure.code.as_deref(),
            retry_after: failure.retry_after.map(|delay| delay.as_secs_f64()),
        },
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        429 => "rate_limit_error",
        // Bedrock's word for a model that failed: nothing is wrong with the request.
        424 => "api_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_status_but_for_a_prompt_that_is_too_long() {
        let mut failure = Failure::bad_request("m");
        let told = |failure: &Failure| {
            let body: serde_json::Value = serde_json::from_slice(&error_body(failure)).unwrap();
            let text = |name: &str| body["error"][name].as_str().unwrap().to_owned();
            (text("code"), text("message"))
        };
        assert_eq!(told(&failure), ("400".to_owned(), "m".to_owned()));
        failure.class = ErrorClass::ContextLength;
        let long = ("context_length_exceeded".to_owned(), "ContextWindowExceededError: m".to_owned());
        assert_eq!(told(&failure), long);
    }

    #[test]
    fn data_of_several_lines_stays_one_event() {
        let mut out = Vec::new();
        frame(b"", b"{\r\n}", &mut out);
        assert_eq!(out, b"data: {\ndata: }\n\n");
    }
}
