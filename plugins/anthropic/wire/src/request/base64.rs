//! Base64 (RFC 4648, section 4), for the one place where Anthropic wants a document's text and OpenAI sends its bytes.

/// The bytes of a text in base64; white space and padding count for nothing. `None`: another character stands in it, or a
/// last group of one.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in
        text.trim_end_matches(['=', '\n', '\r', ' ']).bytes().filter(|byte| !byte.is_ascii_whitespace())
    {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    (held < 6).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn reads_the_vectors_of_rfc_4648() {
        for (text, want) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9v\nYmE=", Some("fooba")),
            ("Zm9vYmFy", Some("foobar")),
            ("5r2u", Some("潮")),
            ("Z", None),
            ("Zm9v!", None),
            ("Zg==Zg==", None),
        ] {
            assert_eq!(decode(text), want.map(|text| text.as_bytes().to_vec()), "{text}");
        }
    }
}
