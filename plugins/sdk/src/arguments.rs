//! The arguments of a call of the history: a text in a chat completion, an object in most other dialects.

use serde_json::{Value, json};

/// The object that the text is; none at all is an empty one. A text that is no object, as of a call that was cut, goes as
/// `{"INVALID_JSON": TEXT}`: the model can see what was wrong with it, and one such call in a history refuses no later
/// request.
pub fn object(text: &str) -> Value {
    if text.trim().is_empty() {
        return json!({});
    }
    let made = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    made.unwrap_or_else(|| json!({"INVALID_JSON": text}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_is_kept_as_a_text() {
        for text in ["{\"cut", "[1]", "null", "7", "{} {}"] {
            assert_eq!(object(text), json!({"INVALID_JSON": text}), "{text}");
        }
        assert_eq!((object(" \n"), object(" {\"a\": 1}")), (json!({}), json!({"a": 1})));
    }
}
