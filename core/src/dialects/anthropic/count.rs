//! How many tokens a request has, about: for `count_tokens` where no provider counts, and for the beginning of a stream
//! whose provider tells its counts at the end.

use serde_json::Value;

use super::inspect;
use crate::dialects::json::Scan;
use crate::dialects::{Chunk, Seen};

/// The measure that policies are given too: four bytes are a token.
const BYTES_PER_TOKEN: u64 = 4;
/// What an image of the largest size that is not scaled down costs: docs.anthropic.com, "Vision".
const IMAGE: u64 = 1_600;
/// Of a document's base64, for one token. A page is some 50 kB and costs 1,500 to 3,000 tokens: docs.anthropic.com, "PDF
/// support".
const DOCUMENT_BYTES_PER_TOKEN: u64 = 30;

/// An estimate for a body of `POST /v1/messages` or `/v1/messages/count_tokens`; at least 1.
pub(super) fn estimate(body: &[u8]) -> u64 {
    let bytes = body.len() as u64;
    let (mut data, mut tokens) = (0, 0);
    if let Ok(body) = serde_json::from_slice::<Value>(body) {
        media(&body, &mut data, &mut tokens);
    }
    (bytes.saturating_sub(data) / BYTES_PER_TOKEN).saturating_add(tokens).max(1)
}

/// An estimate for a text of so many bytes.
pub(super) fn tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// Inspects a provider's own count. It is an answer and no usage: nothing was spent.
pub(super) fn inspect(body: &[u8]) -> Seen {
    match inspect::body(body) {
        Seen::Chunk(_) if has_count(body) => {
            Seen::Chunk(Chunk { content: true, finish: true, ..Chunk::default() })
        }
        seen => seen,
    }
}

fn has_count(body: &[u8]) -> bool {
    let mut count = None;
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let read = Scan::new(text).object(|scan, name| {
        if name.is("input_tokens") {
            count = scan.count()?;
            return Ok(());
        }
        scan.value().map(drop)
    });
    read.is_ok() && count.is_some()
}

/// Adds up the base64 in a request, and what it stands for. serde_json bounds the depth.
fn media(value: &Value, data: &mut u64, tokens: &mut u64) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| media(one, data, tokens)),
        Value::Object(object) => match (object.get("type"), object.get("data")) {
            (Some(Value::String(kind)), Some(Value::String(base64))) if kind == "base64" => {
                let length = base64.len() as u64;
                let is_image = object
                    .get("media_type")
                    .and_then(Value::as_str)
                    .is_some_and(|media_type| media_type.starts_with("image/"));
                *data += length;
                *tokens += if is_image { IMAGE } else { IMAGE.max(length / DOCUMENT_BYTES_PER_TOKEN) };
            }
            _ => object.values().for_each(|one| media(one, data, tokens)),
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_providers_count_is_an_answer() {
        let Seen::Chunk(chunk) = inspect(br#"{"input_tokens": 42, "of_tomorrow": {}}"#) else { panic!() };
        assert_eq!((chunk.content, chunk.finish, chunk.usage), (true, true, None));
        let Seen::Chunk(chunk) = inspect(br#"{"input_tokens": null}"#) else { panic!() };
        assert!(!chunk.is_answer());
        assert_eq!(inspect(br#"{"type":"error","error":{"type":"api_error","message":"m"}}"#), Seen::Error);
        assert_eq!(inspect(b"[7]"), Seen::Malformed);
    }

    #[test]
    fn text_counts_by_its_length_and_media_by_what_they_are() {
        assert_eq!(estimate(b""), 1);
        let text =
            json!({"model": "m", "messages": [{"role": "user", "content": "x".repeat(4000)}]}).to_string();
        assert!((1000..1050).contains(&estimate(text.as_bytes())));
        let with = |media_type: &str, length: usize| {
            let source = json!({"type": "base64", "media_type": media_type, "data": "A".repeat(length)});
            let body =
                json!({"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]});
            estimate(body.to_string().as_bytes())
        };
        assert!((1600..1700).contains(&with("image/png", 1_000_000)));
        assert!((1600..1700).contains(&with("application/pdf", 1_000)));
        assert!((33_000..34_000).contains(&with("application/pdf", 1_000_000)));
        assert_eq!(estimate(b"not JSON at all"), 3);
    }
}
