//! Reasoning, carried through a client that keeps its messages and nothing else.
//!
//! OpenAI stores none of what it was thinking for a request with `store: false`; it gives it out encrypted, and wants it back
//! before the call that it led to. In a chat it is one of the `thinking_blocks`, which every client dialect has a place for:
//! with the summary as its text where there is one, else as a redacted thought. What stands for Anthropic's signature is
//! [`TAG`] and a JSON object. Other providers' signatures are base64, so that neither is taken for the other.

use serde_json::{Value, json};

/// What the signature of a thought begins with that a Responses API gave out.
const TAG: &str = "responses.1:";

/// A reasoning item as a thought; `None`: there is nothing that could be sent back. `before`: the id of the call that it led
/// to. `told`: its summary has been told already, as in a stream.
pub(super) fn sealed(item: &Value, before: Option<&str>, told: bool) -> Option<Value> {
    let content = item["encrypted_content"].as_str().filter(|content| !content.is_empty())?;
    let mut inside = json!({"content": content});
    for (name, value) in [("id", item["id"].as_str()), ("before", before)] {
        if let Some(value) = value {
            inside[name] = json!(value);
        }
    }
    let seal = format!("{TAG}{inside}");
    let summary = summary(item);
    Some(if summary.is_empty() {
        json!({"type": "redacted_thinking", "data": seal})
    } else {
        json!({"type": "thinking", "thinking": if told { "" } else { &summary }, "signature": seal})
    })
}

/// The readable part of a reasoning item: its summary, or what an open model was thinking.
pub(super) fn summary(item: &Value) -> String {
    let parts = |name: &str| item[name].as_array().map_or(&[][..], Vec::as_slice).iter();
    let texts: Vec<&str> =
        parts("summary").chain(parts("content")).filter_map(|part| part["text"].as_str()).collect();
    texts.join(PARAGRAPH)
}

/// What stands between two parts of a summary.
pub(super) const PARAGRAPH: &str = "\n\n";

/// A thought as the reasoning item that it was, and the call that it stood before. `None`: it was another provider's, which
/// proves nothing here.
pub(super) fn opened(block: &Value) -> Option<(Value, Option<String>)> {
    let seal = block["signature"].as_str().or_else(|| block["data"].as_str())?;
    let inside: Value = serde_json::from_str(seal.strip_prefix(TAG)?).ok()?;
    let text = block["thinking"].as_str().filter(|text| !text.is_empty());
    let summary: Vec<Value> =
        text.into_iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
    let mut item = json!({"type": "reasoning", "summary": summary, "encrypted_content": inside["content"]});
    if inside["id"].is_string() {
        item["id"] = inside["id"].clone();
    }
    Some((item, inside["before"].as_str().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back() {
        let item = json!({
            "id": "rs_1", "type": "reasoning", "encrypted_content": "gAAAA=\"潮",
            "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}],
        });
        let block = sealed(&item, Some("call_1"), false).unwrap();
        assert_eq!((&block["type"], &block["thinking"]), (&json!("thinking"), &json!("One.\n\nTwo.")));
        let (back, before) = opened(&block).unwrap();
        assert_eq!(before.as_deref(), Some("call_1"));
        assert_eq!(back["summary"], json!([{"type": "summary_text", "text": "One.\n\nTwo."}]));
        assert_eq!((&back["id"], &back["encrypted_content"]), (&item["id"], &item["encrypted_content"]));

        let bare = json!({"type": "reasoning", "summary": [], "encrypted_content": "x"});
        let block = sealed(&bare, None, true).unwrap();
        assert_eq!(block["type"], "redacted_thinking");
        assert_eq!(opened(&block), Some((bare, None)));
        assert_eq!(sealed(&json!({"id": "rs_1", "encrypted_content": null}), None, false), None);
    }

    #[test]
    fn what_others_signed_is_not_ours() {
        for block in [
            json!({"type": "thinking", "thinking": "hm", "signature": "EqQBCkYIBBgCKkA="}),
            json!({"type": "redacted_thinking", "data": "EmwKAhgB=="}),
            json!({"type": "thinking", "thinking": "hm", "signature": "responses.1:{"}),
            json!({"type": "thinking", "thinking": "hm"}),
        ] {
            assert_eq!(opened(&block), None, "{block}");
        }
    }
}
