//! How long an upstream asked to wait: every form that providers use, in milliseconds.
//!
//! A value that cannot be read counts as not said. Nothing is negative, and nothing is longer than [`CAP_MS`].

mod limits;
mod time;
mod words;

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::Headers;

pub use limits::from_rate_limits;
pub use time::{go_duration, rfc3339};
pub use words::from_message;

/// One day: whoever asks for more is asking for "not today".
pub const CAP_MS: u64 = 24 * 60 * 60 * 1000;

/// What one failure says in all: the later of what its headers and its body ask for. Where neither names a wait and
/// the failure is a 429, when the limits that are used up are full again.
pub fn said(
    headers: &Headers<'_>,
    body: Option<&Value>,
    message: Option<&str>,
    status: u32,
    unix_ms: u64,
) -> Option<u64> {
    let in_body = body.and_then(from_body).max(message.and_then(from_message));
    from_headers(headers, unix_ms).max(in_body).or_else(|| {
        let bare = || body.and_then(|body| limits::from_body(body, unix_ms));
        (status == 429).then(|| from_rate_limits(headers, unix_ms).or_else(bare)).flatten()
    })
}

/// From an error's body, an array of one included: Google's `RetryInfo`, and the members `retry_after_ms`,
/// `retry_after_seconds` and `retry_after` (seconds), as numbers or texts, beside the error or inside it.
pub fn from_body(body: &Value) -> Option<u64> {
    let body = first(body);
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let details = error.get("details").and_then(from_google_details);
    [error, body].into_iter().map(members).fold(details, Option::max)
}

/// The error in an array of one, as Google answers stream calls.
fn first(body: &Value) -> &Value {
    body.as_array().and_then(|list| list.first()).unwrap_or(body)
}

fn members(object: &Value) -> Option<u64> {
    let read = |name: &str, unit| {
        let text = match object.get(name)? {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return None,
        };
        decimal(&text, unit)
    };
    read("retry_after_ms", 1).max(read("retry_after_seconds", 1000)).max(read("retry_after", 1000))
}

/// From `retry-after-ms` (Azure, OpenAI), else from `retry-after`: seconds, also with a fraction, or an HTTP date,
/// which is taken relative to `unix_ms`. A date that has passed gives 0.
pub fn from_headers(headers: &Headers<'_>, unix_ms: u64) -> Option<u64> {
    headers.get("retry-after-ms").and_then(|text| decimal(text, 1)).or_else(|| {
        let text = headers.get("retry-after")?;
        decimal(text, 1000).or_else(|| date(text, unix_ms))
    })
}

/// From the `details` of a Google error: the `retryDelay` of its `google.rpc.RetryInfo`.
pub fn from_google_details(details: &Value) -> Option<u64> {
    details
        .as_array()?
        .iter()
        .filter(|detail| {
            detail.get("@type").and_then(Value::as_str).is_some_and(|ty| ty.ends_with("google.rpc.RetryInfo"))
        })
        .find_map(|detail| protobuf_duration(detail.get("retryDelay")?.as_str()?))
}

/// A protobuf `Duration` in JSON: decimal seconds and an `s`, such as `47.291s`.
pub fn protobuf_duration(text: &str) -> Option<u64> {
    decimal(text.trim().strip_suffix('s')?, 1000)
}

/// Digits with at most one point, times `unit`, rounded up: waiting a fraction too short earns the next 429.
fn decimal(text: &str, unit: u32) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let points = text.bytes().filter(|byte| *byte == b'.').count();
    if digits == 0 || points > 1 || digits + points != text.len() {
        return None;
    }
    // Digits and a point are always a number; as many as there may be, the worst is infinity, which the cap cuts.
    let number: f64 = text.parse().ok()?;
    Some(((number * f64::from(unit)).ceil() as u64).min(CAP_MS))
}

