//! Vectors as numbers, or as the base64 of 32-bit floats in little-endian order.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    encoding_format: Option<String>,
}

/// The answer in the form that the request asks for. OpenAI's SDKs ask for base64 unless they are told otherwise, and the
/// one for Node (6.49) makes an empty vector of numbers that it did not ask for; not every provider knows base64.
pub(super) fn as_asked(request: &[u8], answer: Bytes) -> Bytes {
    let asked = serde_json::from_slice::<Asked>(request).ok().and_then(|asked| asked.encoding_format);
    if asked.as_deref() != Some("base64") || !has_numbers(&answer) {
        return answer;
    }
    in_base64(&answer).map_or(answer, Bytes::from)
}

/// Whether its first vector is one of numbers: most answers need not be read.
fn has_numbers(answer: &[u8]) -> bool {
    const NAME: &[u8] = b"\"embedding\"";
    let mut rest = answer;
    while let Some(at) = memchr::memmem::find(rest, NAME) {
        rest = rest[at + NAME.len()..].trim_ascii_start();
        // The word is a value too: `"object": "embedding"`.
        if let Some(value) = rest.strip_prefix(b":") {
            return value.trim_ascii_start().starts_with(b"[");
        }
    }
    false
}

fn in_base64(answer: &[u8]) -> Option<Vec<u8>> {
    let mut answer: Value = serde_json::from_slice(answer).ok()?;
    for one in answer.get_mut("data")?.as_array_mut()? {
        let Some(vector) = one.get_mut("embedding") else { continue };
        if let Some(numbers) = vector.as_array() {
            let floats: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
            let bytes: Vec<u8> = floats?.iter().flat_map(|number| (*number as f32).to_le_bytes()).collect();
            *vector = Value::from(STANDARD.encode(bytes));
        }
    }
    serde_json::to_vec(&answer).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(request: &str, answer: &str) -> String {
        let answer = as_asked(request.as_bytes(), Bytes::copy_from_slice(answer.as_bytes()));
        String::from_utf8(answer.to_vec()).expect("text")
    }

    #[test]
    fn numbers_become_base64_where_that_is_asked_for() {
        let base64 = r#"{"input":"a","encoding_format":"base64"}"#;
        let numbers =
            r#"{"data":[{"object":"embedding","index":0,"embedding" : [0.5,-1]},{"embedding":[]}]}"#;
        let answer: Value = serde_json::from_str(&given(base64, numbers)).expect("JSON");
        assert_eq!(
            (&answer["data"][0]["embedding"], &answer["data"][1]["embedding"]),
            (&"AAAAPwAAgL8=".into(), &"".into())
        );
        // Byte for byte as it was.
        let ready = r#"{"data":[{"object":"embedding","embedding":"AAAAPwAAgL8="}]}"#;
        assert_eq!(given(base64, ready), ready);
        for request in [r#"{"input":"a"}"#, r#"{"encoding_format":"float"}"#, "not JSON"] {
            assert_eq!(given(request, numbers), numbers, "{request}");
        }
        for odd in
            [r#"{"data":[{"embedding":["a"]}]}"#, r#"{"embedding":[1]}"#, "{", r#"{"object":"embedding"}"#]
        {
            assert_eq!(given(base64, odd), odd);
        }
    }
}
