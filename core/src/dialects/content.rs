//! What a message's or a delta's `content` says: a text, or Mistral's form, a list of parts with thoughts among them.

use std::borrow::Cow;

use serde_json::Value;

/// A piece of it. None is empty.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Thought(Cow<'a, str>),
}

/// The pieces, in their order.
pub(super) fn pieces(delta: &Value) -> Vec<Piece<'_>> {
    match &delta["content"] {
        Value::String(text) if !text.is_empty() => vec![Piece::Text(text)],
        Value::Array(parts) => parts.iter().filter_map(piece).collect(),
        _ => Vec::new(),
    }
}

fn piece(part: &Value) -> Option<Piece<'_>> {
    let text = |part: &'_ Value| part["text"].as_str().map(str::to_owned);
    match part["type"].as_str()? {
        "text" => part["text"].as_str().filter(|text| !text.is_empty()).map(Piece::Text),
        "thinking" => {
            let thought = match &part["thinking"] {
                Value::String(thought) => Cow::from(thought),
                Value::Array(parts) => Cow::from(parts.iter().filter_map(text).collect::<String>()),
                _ => return None,
            };
            (!thought.is_empty()).then_some(Piece::Thought(thought))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_or_parts() {
        let said = |content: Value| format!("{:?}", pieces(&json!({"content": content})));
        for nothing in [
            json!(null),
            json!(""),
            json!([]),
            json!([{"type": "text", "text": ""}, {"type": "thinking"}, 7]),
        ] {
            assert_eq!(said(nothing), "[]");
        }
        assert_eq!(said(json!("x")), r#"[Text("x")]"#);
        let parts = json!([
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, {"type": "text", "text": "m"}]},
            {"type": "text", "text": "42."},
            {"type": "reference", "reference_ids": [1]},
            {"type": "thinking", "thinking": "so"},
        ]);
        assert_eq!(said(parts), r#"[Thought("hmm"), Text("42."), Thought("so")]"#);
    }
}
