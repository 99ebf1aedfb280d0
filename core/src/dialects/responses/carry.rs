//! What a provider wants back unchanged, carried through a client that keeps nothing but the items of an answer.
//!
//! Anthropic signs its thinking, and Google the thought behind a call; a history without the signature is refused, or
//! thinks worse. A Responses client that is stateless echoes reasoning items with their `encrypted_content`, a text that is
//! opaque to it. Ours is [`TAG`] and a JSON object: `thinking_blocks`, as the canonical dialect has them; `calls`, the
//! signature of each call by its `call_id`; `thought_signatures`, those that belong to no call. It is not encrypted: it
//! holds nothing that the client was not told. A provider of Responses cannot read it, so that items with it are taken
//! out of a request that goes to one ([`is_ours`]).

use serde_json::{Map, Value, json};

/// What our `encrypted_content` begins with: the name of the form, and its version.
pub(super) const TAG: &str = "tidegate.1:";
/// What the ids of our reasoning items begin with. Some clients drop the content and keep the id.
pub(super) const ID: &str = "rs_tg";

/// The contents of one reasoning item.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Carried {
    pub(super) thinking_blocks: Vec<Value>,
    pub(super) calls: Map<String, Value>,
    pub(super) thought_signatures: Vec<Value>,
}

impl Carried {
    /// The `encrypted_content`.
    pub(super) fn sealed(&self) -> String {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| {
            members.insert(name.to_owned(), value);
        };
        if !self.thinking_blocks.is_empty() {
            put("thinking_blocks", json!(self.thinking_blocks));
        }
        if !self.calls.is_empty() {
            put("calls", json!(self.calls));
        }
        if !self.thought_signatures.is_empty() {
            put("thought_signatures", json!(self.thought_signatures));
        }
        format!("{TAG}{}", Value::Object(members))
    }

    /// What an `encrypted_content` holds; `None` where it is not ours.
    pub(super) fn of(sealed: &str) -> Option<Self> {
        let members: Value = serde_json::from_str(sealed.strip_prefix(TAG)?).ok()?;
        let list = |name: &str| members[name].as_array().cloned().unwrap_or_default();
        Some(Self {
            thinking_blocks: list("thinking_blocks"),
            calls: members["calls"].as_object().cloned().unwrap_or_default(),
            thought_signatures: list("thought_signatures"),
        })
    }
}

/// Whether a reasoning item was made here.
pub(super) fn is_ours(item: &Value) -> bool {
    let begins = |name: &str, with: &str| item[name].as_str().is_some_and(|text| text.starts_with(with));
    item["type"] == "reasoning" && (begins("encrypted_content", TAG) || begins("id", ID))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back() {
        let mut carried = Carried {
            thinking_blocks: vec![json!({"type": "thinking", "thinking": "é \"潮\"", "signature": "c2ln=="})],
            ..Carried::default()
        };
        carried.calls.insert("call_1".to_owned(), json!("abc"));
        carried.thought_signatures.push(json!("xyz"));
        assert_eq!(Carried::of(&carried.sealed()), Some(carried));
        assert_eq!(Carried::default().sealed(), "tidegate.1:{}");
    }

    #[test]
    fn what_others_sealed_is_not_ours() {
        for sealed in ["", "gAAAAABo", "tidegate.2:{}", "tidegate.1:{", "tidegate.1:"] {
            assert_eq!(Carried::of(sealed), None, "{sealed}");
        }
        assert!(is_ours(&json!({"type": "reasoning", "encrypted_content": "tidegate.1:{}"})));
        assert!(is_ours(&json!({"type": "reasoning", "id": "rs_tg0001", "summary": []})));
        assert!(!is_ours(&json!({"type": "reasoning", "id": "rs_01", "encrypted_content": "gAAA"})));
        assert!(!is_ours(&json!({"type": "message", "id": "rs_tg0001"})));
    }
}
