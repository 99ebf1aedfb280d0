//! Gemini's words for why an answer ended, and how many tokens it cost.

use serde_json::{Map, Value, json};

/// The values of `FinishReason` that say that a filter refused.
const FILTERED: &[&str] = &["SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "RECITATION", "MODEL_ARMOR"];

/// The other values of `FinishReason`.
const OTHERS: &[&str] = &[
    "STOP",
    "MAX_TOKENS",
    "LANGUAGE",
    "OTHER",
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "NO_IMAGE",
];

/// Whether a finish reason says that a filter refused the answer.
pub(super) fn is_filtered(word: &str) -> bool {
    FILTERED.contains(&word) || (word.starts_with("IMAGE_") && word != "IMAGE_OTHER")
}

/// The `finishReason` for a chat answer's; `native` is the provider's own word, which is kept where it is Google's.
pub(super) fn finish(reason: &str, native: Option<&str>) -> String {
    let google = |word: &&str| OTHERS.contains(word) || is_filtered(word) || *word == "IMAGE_OTHER";
    let word = native.filter(google).unwrap_or(match reason {
        "length" => "MAX_TOKENS",
        "content_filter" => "SAFETY",
        "stop" | "tool_calls" | "function_call" => "STOP",
        _ => "OTHER",
    });
    word.to_owned()
}

/// `usageMetadata` for a chat answer's `usage`. Gemini counts thoughts beside the candidates' tokens.
pub(super) fn usage(chat: &Value) -> Value {
    let count = |path: &str| chat.pointer(path).and_then(Value::as_u64);
    let (prompt, completion) =
        (count("/prompt_tokens").unwrap_or(0), count("/completion_tokens").unwrap_or(0));
    let thoughts = count("/completion_tokens_details/reasoning_tokens").unwrap_or(0).min(completion);
    let cached = count("/prompt_tokens_details/cached_tokens").unwrap_or(0);
    let mut out = Map::new();
    let mut tell = |name: &str, count: u64| out.insert(name.to_owned(), json!(count));
    tell("promptTokenCount", prompt);
    tell("candidatesTokenCount", completion - thoughts);
    tell("totalTokenCount", count("/total_tokens").unwrap_or(prompt.saturating_add(completion)));
    if thoughts > 0 {
        tell("thoughtsTokenCount", thoughts);
    }
    if cached > 0 {
        tell("cachedContentTokenCount", cached);
    }
    Value::Object(out)
}

/// The canonical code (google/rpc/code.proto) that goes with an HTTP status.
pub(super) fn status(http: u16) -> &'static str {
    match http {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        408 | 504 => "DEADLINE_EXCEEDED",
        400..=498 => "INVALID_ARGUMENT",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_own_word_is_kept() {
        for (reason, native, want) in [
            ("stop", None, "STOP"),
            ("tool_calls", None, "STOP"),
            ("length", Some("max_tokens"), "MAX_TOKENS"),
            ("content_filter", Some("RECITATION"), "RECITATION"),
            ("content_filter", Some("IMAGE_SAFETY"), "IMAGE_SAFETY"),
            ("content_filter", Some("JAILBREAK"), "SAFETY"),
            ("stop", Some("MALFORMED_FUNCTION_CALL"), "MALFORMED_FUNCTION_CALL"),
            ("pause", None, "OTHER"),
        ] {
            assert_eq!(finish(reason, native), want);
        }
        assert!(
            is_filtered("IMAGE_PROHIBITED_CONTENT") && !is_filtered("IMAGE_OTHER") && !is_filtered("STOP")
        );
    }

    #[test]
    fn thoughts_are_counted_beside_the_answer() {
        let chat = json!({"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 5}});
        assert_eq!(
            usage(&chat),
            json!({"promptTokenCount": 10, "candidatesTokenCount": 2, "thoughtsTokenCount": 5,
                "cachedContentTokenCount": 4, "totalTokenCount": 17})
        );
        assert_eq!(
            usage(&json!({})),
            json!({"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0})
        );
    }
}