fn date(text: &str, unix_ms: u64) -> Option<u64> {
    let at = httpdate::parse_http_date(text.trim()).ok()?;
    let now = UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms))?;
    let wait = at.duration_since(now).unwrap_or_default();
    Some(u64::try_from(wait.as_millis()).unwrap_or(CAP_MS).min(CAP_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    // 1994-11-06 08:49:37 UTC, the example of RFC 9110.
    const THEN: u64 = 784_111_777_000;

    #[test]
    fn reads_every_header_form() {
        let rows: &[(&str, &str, u64, Option<u64>)] = &[
            ("retry-after", "12", 0, Some(12_000)),
            ("retry-after", " 0 ", 0, Some(0)),
            ("retry-after", "0.25", 0, Some(250)),
            ("retry-after", ".0001", 0, Some(1)),
            ("retry-after", "99999999999999999999999", 0, Some(CAP_MS)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", THEN - 1500, Some(1500)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", THEN + 1, Some(0)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", 0, Some(CAP_MS)),
            ("retry-after", "Sunday, 06-Nov-94 08:49:37 GMT", THEN - 9, Some(9)),
            ("retry-after", "-5", 0, None),
            ("retry-after", "soon", 0, None),
            ("retry-after", "", 0, None),
            ("retry-after", ".", 0, None),
            ("retry-after", "inf", 0, None),
            ("retry-after", "1e9", 0, None),
            ("retry-after", "1.2.3", 0, None),
            ("retry-after-ms", "1250", 0, Some(1250)),
            ("retry-after-ms", "0.5", 0, Some(1)),
            ("retry-after-ms", "-1", 0, None),
        ];
        for (name, value, now, want) in rows {
            let headers = Headers(vec![(name, value)]);
            assert_eq!(from_headers(&headers, *now), *want, "{name}: {value}");
        }
    }

    #[test]
    fn milliseconds_win_unless_unreadable() {
        let both = Headers(vec![("retry-after", "9"), ("retry-after-ms", "1500")]);
        assert_eq!(from_headers(&both, 0), Some(1500));
        let bad = Headers(vec![("retry-after", "9"), ("retry-after-ms", "x")]);
        assert_eq!(from_headers(&bad, 0), Some(9000));
    }

    #[test]
    fn reads_google_retry_info() {
        let rows = [
            ("47.291s", Some(47_291)),
            ("47s", Some(47_000)),
            ("0.5s", Some(500)),
            ("47", None),
            ("-1s", None),
        ];
        for (delay, want) in rows {
            let details = json!([
                {"@type": "type.googleapis.com/google.rpc.Help", "retryDelay": "1s"},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
            ]);
            assert_eq!(from_google_details(&details), want, "{delay}");
        }
        assert_eq!(from_google_details(&json!({"retryDelay": "1s"})), None);
    }

    #[test]
    fn reads_what_a_body_says() {
        let google = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "21s"});
        let rows = [
            (json!({"error": {"message": "m", "details": [google]}}), Some(21_000)),
            (json!([{"error": {"message": "m", "details": [google]}}]), Some(21_000)),
            (json!({"error": {"details": [google], "retry_after": 30}}), Some(30_000)),
            (json!({"error": {"retry_after": 2.5}}), Some(2500)),
            (json!({"error": {"retry_after": "3"}}), Some(3000)),
            (json!({"error": {"retry_after_ms": 120}}), Some(120)),
            (json!({"error": "slow down", "retry_after": 7}), Some(7000)),
            (json!({"detail": "slow down", "retry_after_seconds": 7}), Some(7000)),
            (json!({"error": {"retry_after": 0}}), Some(0)),
            (json!({"error": {"retry_after": -1}}), None),
            (json!({"error": {"retry_after": true}}), None),
            (json!({"error": {"retry_after": 1e300}}), None),
            (json!({"error": {"retry_after": 99_999_999_999_u64}}), Some(CAP_MS)),
            (json!([]), None),
            (json!("retry_after"), None),
        ];
        for (body, want) in rows {
            assert_eq!(from_body(&body), want, "{body}");
        }
    }

    #[test]
    fn the_later_of_all_deadlines_counts() {
        let body = json!({"error": {"retry_after": 9}});
        let wait = |header: &str, message: Option<&str>| {
            said(&Headers(vec![("retry-after", header)]), Some(&body), message, 429, 0)
        };
        assert_eq!(wait("4", None), Some(9000));
        assert_eq!(wait("40", None), Some(40_000));
        assert_eq!(wait("4", Some("Please try again in 1m.")), Some(60_000));
        let reset = vec![("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")];
        let bare = Headers(reset.clone());
        assert_eq!(said(&bare, None, None, 429, 0), Some(360_000));
        assert_eq!(said(&bare, None, None, 500, 0), None, "a server error is not the limit's");
        let with_header = Headers([reset, vec![("retry-after", "2")]].concat());
        assert_eq!(said(&with_header, None, None, 429, 0), Some(2000), "what is asked for goes before");
    }

    proptest! {
        #[test]
        fn never_panics_and_never_passes_the_cap(text in ".{0,40}", now: u64) {
            let headers = Headers(vec![("retry-after", &text)]);
            prop_assert!(from_headers(&headers, now).is_none_or(|ms| ms <= CAP_MS));
            prop_assert!(protobuf_duration(&text).is_none_or(|ms| ms <= CAP_MS));
            prop_assert!(go_duration(&text).is_none_or(|ms| ms <= CAP_MS));
            let sentence = format!("try again in {text}");
            prop_assert!(from_message(&sentence).is_none_or(|ms| ms <= CAP_MS));
            prop_assert!(rfc3339(&text).is_none_or(|ms| ms < 1 << 60));
            let reset = Headers(vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &text)]);
            prop_assert!(from_rate_limits(&reset, now).is_none_or(|ms| ms <= CAP_MS));
        }
    }
}
