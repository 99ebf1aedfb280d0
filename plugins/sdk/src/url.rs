//! Text that goes into a URL.

/// Percent-encodes all but the unreserved characters of RFC 3986, section 2.3, and the bytes of `keep`.
pub fn escape(text: &str, keep: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_could_end_a_segment_is_escaped() {
        assert_eq!(escape("a-B_1.~", b""), "a-B_1.~");
        assert_eq!(escape("a/b?c#d%é@", b"@"), "a%2Fb%3Fc%23d%25%C3%A9@");
        assert_eq!(escape("@", b""), "%40");
    }
}
