//! Says whether a body is an answer, in one pass over its JSON.

use crate::dialects::json::{Invalid, Scan};
use crate::dialects::{Chunk, Seen, Usage};

pub(super) fn body(data: &[u8]) -> Seen {
    let Ok(text) = std::str::from_utf8(data) else { return Seen::Malformed };
    match document(Scan::new(text)) {
        Err(Invalid) => Seen::Malformed,
        Ok(Found { error: true, .. }) => Seen::Error,
        Ok(Found { vectors, usage, .. }) => {
            Seen::Chunk(Chunk { content: vectors, finish: vectors, usage, ..Chunk::default() })
        }
    }
}

#[derive(Default)]
struct Found {
    error: bool,
    /// There is a list of them, be it empty.
    vectors: bool,
    usage: Option<Usage>,
}

fn document(mut scan: Scan<'_>) -> Result<Found, Invalid> {
    let mut found = Found::default();
    scan.object(|scan, name| {
        if name.is("data") {
            found.vectors = true;
            return scan.array(|scan| scan.value().map(drop));
        }
        if name.is("usage") && scan.is_object() {
            let mut usage = Usage::default();
            scan.object(|scan, name| {
                let count = scan.count()?;
                if name.is("prompt_tokens") {
                    usage.input = count;
                } else if name.is("total_tokens") {
                    usage.total = count;
                }
                Ok(())
            })?;
            found.usage = Some(usage).filter(|usage| *usage != Usage::default());
            return Ok(());
        }
        let value = scan.value()?;
        if name.is("error") {
            found.error |= !value.is_null();
        } else if name.is("object") {
            found.error |= value.is("error");
        }
        Ok(())
    })?;
    scan.end().map(|()| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_answers_from_errors() {
        let usage = Usage { input: Some(3), total: Some(3), ..Usage::default() };
        let vectors = |usage| Seen::Chunk(Chunk { content: true, finish: true, usage, ..Chunk::default() });
        for (text, expected) in [
            (
                r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2e-3]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#,
                vectors(Some(usage)),
            ),
            (r#"{"data":[{"embedding":"AAAAPw=="}],"error":null}"#, vectors(None)),
            (r#"{"data":[],"usage":null}"#, vectors(None)),
            (r#"{"object":"list"}"#, Seen::Chunk(Chunk::default())),
            (r#"{"error":{"message":"x"}}"#, Seen::Error),
            (r#"{"object":"error","message":"x"}"#, Seen::Error),
            (r#"{"data":[{"embedding":[0.1,"#, Seen::Malformed),
            (r#"{"data":{}}"#, Seen::Malformed),
            ("[]", Seen::Malformed),
            ("", Seen::Malformed),
        ] {
            assert_eq!(body(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(body(b"{\"data\":\"\xff\"}"), Seen::Malformed);
    }
}
