//! Writes events and errors as the official SDKs read them.

use serde::Serialize;

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

/// litellm's form: `code` is the HTTP status as a string. SDKs show it as `APIError.code`.
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

pub(in crate::dialects) fn error_body(failure: &Failure) -> Vec<u8> {
    let body = Body {
        error: Error {
            message: &failure.message,
            r#type: kind(failure.status),
            param: None,
            code: failure.status.to_string(),
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
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_several_lines_stays_one_event() {
        let mut out = Vec::new();
        frame(b"", b"{\r\n}", &mut out);
        assert_eq!(out, b"data: {\ndata: }\n\n");
    }
}
