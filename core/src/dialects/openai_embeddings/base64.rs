//! Vectors as the official SDKs ask for them: `encoding_format: "base64"`, 32-bit floats in little-endian order.

use serde_json::Value;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The answer with each vector that is a list of numbers as a text.
pub(super) fn packed(answer: &mut Value) {
    for item in answer["data"].as_array_mut().into_iter().flatten() {
        let Some(vector) = item["embedding"].as_array() else { continue };
        let bytes: Vec<u8> =
            vector.iter().flat_map(|number| (number.as_f64().unwrap_or(0.0) as f32).to_le_bytes()).collect();
        item["embedding"] = encoded(&bytes).into();
    }
}

/// Base64 with padding: RFC 4648, section 4.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let padded = [group[0], *group.get(1).unwrap_or(&0), *group.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_rfcs_own_vectors() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(encoded(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn numbers_become_floats_and_texts_stay() {
        let mut answer = json!({"data": [{"embedding": [1, -0.5]}, {"embedding": "AAAA"}, {}]});
        packed(&mut answer);
        assert_eq!(answer["data"][0]["embedding"], "AACAPwAAAL8=");
        assert_eq!(answer["data"][1]["embedding"], "AAAA");
    }
}
