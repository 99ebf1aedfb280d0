//! Changing one value of a JSON body and leaving every other byte alone.

use core::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Fault;

/// The pieces of `body` with the value of the top-level `model` replaced by `model`; joined, they are the new body.
///
/// `span` is where the host says that the value stands; without it, or when no JSON string stands there, the body is
/// parsed. Fails with [`Fault::Invalid`] when the body is not a JSON object with at most one `model`.
pub fn with_model<'a>(
    body: &'a [u8],
    span: Option<Range<usize>>,
    model: &str,
) -> Result<(&'a [u8], String, &'a [u8]), Fault> {
    let quoted = serde_json::Value::from(model).to_string();
    let told = span.filter(|span| body.get(span.clone()).is_some_and(is_quoted));
    let found = match told {
        Some(span) => Some(span),
        None => find_model(body)?,
    };
    if let Some(span) = found {
        return Ok((&body[..span.start], quoted, &body[span.end..]));
    }
    let open = body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
    let (before, after) = body.split_at(open);
    let empty = after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}');
    let comma = if empty { "" } else { "," };
    Ok((before, format!("\"model\":{quoted}{comma}"), after))
}

fn is_quoted(value: &[u8]) -> bool {
    value.len() >= 2 && value.first() == Some(&b'"') && value.last() == Some(&b'"')
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
}

/// Where the value of the top-level `model` stands, quotes included.
fn find_model(body: &[u8]) -> Result<Option<Range<usize>>, Fault> {
    let text =
        core::str::from_utf8(body).map_err(|_| Fault::Invalid("the request body is not UTF-8".to_owned()))?;
    if !text.trim_start().starts_with('{') {
        return Err(Fault::Invalid("the request body is not a JSON object".to_owned()));
    }
    let parsed: Body<'_> = serde_json::from_str(text)
        .map_err(|error| Fault::Invalid(format!("the request body is not valid JSON: {error}")))?;
    Ok(parsed.model.map(|value| {
        // A borrowed raw value is a part of the text it came from.
        let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
        start..start + value.get().len()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(body: &str, span: Option<Range<usize>>, model: &str) -> String {
        let (before, value, after) = with_model(body.as_bytes(), span, model).unwrap();
        String::from_utf8([before, value.as_bytes(), after].concat()).unwrap()
    }

    #[test]
    fn replaces_the_model_alone() {
        let rows = [
            (r#"{"model": "a" , "x":1.0}"#, r#"{"model": "up" , "x":1.0}"#),
            (r#" {"x":{"model":"no"},"model":"a"}"#, r#" {"x":{"model":"no"},"model":"up"}"#),
            (r#"{"x":"\"model\":\"no\"","mod\u0065l":"a"}"#, r#"{"x":"\"model\":\"no\"","mod\u0065l":"up"}"#),
            (r#"{"x":1}"#, r#"{"model":"up","x":1}"#),
            (r#"{ }"#, r#"{"model":"up" }"#),
        ];
        for (body, want) in rows {
            assert_eq!(joined(body, None, "up"), want);
        }
    }

    #[test]
    fn a_given_span_is_used_only_when_a_string_stands_there() {
        let body = r#"{"model":"a","x":"b"}"#;
        assert_eq!(joined(body, Some(9..12), "up"), r#"{"model":"up","x":"b"}"#);
        assert_eq!(joined(body, Some(8..12), "up"), r#"{"model":"up","x":"b"}"#);
        assert_eq!(joined(body, Some(9..999), "up"), r#"{"model":"up","x":"b"}"#);
    }

    #[test]
    fn a_model_with_quotes_stays_json() {
        let made = joined(r#"{"model":"a"}"#, None, "q\"\\\n");
        let value: serde_json::Value = serde_json::from_str(&made).unwrap();
        assert_eq!(value["model"], "q\"\\\n");
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        for body in ["", "[]", "\"model\"", "{\"model\":", "{\"model\":\"a\",\"model\":\"b\"}"] {
            assert!(matches!(with_model(body.as_bytes(), None, "m"), Err(Fault::Invalid(_))), "{body}");
        }
        assert!(matches!(with_model(b"{\"a\":\"\xff\"}", None, "m"), Err(Fault::Invalid(_))));
    }
}
