//! Thought signatures across dialects. Gemini's are bytes, in base64 on the wire; SDKs decode them and send them back in
//! the URL-safe alphabet. What another provider signs its thoughts with is any text, so that it goes to a Gemini client
//! wrapped, and the wrapping tells it from Google's own when it comes back.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What a wrapped signature begins with. Google's own begin otherwise.
const MARK: &[u8] = b"tidegate/1 ";

/// What another provider gave with a thought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It proves the thought's text.
    Signature(String),
    /// It is the thought, encrypted.
    Redacted(String),
}

fn engine(url_safe: bool) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(if url_safe { &URL_SAFE } else { &STANDARD }, config)
}

/// As a Gemini client can carry it.
pub(super) fn wrap(foreign: &Foreign) -> String {
    let (kind, text) = match foreign {
        Foreign::Signature(text) => (b's', text),
        Foreign::Redacted(text) => (b'r', text),
    };
    let bytes = [MARK, &[kind, b' '], text.as_bytes()].concat();
    engine(false).encode(bytes)
}

/// A signature of a Gemini model that came by way of a chat completion, as a client can carry it: it is as it was, unless
/// somebody on the way wrote something that is not base64, which google-genai for Python raises at.
pub(super) fn carried(signature: &str) -> String {
    match engine(signature.contains(['-', '_'])).decode(signature) {
        Ok(_) => signature.to_owned(),
        Err(_) => wrap(&Foreign::Signature(signature.to_owned())),
    }
}

/// What [`carried`] was given.
pub(super) fn delivered(signature: &str) -> String {
    match unwrap(signature) {
        Some(Foreign::Signature(text)) => text,
        _ => signature.to_owned(),
    }
}

/// What was wrapped. `None`: the signature is Google's own.
pub(super) fn unwrap(signature: &str) -> Option<Foreign> {
    let url_safe = signature.contains(['-', '_']);
    let bytes = engine(url_safe).decode(signature).ok()?;
    let (kind, text) = bytes.strip_prefix(MARK)?.split_first()?;
    let text = String::from_utf8(text.strip_prefix(b" ")?.to_vec()).ok()?;
    match kind {
        b's' => Some(Foreign::Signature(text)),
        b'r' => Some(Foreign::Redacted(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrapped_comes_back_in_either_alphabet() {
        for foreign in [
            Foreign::Signature("EqoB+/==".into()),
            Foreign::Redacted("~~~???>>>".into()),
            Foreign::Signature("é\u{ff}".into()),
            Foreign::Signature(String::new()),
        ] {
            let wrapped = wrap(&foreign);
            let url_safe = wrapped.replace('+', "-").replace('/', "_");
            let bare = url_safe.trim_end_matches('=');
            for form in [wrapped.as_str(), &url_safe, bare] {
                assert_eq!(unwrap(form), Some(foreign.clone()), "{form}");
            }
        }
    }

    #[test]
    fn googles_own_is_told_apart() {
        for own in ["", "sig", "CiQB0e2Kb4Ba", "not base64!", "dGlkZWdhdGUvMSA="] {
            assert_eq!(unwrap(own), None, "{own}");
        }
    }
}
