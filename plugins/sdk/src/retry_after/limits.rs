//! When a limit that is used up is full again: headers that come with every answer, and count on a 429 alone.

use serde_json::Value;

use super::{CAP_MS, first, go_duration, rfc3339};
use crate::Headers;

/// The limits of OpenAI and those who copy it, of Anthropic, and one without a name (OpenRouter and others): what is
/// left, and when it is full again.
const LIMITS: [(&str, &str); 7] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
];

/// The longest wait for a limit of which nothing is left. A limit that is not used up says nothing about this failure.
pub fn from_rate_limits(headers: &Headers<'_>, unix_ms: u64) -> Option<u64> {
    longest(|name| headers.get(name), unix_ms)
}

/// The same headers, as OpenRouter repeats them in `error.metadata.headers`.
pub(super) fn from_body(body: &Value, unix_ms: u64) -> Option<u64> {
    let headers = first(body).pointer("/error/metadata/headers")?.as_object()?;
    let find = |name: &str| headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    longest(|name| find(name)?.1.as_str(), unix_ms)
}

fn longest<'a>(get: impl Fn(&str) -> Option<&'a str>, unix_ms: u64) -> Option<u64> {
    let used_up = |name: &str| get(name).is_some_and(|left| left.trim() == "0");
    LIMITS
        .iter()
        .filter(|(left, _)| used_up(left))
        .filter_map(|(_, reset)| until(get(reset)?.trim(), unix_ms))
        .max()
}

/// A duration, a point in time, or a number: what it counts can be told from how large it is.
fn until(text: &str, unix_ms: u64) -> Option<u64> {
    if let Some(ms) = go_duration(text) {
        return Some(ms);
    }
    let at = match text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0) {
        // Milliseconds since 1970, from 1973 on; seconds since 1970, from 2001 on; else seconds from now.
        Some(number) if number >= 1e11 => number as u64,
        Some(number) if number >= 1e9 => (number * 1000.0) as u64,
        Some(number) => return Some(((number * 1000.0).ceil() as u64).min(CAP_MS)),
        None => rfc3339(text)?,
    };
    Some(at.saturating_sub(unix_ms).min(CAP_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// 2025-03-07T00:00:00Z.
    const MIDNIGHT: u64 = 1_741_305_600_000;

    #[test]
    fn the_limit_that_is_used_up_decides() {
        type Pairs = &'static [(&'static str, &'static str)];
        let rows: &[(Pairs, Option<u64>)] = &[
            (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1s")], Some(1000)),
            (
                &[
                    ("x-ratelimit-remaining-requests", "59"),
                    ("x-ratelimit-reset-requests", "1h"),
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "6m0s"),
                ],
                Some(360_000),
            ),
            (
                &[
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2025-03-07T00:00:05Z"),
                    ("anthropic-ratelimit-output-tokens-remaining", "0"),
                    ("anthropic-ratelimit-output-tokens-reset", "2025-03-07T00:00:30Z"),
                ],
                Some(30_000),
            ),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1741305600500")], Some(500)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1741305602")], Some(2000)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "12.5")], Some(12_500)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1641305600000")], Some(0)),
            (&[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "12")], None),
            (&[("x-ratelimit-reset-requests", "1s")], None),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "soon")], None),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "-3")], None),
        ];
        for (headers, want) in rows {
            assert_eq!(from_rate_limits(&Headers(headers.to_vec()), MIDNIGHT), *want, "{headers:?}");
        }
    }

    #[test]
    fn openrouter_repeats_them_in_the_body() {
        let body = json!({"error": {"code": 429, "metadata": {"headers": {
            "X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1741305600000"}}}});
        assert_eq!(from_body(&body, MIDNIGHT - 7000), Some(7000));
        assert_eq!(from_body(&json!({"error": {}}), MIDNIGHT), None);
    }
}
