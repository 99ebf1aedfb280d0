//! Stop reasons.

use serde_json::{Map, Value, json};

/// What the client is told, and what Bedrock's own word says beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finish {
    pub(crate) reason: &'static str,
    native: Option<String>,
    sequence: Option<String>,
}

impl Finish {
    /// Of a `stopReason`. `more` are the model's own fields, where they were asked for.
    pub(crate) fn of(word: &str, called: bool, more: Option<&Value>) -> Self {
        let told = |reason| (reason, Some(word.to_owned()));
        let (reason, native) = match word {
            // Some makers' models do not tell a call from another end.
            "end_turn" | "tool_use" => (if called { "tool_calls" } else { "stop" }, None),
            "max_tokens" => ("length", None),
            "model_context_window_exceeded" => told("length"),
            "guardrail_intervened" | "content_filtered" => told("content_filter"),
            _ => told("stop"),
        };
        let sequence = more.and_then(|more| more.get("stop_sequence")).and_then(Value::as_str);
        Finish { reason, native, sequence: sequence.map(str::to_owned) }
    }

    /// The choice's `provider_specific_fields`, where there is something to say.
    pub(crate) fn fields(&self) -> Option<Value> {
        let mut fields = Map::new();
        for (name, value) in [("native_finish_reason", &self.native), ("stop_sequence", &self.sequence)] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        (!fields.is_empty()).then_some(Value::Object(fields))
    }
}

/// Whether a `stopReason` says that the model failed, and not that its answer is over.
pub(crate) fn is_failure(word: &str) -> bool {
    matches!(word, "malformed_model_output" | "malformed_tool_use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_every_reason() {
        let rows = [
            ("end_turn", false, "stop", None),
            ("end_turn", true, "tool_calls", None),
            ("tool_use", true, "tool_calls", None),
            ("max_tokens", true, "length", None),
            ("stop_sequence", false, "stop", Some("stop_sequence")),
            ("guardrail_intervened", false, "content_filter", Some("guardrail_intervened")),
            ("content_filtered", false, "content_filter", Some("content_filtered")),
            ("malformed_model_output", false, "stop", Some("malformed_model_output")),
            ("malformed_tool_use", true, "stop", Some("malformed_tool_use")),
            ("model_context_window_exceeded", false, "length", Some("model_context_window_exceeded")),
            ("a_word_of_tomorrow", false, "stop", Some("a_word_of_tomorrow")),
        ];
        for (word, called, reason, native) in rows {
            let finish = Finish::of(word, called, None);
            assert_eq!((finish.reason, finish.native.as_deref()), (reason, native), "{word}");
        }
        let more = json!({"stop_sequence": "END"});
        let fields = Finish::of("stop_sequence", false, Some(&more)).fields();
        assert_eq!(fields, Some(json!({"native_finish_reason": "stop_sequence", "stop_sequence": "END"})));
        assert_eq!(Finish::of("end_turn", false, Some(&json!(null))).fields(), None);
    }
}
