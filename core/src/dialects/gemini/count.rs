//! How many tokens a request has, about: for `countTokens` where no provider counts.

use serde_json::{Value, json};

use super::proto;

/// The measure that policies are given too: four bytes are a token.
const BYTES_PER_TOKEN: u64 = 4;
/// What an image, or a page, costs at the least: ai.google.dev, "Understand and count tokens".
const IMAGE: u64 = 258;
/// Of base64, for one token of anything else: 32 tokens a second of sound at 32 kB a second, as a WAV file has it.
const MEDIA_BYTES_PER_TOKEN: u64 = 1_333;

/// An answer to `countTokens`.
pub(super) fn estimate(body: &[u8]) -> Value {
    let (mut data, mut tokens) = (0, 0);
    if let Ok(body) = serde_json::from_slice::<Value>(body) {
        media(&body, &mut data, &mut tokens);
    }
    let text = (body.len() as u64).saturating_sub(data) / BYTES_PER_TOKEN;
    json!({"totalTokens": text.saturating_add(tokens).max(1)})
}

/// Adds up the base64 in a request, and what it stands for. serde_json bounds the depth.
fn media(value: &Value, data: &mut u64, tokens: &mut u64) {
    match (proto::text(value, "mimeType"), proto::text(value, "data")) {
        (Some(kind), Some(base64)) => {
            let length = base64.len() as u64;
            *data += length;
            *tokens +=
                if kind.starts_with("image/") { IMAGE } else { IMAGE.max(length / MEDIA_BYTES_PER_TOKEN) };
        }
        _ => match value {
            Value::Array(list) => list.iter().for_each(|one| media(one, data, tokens)),
            Value::Object(object) => object.values().for_each(|one| media(one, data, tokens)),
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_by_its_length_and_media_by_what_they_are() {
        let count =
            |body: &Value| estimate(body.to_string().as_bytes())["totalTokens"].as_u64().expect("a number");
        assert_eq!(estimate(b"")["totalTokens"], 1);
        let text = json!({"contents": [{"parts": [{"text": "x".repeat(4000)}]}]});
        assert!((1000..1020).contains(&count(&text)));
        let with = |kind: &str, length| {
            count(
                &json!({"contents": [{"parts": [{"inlineData": {"mimeType": kind, "data": "A".repeat(length)}}]}]}),
            )
        };
        assert!((258..300).contains(&with("image/png", 1_000_000)));
        assert!((750..800).contains(&with("audio/wav", 1_000_000)));
    }
}
