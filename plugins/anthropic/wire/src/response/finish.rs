//! Stop reasons.

use serde_json::{Map, Value, json};

use super::wire::Ended;

impl Ended {
    /// OpenAI's word. `called`: a tool of the client's was called. `None`: no reason was given.
    pub(crate) fn reason(&self, called: bool) -> Option<&'static str> {
        Some(match self.stop_reason.as_deref()? {
            "tool_use" if called => "tool_calls",
            "max_tokens" | "model_context_window_exceeded" | "compaction" => "length",
            "refusal" => "content_filter",
            _ => "stop",
        })
    }

    /// What OpenAI has no word for, as the `provider_specific_fields` of the choice.
    pub(crate) fn fields(&self) -> Option<Value> {
        let mut fields = Map::new();
        let said_in_full = |word: &str| matches!(word, "end_turn" | "tool_use" | "max_tokens");
        if let Some(word) = self.stop_reason.as_deref().filter(|word| !said_in_full(word)) {
            fields.insert("native_finish_reason".to_owned(), json!(word));
        }
        if let Some(sequence) = &self.stop_sequence {
            fields.insert("stop_sequence".to_owned(), json!(sequence));
        }
        if let Some(details) = self.stop_details.as_ref().filter(|details| details.is_object()) {
            fields.insert("stop_details".to_owned(), details.clone());
        }
        (!fields.is_empty()).then_some(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_every_reason() {
        for (word, called, want, native) in [
            ("end_turn", false, "stop", false),
            ("tool_use", true, "tool_calls", false),
            // The tool was the one that JSON is written with.
            ("tool_use", false, "stop", false),
            ("max_tokens", true, "length", false),
            ("stop_sequence", false, "stop", true),
            ("refusal", false, "content_filter", true),
            ("pause_turn", false, "stop", true),
            ("model_context_window_exceeded", false, "length", true),
            ("a_word_of_tomorrow", false, "stop", true),
        ] {
            let ended = Ended { stop_reason: Some(word.to_owned()), ..Ended::default() };
            assert_eq!(ended.reason(called), Some(want), "{word}");
            assert_eq!(ended.fields().is_some(), native, "{word}");
        }
        assert_eq!(Ended::default().reason(true), None);
    }
}
