//! How long an upstream asked to wait: every form that providers use, in milliseconds.
//!
//! A value that cannot be read counts as not said. Nothing is negative, and nothing is longer than [`CAP_MS`].

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::Headers;

/// One day: whoever asks for more is asking for "not today".
pub const CAP_MS: u64 = 24 * 60 * 60 * 1000;

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

    proptest! {
        #[test]
        fn never_panics_and_never_passes_the_cap(text in ".{0,40}", now: u64) {
            let headers = Headers(vec![("retry-after", &text)]);
            prop_assert!(from_headers(&headers, now).is_none_or(|ms| ms <= CAP_MS));
            prop_assert!(protobuf_duration(&text).is_none_or(|ms| ms <= CAP_MS));
        }
    }
}
