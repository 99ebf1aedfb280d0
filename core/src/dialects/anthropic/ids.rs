//! Ids of messages and of calls, and what a call's id carries.
//!
//! Gemini proves the thought behind a call with a signature that must come back with the history. An Anthropic client
//! echoes the id of a call and nothing that it does not know, so the signature travels in the id, in base64's alphabet for
//! URLs, which is also the one of ids. litellm does the same with the same mark.

/// Between an id and a signature.
pub(super) const MARK: &str = "__thought__";

/// The id of a message.
pub(super) fn message(seed: u64) -> String {
    format!("msg_{seed:016x}")
}

/// The id of the call at this place, where the provider gave none.
pub(super) fn call(seed: u64, index: u64) -> String {
    format!("toolu_{seed:016x}{index:02}")
}

/// An id that carries a signature.
pub(super) fn sealed(id: &str, signature: &str) -> String {
    let signature: String = signature
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            c => c,
        })
        .collect();
    format!("{id}{MARK}{signature}")
}

/// The id alone, and the signature as the provider gave it.
pub(super) fn opened(id: &str) -> (&str, Option<String>) {
    let Some((id, sealed)) = id.split_once(MARK) else { return (id, None) };
    let mut signature: String = sealed
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    while !signature.len().is_multiple_of(4) {
        signature.push('=');
    }
    (id, Some(signature).filter(|signature| !signature.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_comes_back_as_it_was() {
        for signature in ["QUJD", "QUI=", "QQ==", "+/+/", "CgQKAggBEkA/a+b=="] {
            let id = sealed("call_1", signature);
            assert!(id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-'), "{id}");
            let (bare, back) = opened(&id);
            let padded = format!(
                "{:=<1$}",
                signature.trim_end_matches('='),
                signature.trim_end_matches('=').len().div_ceil(4) * 4
            );
            assert_eq!((bare, back), ("call_1", Some(padded)));
        }
        assert_eq!(opened("toolu_01"), ("toolu_01", None));
        assert_eq!(opened("call__thought__QUI="), ("call", Some("QUI=".to_owned())), "as litellm has it");
    }
}
