//! Google's error object, wherever it stands, and the documents in an event's text.

use serde::Deserialize;
use serde_json::Value;
use tidegate_plugin_sdk::classify;

/// The JSON objects in a text: one, an array of them, or a piece of an array such as `,{...}` and `]`, which is what
/// is left of a JSON-array body when it arrives in another framing. `None`: the text is none of these.
pub(crate) fn documents<'a, T: Deserialize<'a>>(text: &'a str) -> Option<Vec<T>> {
    let text = text.trim();
    if text.starts_with('{')
        && let Ok(one) = serde_json::from_str(text)
    {
        return Some(vec![one]);
    }
    let inner = text.trim_start_matches(|c: char| c == '[' || c == ',' || c.is_whitespace());
    let inner = inner.trim_end_matches(|c: char| c == ']' || c == ',' || c.is_whitespace());
    let mut rest = serde_json::Deserializer::from_str(inner).into_iter::<T>();
    let mut found = Vec::new();
    let mut at = 0;
    // Each turn consumes at least one byte of the text, or ends the loop.
    while at < inner.len() {
        found.push(rest.next()?.ok()?);
        at += rest.byte_offset();
        let gap = inner.get(at..)?;
        let next = gap.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        at += gap.len() - next.len();
        rest = serde_json::Deserializer::from_str(next).into_iter::<T>();
    }
    Some(found)
}

/// The error that a text holds: in one of its documents, or after a few words of a middlebox's.
pub(crate) fn find(text: &str) -> Option<Value> {
    let whole =
        documents::<Value>(text).and_then(|list| list.into_iter().find(|one| classify::is_error("", one)));
    whole.or_else(|| {
        let inner = text.get(text.find('{')?..=text.rfind('}')?)?;
        serde_json::from_str(inner).ok().filter(|one: &Value| classify::is_error("", one))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_documents_in_every_form() {
        let rows = [
            (r#"{"a":1}"#, Some(vec![json!({"a": 1})])),
            (" {\n\"a\": 1\n} ", Some(vec![json!({"a": 1})])),
            (r#"[{"a":1}]"#, Some(vec![json!({"a": 1})])),
            (r#"[{"a":[1]},{"b":"},{"}"#, Some(vec![json!({"a": [1]}), json!({"b": "},{"})])),
            (",{\"a\":1}\n]", Some(vec![json!({"a": 1})])),
            ("{\"a\":1}\n,{\"b\":2}", Some(vec![json!({"a": 1}), json!({"b": 2})])),
            ("]", Some(vec![])),
            ("", Some(vec![])),
            ("502 Bad Gateway", None),
            (r#"{"a":1"#, None),
            (r#"{"a":1} tail"#, None),
            ("\u{fc}{}", None),
        ];
        for (text, want) in rows {
            assert_eq!(documents::<Value>(text), want, "{text}");
        }
    }

    #[test]
    fn finds_an_error_among_words() {
        assert_eq!(find("HTTP 429: {\"error\":{\"code\":429}}\n").unwrap()["error"]["code"], 429);
        assert_eq!(find("[{\"error\":{\"code\":429}}\n]").unwrap()["error"]["code"], 429);
        assert_eq!(find("an error {\"code\":429}"), None);
        assert_eq!(find("} {"), None);
        assert_eq!(find("error"), None);
    }
}
