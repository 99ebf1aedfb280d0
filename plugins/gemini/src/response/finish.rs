//! Finish reasons.

/// What the client is told, and the provider's own word where that says more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finish {
    pub(crate) reason: &'static str,
    pub(crate) native: Option<String>,
}

impl Finish {
    /// Of a candidate's `finishReason`. The unspecified one is no finish.
    pub(crate) fn of(word: &str, called: bool) -> Option<Finish> {
        let told = |reason| Some(Finish { reason, native: Some(word.to_owned()) });
        match word {
            "" | "FINISH_REASON_UNSPECIFIED" => None,
            "STOP" => Some(Finish { reason: if called { "tool_calls" } else { "stop" }, native: None }),
            "MAX_TOKENS" => Some(Finish { reason: "length", native: None }),
            "SAFETY" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "RECITATION" | "MODEL_ARMOR" => {
                told("content_filter")
            }
            _ if word.starts_with("IMAGE_") => told("content_filter"),
            "OTHER"
            | "LANGUAGE"
            | "MALFORMED_FUNCTION_CALL"
            | "MALFORMED_RESPONSE"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE"
            | "NO_IMAGE" => told("stop"),
            // A word that others than Google may have: a client that is told of a stop leaves the calls undone.
            _ => told(if called { "tool_calls" } else { "stop" }),
        }
    }

    /// Of a `promptFeedback.blockReason`: there is no candidate.
    pub(crate) fn blocked(word: &str) -> Option<Finish> {
        match word {
            "" | "BLOCK_REASON_UNSPECIFIED" | "BLOCKED_REASON_UNSPECIFIED" => None,
            _ => Some(Finish { reason: "content_filter", native: Some(word.to_owned()) }),
        }
    }
}

/// Whether a `finishReason` says that the model failed, and not that its answer is over. `answers`: there is one, be it in part.
pub(crate) fn is_failure(word: &str, answers: bool) -> bool {
    match word {
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "LANGUAGE"
        | "OTHER" => true,
        // The model may have said in words why it makes no picture.
        "NO_IMAGE" => !answers,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_every_reason() {
        let rows = [
            ("STOP", false, Some("stop")),
            ("STOP", true, Some("tool_calls")),
            ("MAX_TOKENS", true, Some("length")),
            ("SAFETY", false, Some("content_filter")),
            ("RECITATION", false, Some("content_filter")),
            ("IMAGE_SAFETY", false, Some("content_filter")),
            ("MODEL_ARMOR", false, Some("content_filter")),
            ("MALFORMED_FUNCTION_CALL", false, Some("stop")),
            ("NO_IMAGE", false, Some("stop")),
            ("MALFORMED_FUNCTION_CALL", true, Some("stop")),
            ("A_WORD_OF_TOMORROW", false, Some("stop")),
            ("FUNCTION_CALL", true, Some("tool_calls")),
            ("FINISH_REASON_UNSPECIFIED", false, None),
            ("", false, None),
        ];
        for (word, called, want) in rows {
            assert_eq!(Finish::of(word, called).map(|finish| finish.reason), want, "{word}");
        }
        assert_eq!(Finish::of("OTHER", false).and_then(|finish| finish.native).as_deref(), Some("OTHER"));
        assert_eq!(Finish::blocked("JAILBREAK").map(|finish| finish.reason), Some("content_filter"));
        assert_eq!(Finish::blocked("BLOCK_REASON_UNSPECIFIED"), None);
    }
}
